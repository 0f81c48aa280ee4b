"""`SupermicroRackDevice` against BMCs that other people wrote, and against our own simulator."""

from __future__ import annotations

import contextlib

import pytest

from .contract import PowerDriverContract
from .ipmi_peers import IpmiSimPeer, PyghmiPeer, SimulatorPeer


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(IpmiSimPeer, id="ipmi_sim", marks=pytest.mark.peer),
        pytest.param(PyghmiPeer, id="pyghmi", marks=pytest.mark.peer),
        pytest.param(SimulatorPeer, id="simulator"),
    ],
)
def peer(request):
    with contextlib.ExitStack() as stack:
        yield request.param(stack)


class TestSupermicroRackDevice(PowerDriverContract):
    pass

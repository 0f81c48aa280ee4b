from __future__ import annotations

import pytest

from tests.peers import sockets


@pytest.fixture
def silent_udp_port():
    with sockets.silent_udp_port() as port:
        yield port

from __future__ import annotations

import pytest

from tests.peers import sockets


@pytest.fixture
def silent_port():
    with sockets.silent_port() as port:
        yield port

"""libfaketime: programs whose machine has a wrong clock."""

from __future__ import annotations

from pathlib import Path

from tests.peers.programs import program


def wrong_clock(seconds):
    """The environment of a program for which it is so many seconds later than it is."""
    program("faketime")
    [library] = Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")
    return {"LD_PRELOAD": str(library), "FAKETIME": f"{seconds:+d}"}

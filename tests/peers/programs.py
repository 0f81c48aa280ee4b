"""Where the independent programs are, and what to do when they are not installed."""

from __future__ import annotations

import os
import shutil

import pytest

PATH = os.environ.get("PATH", "") + ":/usr/bin:/usr/sbin"


def program(name, *directories):
    """The path of a peer program; without it the test is skipped, but fails where CI=true."""
    found = shutil.which(name, path=os.pathsep.join([PATH, *map(str, directories)]))
    if found is None:
        said = f"{name} is not installed; `make peers` installs it"
        if os.environ.get("CI") == "true":
            pytest.fail(said)
        pytest.skip(said)
    return found

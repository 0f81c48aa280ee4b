"""The directory by which processes share their numbers, so that any of them can show all at `/metrics`."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
"""The environment variable that prometheus_client looks at when it is imported."""


def clean(directory: Path) -> dict[str, str]:
    """Forget the numbers of a former start; answers what to add to the environment of the processes."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    return {VARIABLE: str(directory)}


def provide() -> None:
    """Give this process and those that it forks a directory, unless they have one. It goes when we end."""
    if VARIABLE in os.environ:
        return
    os.environ[VARIABLE] = directory = tempfile.mkdtemp(prefix="cloudmanager-metrics-")
    owner = os.getpid()

    def remove() -> None:
        if os.getpid() == owner:  # a forked process inherits this function
            shutil.rmtree(directory, ignore_errors=True)

    atexit.register(remove)


def is_shared() -> bool:
    """Whether there is such a directory."""
    return VARIABLE in os.environ

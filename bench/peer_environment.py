"""Peers that are Python packages: each in a virtual environment of its own below `.bench/`."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class Missing(Exception):
    """The peer cannot be had here; the message says why."""


def install(home: Path, packages: Sequence[str]) -> None:
    """Put packages into the virtual environment at `home`, once; raises `Missing`."""
    done = home / ".installed"
    if done.exists() and done.read_text() == str(packages):
        return
    try:
        subprocess.run([sys.executable, "-m", "venv", "--clear", home], check=True, capture_output=True)
        pip = [home / "bin" / "python", "-m", "pip", "-q", "--disable-pip-version-check", "install"]
        subprocess.run([*pip, *packages], check=True, capture_output=True, text=True, timeout=900)
    except (subprocess.SubprocessError, OSError) as error:
        raise Missing(f"cannot be installed: {type(error).__name__}") from None
    done.write_text(str(packages))

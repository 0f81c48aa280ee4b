"""Ansible beside us: ad-hoc commands over OpenSSH's `ssh`, in a virtual environment of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HOME = Path(__file__).parents[1] / ".bench" / "ansible"
PACKAGES = ("ansible-core>=2.19,<2.20",)


class Missing(Exception):
    """Ansible cannot be had here; the message says why."""


def install() -> None:
    """Put Ansible into its virtual environment, once."""
    done = HOME / ".installed"
    if done.exists() and done.read_text() == str(PACKAGES):
        return
    try:
        subprocess.run([sys.executable, "-m", "venv", "--clear", HOME], check=True, capture_output=True)
        pip = [HOME / "bin" / "python", "-m", "pip", "-q", "--disable-pip-version-check", "install"]
        subprocess.run([*pip, *PACKAGES], check=True, capture_output=True, text=True, timeout=900)
    except (subprocess.SubprocessError, OSError) as error:
        raise Missing(f"cannot be installed: {type(error).__name__}") from None
    done.write_text(str(PACKAGES))


def command(inventory: Path, forks: int, line: str) -> list[str]:
    """An ad-hoc command by the module `raw`, which needs no Python on the hosts."""
    return [
        str(HOME / "bin" / "ansible"),
        "all",
        "-i",
        str(inventory),
        "-m",
        "raw",
        "-a",
        line,
        "-f",
        str(forks),
    ]


def surroundings(directory: Path) -> dict[str, str]:
    """The environment that keeps the user's own settings out; host keys are checked, as ours are."""
    settings = directory / "ansible.cfg"
    settings.touch()
    return {
        "ANSIBLE_CONFIG": str(settings),
        "ANSIBLE_HOME": str(directory / "ansible"),
        "ANSIBLE_HOST_KEY_CHECKING": "True",
        "ANSIBLE_SSH_ARGS": f"-F /dev/null -C -o ControlMaster=auto -o ControlPersist=60s "
        f"-o UserKnownHostsFile={directory}/known_hosts",
        "ANSIBLE_LOCALHOST_WARNING": "False",
        "ANSIBLE_TIMEOUT": "60",
    }

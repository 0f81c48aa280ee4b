"""Ansible beside us: ad-hoc commands over OpenSSH's `ssh`, in a virtual environment of its own."""

from __future__ import annotations

from pathlib import Path

HOME = Path(__file__).parents[1] / ".bench" / "ansible"
PACKAGES = ("ansible-core>=2.19,<2.20",)


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

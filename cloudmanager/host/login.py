"""What the Host port must know to get into one node, and how patient it is."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Login:
    """The way into a node. `host` is empty where the inventory has neither an address nor a name.

    `sudo`: commands that need root are put behind `sudo -n`. `pins`: the first host key it shows is stored.
    """

    host: str
    port: int = 22
    login: str = "root"
    password: str = field(default="", repr=False)
    ssh_key: str = field(default="", repr=False)
    host_key: str = ""
    known_hosts: str = ""
    log_ons: int = 0
    sudo: bool = True
    pins: bool = False


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Times in seconds. `connections` in all are kept open, `sessions` commands run on a node at once."""

    connect_timeout: float = 10.0
    idle: float = 60.0
    connections: int = 200
    sessions: int = 4

"""What `systemctl show` says of a unit (systemctl(1)): lines of `Property=value`."""

from __future__ import annotations

from dataclasses import dataclass

from cloudmanager.errors import HostRefused

_ENABLED = frozenset({"enabled", "enabled-runtime", "static", "alias", "generated", "indirect"})


@dataclass(frozen=True)
class Unit:
    """A unit, in systemd's words. `invocation` is new after each start."""

    load: str
    active: str
    sub: str = ""
    file: str = ""
    result: str = ""
    status: int = 0
    invocation: str = ""

    @property
    def installed(self) -> bool:
        """Whether there is such a unit."""
        return self.load == "loaded"

    @property
    def runs(self) -> bool:
        """Whether it does its work now."""
        return self.active in ("active", "reloading")

    @property
    def changes(self) -> bool:
        """Whether it is on its way to another state."""
        return self.active in ("activating", "deactivating")

    @property
    def enabled(self) -> bool:
        """Whether it starts with the machine, or on demand."""
        return self.file in _ENABLED


def read_unit(text: str) -> Unit:
    """The unit that was shown; `HostRefused` when these are no properties of one."""
    shown = dict(line.partition("=")[::2] for line in text.splitlines() if "=" in line)
    if "LoadState" not in shown or "ActiveState" not in shown:
        raise HostRefused(f"systemctl says what cannot be read: it begins with {text.strip()[:80]!r}")
    status = shown.get("ExecMainStatus", "")
    return Unit(
        load=shown["LoadState"],
        active=shown["ActiveState"],
        sub=shown.get("SubState", ""),
        file=shown.get("UnitFileState", ""),
        result=shown.get("Result", ""),
        status=int(status) if status.isdecimal() else 0,
        invocation=shown.get("InvocationID", ""),
    )

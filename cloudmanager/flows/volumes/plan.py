"""What a flow would do with a volume: the answer to `dry_run`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloudmanager.host.lvm import LogicalVolume


@dataclass(frozen=True)
class VolumePlan:
    """The acts in order, in words; none, and why, when nothing can or need be done."""

    acts: tuple[str, ...] = ()
    reason: str | None = None


def plan_of(volume: LogicalVolume, wait: str | None, acts: Sequence[str], *, activated: bool) -> VolumePlan:
    """Acts on a volume, after what has to be waited for, which is left as unused as it was.

    `activated`: the flow activates it first; else LVM does what it needs by itself.
    """
    first = [f"wait while {wait}"] if wait else []
    if volume.active:
        return VolumePlan((*first, *acts))
    use = ["activate it on the storage node"] if activated else []
    return VolumePlan((*first, *use, *acts, "leave it inactive as it was, unless something uses it by then"))

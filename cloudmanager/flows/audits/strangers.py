"""Moves that somebody else makes: a second balancer, or people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmanager.load_sources.left_out import some_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from cloudmanager.flows.run import Run
    from cloudmanager.openstack.records import Migration


async def strangers(run: Run, moving: Iterable[Migration]) -> list[str]:
    """The servers that somebody else moves: no task of ours holds them."""
    ids = sorted({record.server_id for record in moving})
    held = await run.holders([f"server:{server_id}" for server_id in ids])
    return [server_id for server_id in ids if f"server:{server_id}" not in held]


def foreign_note(server_ids: Collection[str]) -> str:
    """What is said of them."""
    return (
        f"servers are being moved by somebody else ({len(server_ids)}: {some_of(server_ids)}): "
        "is another balancer at work here?"
    )

"""Taking back what a clone has made, found by its marker; nothing else is touched.

It is deleted until nothing is found, which also takes what the cloud made although its answer was lost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

from cloudmanager.flows.base import Done, Fail, Outcome, Wait
from cloudmanager.flows.servers.marker import cloud_of, marker

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from cloudmanager.flows.run import Run
    from cloudmanager.openstack.records import Accepted


class Thing(Protocol):
    """What a cloud makes and deletes in its own time."""

    @property
    def id(self) -> str:
        """Its id."""

    @property
    def status(self) -> str:
        """The cloud's word for its state."""


T = TypeVar("T", bound=Thing)

_NOT_YET = frozenset({"creating", "downloading", "attaching", "detaching", "in-use", "deleting", "queued"})
"""States of volumes, snapshots and images in which nothing can be deleted, or is being deleted."""


async def delete_servers(run: Run) -> Outcome:
    """Undo: the servers that were made; volumes cannot go before them."""
    cloud = cloud_of(run)
    found = [server for server in await cloud.find_servers(marker(run)) if server.status != "DELETED"]
    ready = [server for server in found if server.task_state != "deleting"]
    return await delete_all(run, "servers", found, ready, cloud.delete_server)


async def delete_volumes(run: Run) -> Outcome:
    """Undo: the copies of volumes."""
    found = await cloud_of(run).find_volumes(marker(run))
    return await delete_all(run, "volumes", found, deletable(found), cloud_of(run).delete_volume)


async def delete_snapshots(run: Run) -> Outcome:
    """Undo: the snapshots of the original's volumes."""
    found = await cloud_of(run).find_snapshots(marker(run))
    return await delete_all(run, "snapshots", found, deletable(found), cloud_of(run).delete_snapshot)


async def delete_image(run: Run) -> Outcome:
    """Undo: the image of the original's root disk."""
    found = await cloud_of(run).find_images(marker(run)) if run.memo.get("image") else ()
    return await delete_all(run, "images", found, found, cloud_of(run).delete_image)


def deletable(found: Sequence[T]) -> list[T]:
    """Those in a state in which they can be deleted."""
    return [each for each in found if each.status not in _NOT_YET]


async def delete_all(
    run: Run,
    what: str,
    found: Sequence[Thing],
    ready: Sequence[Thing],
    delete: Callable[[str], Awaitable[Accepted]],
) -> Outcome:
    """Delete one that can be, until none is found; after too long, name those that are left."""
    hosts = run.ports.config.hosts
    if not found:
        run.memo.pop("deleting_since", None)
        return Done(f"{what}: what was made is deleted" if run.memo.pop("deleted", None) else "")
    waited = run.now() - run.memo.setdefault("deleting_since", run.now())
    if waited > hosts.clone_timeout:
        run.memo.pop("deleting_since")
        return Fail(f"{what} are left: {', '.join(each.id for each in found)}")
    for each in ready:
        run.memo["deleted"] = True
        await delete(each.id)
    return Wait(hosts.poll_interval, f"{what}: {len(found)} are to be deleted")

"""`clone-server`: new servers like one that is there, each with copies of its volumes.

Parameters: `server_id`, `count`. All is made in the original's project, where our user needs a role. It
carries a marker with this task's id, by which it is found again: after a crash nothing is made twice, and a
clone that fails or is cancelled takes back what it made.
Disks are copied while the server runs, one after another: what its guest has not written is not in them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloudmanager.errors import CloudRefused
from cloudmanager.flows.base import Done, Fail, Flow, Outcome, Wait
from cloudmanager.flows.hosts.fence import when
from cloudmanager.flows.servers.clone_undo import (
    delete_image,
    delete_servers,
    delete_snapshots,
    delete_volumes,
)
from cloudmanager.flows.servers.marker import COPY_OF, NUMBER, cloud_of, marker
from cloudmanager.flows.servers.move import QUEUE
from cloudmanager.flows.servers.plan import ServerPlan
from cloudmanager.openstack.definitions import NewAttachment, NewServer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from cloudmanager.flows.run import Run
    from cloudmanager.flows.servers.clone_undo import Thing
    from cloudmanager.openstack.definitions import Attachment, ServerDefinition
    from cloudmanager.openstack.port import CloudPort
    from cloudmanager.openstack.records import Accepted, Server
    from cloudmanager.openstack.tenant_port import TenantCloud

_COPIED = frozenset({"active", "stopped", "paused", "suspended"})
_GOOD = frozenset({"available", "active"})
_BAD = frozenset({"error", "killed", "deleted", "error_deleting"})
_AT_ONCE = 0.0


# --- looking -----------------------------------------------------------------------------------------------


async def look_at_original(run: Run) -> Outcome:
    """Remember its project, its volumes, and which servers are to be made.

    Fails, before anything is made, when our user is not let into the project or sees a volume not from there.
    """
    cloud, server_id = run.ports.cloud, run.params["server_id"]
    server = await cloud.server(server_id)
    if why := why_not_copied(server):
        return Fail(why)
    definition = await cloud.server_definition(server_id)
    project = run.ports.tenants.of(definition.project_id)
    await project.log_in()
    why_no_key = await _why_no_key(cloud, definition)
    run.memo["not_copied"] = [why_no_key] if why_no_key else []
    run.memo["key_name"] = None if why_no_key else definition.key_name
    run.memo["name"] = definition.name
    run.memo["image"] = None if definition.image_id is None else {"id": None}
    run.memo["volumes"] = [await _described(project, attachment) for attachment in definition.attachments]
    run.memo["clones"] = [
        {"number": number, "name": f"{definition.name}-clone-{number}", "volumes": {}, "id": None}
        for number in range(1, run.params["count"] + 1)
    ]
    run.memo["project_id"] = definition.project_id
    has = f"{definition.name} has {len(definition.attachments)} volumes, in project {definition.project_id}"
    return Done("; ".join((has, *run.memo["not_copied"])))


async def _why_no_key(cloud: CloudPort, definition: ServerDefinition) -> str | None:
    """Why the clones will not have the key pair of the original; None when they will, or it has none."""
    name, owner = definition.key_name, definition.user_id
    if name is None or await cloud.has_key(name, owner):
        return None
    return (
        f"without key pair {name} of user {owner}, since Nova gives a server only keys of whoever makes it; "
        "what is authorized on the disks is copied with them"
    )


async def _described(cloud: TenantCloud, attachment: Attachment) -> dict[str, Any]:
    return {
        "id": attachment.volume_id,
        "boot_index": attachment.boot_index,
        "delete_on_termination": attachment.delete_on_termination,
        "bootable": (await cloud.volume(attachment.volume_id)).bootable,
        "snapshot": None,
    }


def why_not_copied(server: Server) -> str | None:
    """Why a server cannot be copied now."""
    if server.task_state is not None:
        return f"{server.name} is busy: {server.task_state}"
    if server.vm_state not in _COPIED:
        return f"{server.name} is {server.status}: only one that runs, or is stopped or asleep, can be copied"
    return None


# --- copying disks -----------------------------------------------------------------------------------------


async def snapshot_volumes(run: Run) -> Outcome:
    """Begin a snapshot of each volume, one at a time."""
    cloud, volumes = cloud_of(run), run.memo["volumes"]
    for done, volume in enumerate(volumes):
        if volume["snapshot"] is not None:
            continue
        mark = marker(run, **{COPY_OF: volume["id"]})
        known = await cloud.find_snapshots(mark) if run.attempt > 1 else ()
        name = f"{run.memo['name']}-clone"
        volume["snapshot"] = first_id(known) or (await cloud.snapshot_volume(volume["id"], name, mark)).id
        return Wait(_AT_ONCE, f"snapshot {done + 1} of {len(volumes)} is begun")
    return Done()


async def make_image(run: Run) -> Outcome:
    """Begin an image of the root disk, where that is no volume."""
    image, cloud = run.memo["image"], cloud_of(run)
    if image is None:
        return Done()
    known = await cloud.find_images(marker(run)) if run.attempt > 1 else ()
    name = f"{run.memo['name']}-clone"
    image["id"] = first_id(known) or (await cloud.create_image(run.params["server_id"], name, marker(run))).id
    return Done("an image of its root disk is begun")


async def await_snapshots(run: Run) -> Outcome:
    """Watch until all snapshots are there."""
    ids = [volume["snapshot"] for volume in run.memo["volumes"]]
    return await await_all(run, "snapshots", ids, await cloud_of(run).find_snapshots(marker(run)))


async def await_image(run: Run) -> Outcome:
    """Watch until the image is there."""
    if run.memo["image"] is None:
        return Done()
    image_id = run.memo["image"]["id"]
    return await await_all(run, "image", [image_id], [await cloud_of(run).image(image_id)])


async def make_volumes(run: Run) -> Outcome:
    """Begin a volume from each snapshot for each clone, one at a time."""
    cloud = cloud_of(run)
    for clone in run.memo["clones"]:
        for volume in run.memo["volumes"]:
            if volume["id"] in clone["volumes"]:
                continue
            mark = marker(run, **{NUMBER: str(clone["number"]), COPY_OF: volume["id"]})
            known = await cloud.find_volumes(mark) if run.attempt > 1 else ()
            clone["volumes"][volume["id"]] = (
                first_id(known)
                or (await cloud.create_volume_from_snapshot(volume["snapshot"], clone["name"], mark)).id
            )
            return Wait(_AT_ONCE, f"volume {len(clone['volumes'])} of {clone['name']} is begun")
    return Done()


async def await_volumes(run: Run) -> Outcome:
    """Watch until all volumes are there; one that can be booted must have become one that can be."""
    ids = [volume_id for clone in run.memo["clones"] for volume_id in clone["volumes"].values()]
    found = await cloud_of(run).find_volumes(marker(run))
    outcome = await await_all(run, "volumes", ids, found)
    if not isinstance(outcome, Done):
        return outcome
    bootable = {volume.id: volume.bootable for volume in found}
    for clone in run.memo["clones"]:
        for volume in run.memo["volumes"]:
            copy = clone["volumes"][volume["id"]]
            if volume["bootable"] and not bootable[copy]:
                return Fail(f"volume {copy} is a copy of {volume['id']}, and cannot be booted as that can")
    return outcome


async def await_all(run: Run, what: str, ids: Sequence[str], found: Sequence[Thing]) -> Outcome:
    """Done when all are usable; Fail when one has failed, or it takes too long."""
    hosts = run.ports.config.hosts
    status = {each.id: each.status for each in found}
    for each in ids:
        if status.get(each) in _BAD:
            return Fail(f"{what}: {each} ended as {status[each]}")
    ready = sum(status.get(each) in _GOOD for each in ids)
    if ready == len(ids):
        run.memo.pop("copying_since", None)
        return Done(f"{what}: all of {len(ids)} are there" if ids else "")
    waited = run.now() - run.memo.setdefault("copying_since", run.now())
    if waited > hosts.clone_timeout:
        return Fail(f"{what}: only {ready} of {len(ids)} are there after {waited:.0f} s")
    return Wait(hosts.poll_interval, f"{what}: {ready} of {len(ids)} are there")


# --- making servers ----------------------------------------------------------------------------------------


async def make_servers(run: Run) -> Outcome:
    """Begin the new servers, one at a time. Only an administrator is told the user data of the original."""
    cloud = cloud_of(run)
    for clone in run.memo["clones"]:
        if clone["id"] is not None:
            continue
        mark = marker(run, **{NUMBER: str(clone["number"])})
        known = await cloud.find_servers(mark) if run.attempt > 1 else ()
        if not known:
            definition = await run.ports.cloud.server_definition(run.params["server_id"])
            made = await cloud.create_server(_new(run, definition, clone, mark))
            run.event(made.id, "begun", f"{clone['name']} ({made.request_id or 'no request id'})")
        clone["id"] = first_id(known) or made.id
        return Wait(_AT_ONCE, f"{clone['name']} is begun")
    return Done()


def _new(
    run: Run, definition: ServerDefinition, clone: Mapping[str, Any], mark: Mapping[str, str]
) -> NewServer:
    """Like the original, with the volumes that it had when it was looked at."""
    return NewServer(
        name=clone["name"],
        flavor_id=definition.flavor_id,
        image_id=run.memo["image"] and run.memo["image"]["id"],
        networks=definition.networks,
        security_groups=definition.security_groups,
        key_name=run.memo["key_name"],
        marker=mark,
        metadata=definition.metadata,
        user_data=definition.user_data,
        attachments=tuple(
            NewAttachment(
                clone["volumes"][volume["id"]],
                boot_index=volume["boot_index"],
                delete_on_termination=volume["delete_on_termination"],
            )
            for volume in run.memo["volumes"]
        ),
        config_drive=definition.config_drive,
        zone=definition.zone,
        description=definition.description,
    )


async def await_servers(run: Run) -> Outcome:
    """Watch until all run."""
    hosts = run.ports.config.hosts
    found = {server.id: server for server in await cloud_of(run).find_servers(marker(run))}
    clones = [found.get(clone["id"]) for clone in run.memo["clones"]]
    for server in clones:
        if server is not None and server.vm_state == "error" and server.task_state is None:
            return Fail(f"{server.name} ended in ERROR: {server.fault or 'Nova does not say why'}")
    running = sum(server is not None and server.vm_state == "active" for server in clones)
    if running == len(clones):
        return Done(f"all {len(clones)} run")
    waited = run.now() - run.memo.setdefault("booting_since", run.now())
    if waited > hosts.clone_timeout:
        return Fail(f"only {running} of {len(clones)} servers run after {waited:.0f} s")
    return Wait(hosts.poll_interval, f"{running} of {len(clones)} servers run")


# --- the end -----------------------------------------------------------------------------------------------


async def delete_means(run: Run) -> Outcome:
    """Delete snapshots and image, which were only means, one at a time. What a backend keeps is named.

    The clones are complete: whatever comes now, they are not taken back.
    """
    cloud, left = cloud_of(run), run.memo.setdefault("left", {})
    run.memo["complete"] = True
    run.result = {
        "server_id": run.params["server_id"],
        "project_id": run.memo["project_id"],
        "clones": _told(run),
        "not_copied": run.memo["not_copied"],
        "left": list(left.values()),
    }
    for snapshot in await cloud.find_snapshots(marker(run)):
        if snapshot.status != "deleting" and snapshot.id not in left:
            return await _delete_mean(run, f"snapshot {snapshot.id}", snapshot.id, cloud.delete_snapshot)
    for image in await cloud.find_images(marker(run)) if run.memo["image"] else ():
        if image.id not in left:
            return await _delete_mean(run, f"image {image.id}", image.id, cloud.delete_image)
    kept = "; ".join(left.values())
    means = f"left: {kept}" if kept else "snapshots and images that were means are deleted"
    return Done("; ".join((*run.memo["not_copied"], means)))


async def _delete_mean(
    run: Run, what: str, key: str, delete: Callable[[str], Awaitable[Accepted]]
) -> Outcome:
    try:
        await delete(key)
    except CloudRefused as refused:
        run.memo["left"][key] = f"{what}: {refused.message}"
    return Wait(_AT_ONCE, f"deleting {what}")


def has_begun(run: Run) -> bool:
    """Whether anything can have been made: it is known where."""
    return "project_id" in run.memo


def is_incomplete(run: Run) -> bool:
    """Whether something has begun, and the clones are not all there yet."""
    return has_begun(run) and not run.memo.get("complete")


def _told(run: Run) -> list[dict[str, Any]]:
    return [
        {"id": clone["id"], "name": clone["name"], "volumes": list(clone["volumes"].values())}
        for clone in run.memo["clones"]
    ]


def first_id(found: Sequence[Any]) -> str | None:
    """The id of what an earlier attempt made."""
    return min((each.id for each in found), default=None)


async def plan_to_clone(cloud: CloudPort, params: Mapping[str, Any]) -> ServerPlan:
    """What the flow would do."""
    server = await cloud.server(params["server_id"])
    if why := why_not_copied(server):
        return ServerPlan.of("clone", server, (), why)
    definition = await cloud.server_definition(server.id)
    volumes = [await cloud.volume(attachment.volume_id) for attachment in definition.attachments]
    acts = [f"snapshot volume {volume.id} ({volume.size_gb} GiB)" for volume in volumes]
    if definition.image_id is not None:
        acts.append("make an image of its root disk")
    for number in range(1, params["count"] + 1):
        copies = f" with copies of {len(volumes)} volumes" if volumes else ""
        acts.append(f"make {server.name}-clone-{number}{copies}")
    if why_no_key := await _why_no_key(cloud, definition):
        acts.append(f"leave them {why_no_key}")
    return ServerPlan.of("clone", server, acts)


CLONE_SERVER = Flow(
    kind="clone-server",
    summary="Make servers like another one, with copies of its volumes",
    queue=QUEUE,
    steps=(
        look_at_original,
        snapshot_volumes,
        make_image,
        await_snapshots,
        await_image,
        make_volumes,
        await_volumes,
        make_servers,
        await_servers,
        delete_means,
    ),
    undo=(
        when(is_incomplete, delete_servers),
        when(is_incomplete, delete_volumes),
        when(has_begun, delete_snapshots),
        when(has_begun, delete_image),
    ),
    no_return=delete_means,
)

"""Mirroring volumes, and moving them between physical volumes."""

from __future__ import annotations

import pytest

from cloudmanager import flows
from cloudmanager.simulators.openstack.volumes.lvm import LogicalVolume

from .fake_storage import DISKS, FakeStorage

A, B, C, D = DISKS


@pytest.fixture
def storage(cloud):
    cloud.node_id = cloud.add_node(name="storage1")
    return FakeStorage(cloud.host, cloud.clock)


def mirror(cloud, copies):
    return start(cloud, "mirror-volume", mirror_count=copies)


def move(cloud, source=A, destination=None):
    return start(cloud, "pv-migrate-volume", source_pv=source, dest_pv=destination)


def start(cloud, kind, **params):
    place = {"node_id": cloud.node_id, "host": "storage1", "group": "vol", "volume": "volume-v1"}
    return cloud.start_flow(kind, "volume:v1", volume_id="v1", **place, **params)


async def done(cloud, flow_id, status="SUCCESS"):
    await cloud.sweep_until_ended(flow_id)
    flow = cloud.flow(flow_id)
    assert flow.status == status, flow.error
    return flow


def cancel(cloud, flow_id):
    with cloud.database.transaction() as session:
        flows.cancel(session, flow_id)


def told(cloud, flow_id):
    return " / ".join(event.message or "" for event in cloud.events(flow_id))


def commands(storage):
    return [words[0] for words in storage.ran]


# --- mirrors ------------------------------------------------------------------------------------------------


async def test_a_volume_is_mirrored(cloud, storage):
    flow = await done(cloud, mirror(cloud, 2))
    assert storage.on() == {A: 256, B: 256, C: 256}
    assert flow.result == {"progress": {"done": 768, "total": 768}, "mirror_count": 3, "disks": [A, B, C]}
    assert storage.ran == [("lvconvert", "--yes", "--type", "raid1", "--mirrors", "2", "vol/volume-v1")]


async def test_its_progress_is_told(cloud, storage):
    flow_id = mirror(cloud, 1)
    seen = []
    storage.once += [(lambda: storage.volume.copies, lambda: None)]
    storage.once += [(lambda: cloud.flow(flow_id).result, lambda: seen.append(cloud.flow(flow_id)))]
    await done(cloud, flow_id)
    [flow] = seen
    assert flow.result["progress"]["total"] == 512
    assert 0 <= flow.result["progress"]["done"] < 512
    assert "the copies of volume-v1 are filled:" in flow.message


async def test_as_many_copies_as_there_are(cloud, storage):
    await done(cloud, mirror(cloud, 0))
    assert storage.ran == []
    await done(cloud, mirror(cloud, 1))
    storage.ran.clear()
    await done(cloud, mirror(cloud, 1))
    assert storage.ran == []


async def test_mirroring_ends(cloud, storage):
    await done(cloud, mirror(cloud, 2))
    await done(cloud, mirror(cloud, 1))
    assert storage.on() == {A: 256, B: 256}
    await done(cloud, mirror(cloud, 0))
    assert storage.on() == {A: 256}
    assert storage.volume.notes == []


async def test_a_volume_that_was_not_used_is_not_used_afterwards(cloud, storage):
    storage.volume.active = False
    await done(cloud, mirror(cloud, 1))
    assert commands(storage) == ["lvchange", "lvconvert", "lvchange"]
    assert not storage.volume.active
    assert storage.on() == {A: 256, B: 256}


async def test_a_volume_that_is_used_meanwhile_stays_active(cloud, storage):
    storage.volume.active = False
    real = storage._run
    cloud.host.answer("lvm-report", lambda asked: real(asked).replace('"rwi-a-r---"', '"rwi-aor---"'))
    flow_id = mirror(cloud, 1)
    await done(cloud, flow_id)
    assert storage.volume.active
    assert "stays active" in told(cloud, flow_id)


async def test_no_room_is_told_before_anything_is_done(cloud, storage):
    flow = await done(cloud, mirror(cloud, 4), "FAILURE")
    assert "room for 3 of 4 more copies of 1.00g" in flow.error
    assert storage.ran == []


async def test_what_lvm_refuses_fails(cloud, storage):
    storage.volume.active = False

    def fill():
        storage.group.logical["volume-big"] = LogicalVolume("volume-big", [(D, storage.group.free_on(D))])

    real = storage._run
    cloud.host.answer("lvm-mirror", lambda asked: (fill(), real(asked))[1], changes=True)
    flow = await done(cloud, mirror(cloud, 3), "FAILURE")
    assert "Insufficient suitable allocatable extents" in flow.error
    assert storage.on() == {A: 256}
    assert not storage.volume.active


@pytest.mark.parametrize(("before", "wanted"), [(0, 1), (0, 2), (1, 3)])
async def test_a_cancel_takes_back_what_is_not_filled(cloud, storage, before, wanted):
    if before:
        await done(cloud, mirror(cloud, before))
    kept = storage.on()
    storage.ran.clear()
    flow_id = mirror(cloud, wanted)
    storage.once += [(lambda: len(storage.volume.images) == wanted + 1, lambda: cancel(cloud, flow_id))]
    await done(cloud, flow_id, "REVOKED")
    assert storage.on() == kept
    assert commands(storage) == ["lvconvert"] * (1 + wanted - before)
    assert "took back the copy on" in told(cloud, flow_id)


async def test_somebody_else_changes_the_copies(cloud, storage):
    def change():
        storage.volume.copies, storage.volume.notes, storage.volume.filling_since = [], [], None

    storage.once += [(lambda: storage.volume.copies, change)]
    flow_id = mirror(cloud, 1)
    flow = await done(cloud, flow_id, "FAILURE")
    assert "somebody else has changed it" in flow.error


async def test_a_missing_disk_ends_the_waiting(cloud, storage):
    real = storage._run

    def report(asked):
        health = "partial" if storage.volume.copies else ""
        return real(asked).replace('health_status": ""', f'health_status": "{health}"')

    cloud.host.answer("lvm-report", report)
    flow_id = mirror(cloud, 1)
    flow = await done(cloud, flow_id, "FAILURE")
    assert "LVM calls volume-v1 partial" in flow.error


async def test_a_mirror_waits_for_a_move(cloud, storage):
    storage.begin_move("volume-v1", A, B)
    flow_id = mirror(cloud, 1)
    await done(cloud, flow_id)
    assert "is being moved off /dev/sda" in told(cloud, flow_id)
    assert storage.on() == {B: 256, A: 256}


# --- moves --------------------------------------------------------------------------------------------------


async def test_a_volume_is_moved(cloud, storage):
    flow = await done(cloud, move(cloud, A, C))
    assert storage.on() == {C: 256}
    assert flow.result == {"progress": {"done": 256, "total": 256}, "disks": [C]}
    [words] = storage.ran
    assert words[-4:] == ("--name", "volume-v1", A, C)


async def test_without_a_destination_lvm_chooses(cloud, storage):
    await done(cloud, move(cloud, A))
    assert storage.on() == {B: 256}
    assert storage.ran[0][-3:] == ("--name", "volume-v1", A)


async def test_a_copy_of_a_mirror_is_moved(cloud, storage):
    await done(cloud, mirror(cloud, 1))
    await done(cloud, move(cloud, B, D))
    assert storage.on() == {A: 256, D: 256}
    assert storage.volume.notes == [A, D]


async def test_a_move_that_goes_on_already_is_watched(cloud, storage):
    storage.begin_move("volume-v1", A, C)
    await done(cloud, move(cloud, A, C))
    assert storage.on() == {C: 256}
    assert storage.ran == []


async def test_lvm_moves_one_volume_off_a_disk_at_a_time(cloud, storage):
    storage.group.create("volume-v2", 1)
    storage.begin_move("volume-v2", A, C)
    flow_id = move(cloud, A, B)
    await done(cloud, flow_id)
    assert storage.on() == {B: 256}
    assert "something else is being moved off /dev/sda" in told(cloud, flow_id)
    assert commands(storage) == ["pvmove"]


@pytest.mark.parametrize(
    ("source", "destination", "why"),
    [
        (B, None, "has nothing on /dev/sdb; it lies on /dev/sda"),
        (A, D, "do not fit on /dev/sdd: free are 0.00g"),
    ],
)
async def test_what_cannot_be_moved(cloud, storage, source, destination, why):
    storage.group.logical["volume-big"] = LogicalVolume("volume-big", [(D, storage.group.free_on(D))])
    flow = await done(cloud, move(cloud, source, destination), "FAILURE")
    assert why in flow.error
    assert storage.ran == []


async def test_a_cancel_ends_the_move_and_says_what_lies_where(cloud, storage):
    storage.volume.segments = [(A, 100), (B, 10), (A, 400)]
    flow_id = move(cloud, A, C)
    storage.once += [(lambda: storage.moved() > 25, lambda: cancel(cloud, flow_id))]
    await done(cloud, flow_id, "REVOKED")
    assert storage.volume.move is None
    assert storage.on() == {C: 100, B: 10, A: 400}
    assert "400 of 500 extents are still on /dev/sda" in told(cloud, flow_id)


async def test_a_move_that_lvm_ends_is_a_failure(cloud, storage):
    storage.once += [(lambda: storage.volume.move, lambda: setattr(storage.volume, "move", None))]
    flow_id = move(cloud, A, C)
    flow = await done(cloud, flow_id, "FAILURE")
    assert "256 of 256 extents are still on /dev/sda" in flow.error


async def test_a_move_without_progress_is_pushed(cloud, storage):
    storage.once += [
        (lambda: storage.volume.move, lambda: setattr(storage.volume.move, "begun_at", float("inf")))
    ]
    flow_id = move(cloud, A, C)

    def goes_on(asked):
        storage.volume.move.begun_at = cloud.clock.now()
        return ""

    cloud.host.answer("lvm-move-on", goes_on, changes=True)
    await done(cloud, flow_id)
    assert storage.on() == {C: 256}
    assert "LVM was told to go on" in told(cloud, flow_id)


# --- locks --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "begin", [lambda cloud: mirror(cloud, 1), lambda cloud: move(cloud, A, C)], ids=["mirror", "move"]
)
async def test_a_lock_elsewhere_keeps_us_away(cloud, storage, begin):
    storage.group.lock_type, storage.group.locks = "sanlock", {"volume-v1": ["compute7"]}
    flow = await done(cloud, begin(cloud), "FAILURE")
    assert "its lock is held alone by compute7" in flow.error
    storage.group.locks = {"volume-v1": ["storage1", "compute7"]}
    flow = await done(cloud, begin(cloud), "FAILURE")
    assert "its lock is held together by compute7" in flow.error
    storage.group.locks = {"volume-v1": ["storage1"]}
    await done(cloud, begin(cloud))


async def test_a_volume_that_has_gone(cloud, storage):
    storage.group.remove("volume-v1")
    flow = await done(cloud, mirror(cloud, 1), "FAILURE")
    assert "has no logical volume volume-v1" in flow.error


async def test_a_dead_storage_node(cloud, storage):
    cloud.host.dead.add(cloud.node_id)
    flow = await done(cloud, mirror(cloud, 1), "FAILURE")
    assert "does not answer" in flow.error

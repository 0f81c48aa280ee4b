"""Flows of volumes, the catalogue and the parsers on real LVM, with a real device-mapper under it.

The machine is one of User-mode Linux, so that this needs nothing of the kernel that runs the tests.
"""

from __future__ import annotations

import pytest

from cloudmanager import flows
from cloudmanager.errors import CommandFailed
from cloudmanager.host.catalogue import load
from cloudmanager.host.lvm import Piece
from cloudmanager.volumes.backends import group_on
from cloudmanager.volumes.rules import why_not_mirror, why_not_move
from tests.flows.conftest import Cloud
from tests.peers.storage_machine import StorageMachine

pytestmark = [pytest.mark.peer, pytest.mark.timeout(180)]

A, B, C, D = (f"/dev/ubd{letter}" for letter in "abcd")
CATALOGUE = load()
EXTENTS = 10


class OnMachine:
    """The Host port on the machine: every node is it."""

    def __init__(self, machine):
        self.machine = machine
        self.before = {}
        """{command: what happens before it}."""

    async def run(self, node_id, command, arguments=None, *, data=b""):
        assert not data
        if act := self.before.pop(command, None):
            act()
        known = CATALOGUE[command]
        output = self.machine.run(*known.words("debian", known.checked(arguments or {})))
        if output.status not in known.success:
            raise CommandFailed(output.err.strip(), status=output.status)
        return output

    async def close(self):
        """The machine stays."""


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    machine = StorageMachine(tmp_path_factory.mktemp("machine"))
    machine.start()
    made = machine.script(f"pvcreate -q {A} {B} {C} {D} && vgcreate -q vol {A} {B} {C} {D}")
    assert made.status == 0, made.err
    yield machine
    machine.stop()


@pytest.fixture
def storage(machine, database, monkeypatch):
    """A world whose nodes are the machine, with `volume-v1` on the first disk; it copies as quickly as it can."""
    cloud = Cloud(database, monkeypatch)
    cloud.host = OnMachine(machine)
    cloud.node_id = cloud.add_node(name="storage1")
    quick(machine)
    made = machine.script(f"lvcreate -q -Wn -Zn -l {EXTENTS} -n volume-v1 vol {A}")
    assert made.status == 0, made.err
    yield cloud
    quick(machine)
    machine.script("pvmove --abort; lvchange -an vol/volume-v1; lvremove -q -y vol/volume-v1")


def quick(machine):
    machine.script(
        "echo 100 > /sys/module/dm_mirror/parameters/raid1_resync_throttle;"
        "echo 500000 > /proc/sys/dev/raid/speed_limit_max"
    )


def slow(machine):
    """Copies take longer than a test."""
    machine.script(
        "echo 1 > /sys/module/dm_mirror/parameters/raid1_resync_throttle;"
        "echo 10 > /proc/sys/dev/raid/speed_limit_min; echo 20 > /proc/sys/dev/raid/speed_limit_max"
    )


def start(cloud, kind, **params):
    place = {"node_id": cloud.node_id, "host": "storage1", "group": "vol", "volume": "volume-v1"}
    return cloud.start_flow(kind, "volume:v1", volume_id="v1", **place, **params)


async def done(cloud, flow_id, status="SUCCESS"):
    await cloud.sweep_until_ended(flow_id, rounds=60)
    flow = cloud.flow(flow_id)
    assert flow.status == status, flow.error
    return flow


async def group(cloud):
    return await group_on(cloud.host, cloud.node_id, "vol")


async def volume(cloud):
    return (await group(cloud)).volumes["volume-v1"]


async def test_mirrors(storage, machine):
    """Of a volume that nobody uses, which LVM cannot mirror: it is used meanwhile."""
    machine.run("lvchange", "--activate", "n", "vol/volume-v1")
    await done(storage, start(storage, "mirror-volume", mirror_count=2))
    found = await volume(storage)
    assert [sum(piece.extents for piece in image) for image in found.images] == [EXTENTS] * 3
    assert (len(found.disks), found.active) == (3, False)
    await done(storage, start(storage, "mirror-volume", mirror_count=0))
    found = await volume(storage)
    assert (found.kind, found.images, found.active) == ("linear", ((Piece(A, EXTENTS),),), False)


async def test_a_cancel_takes_back_copies_that_are_being_filled(storage, machine):
    slow(machine)
    flow_id = start(storage, "mirror-volume", mirror_count=2)

    def cancel():
        with storage.database.transaction() as session:
            flows.cancel(session, flow_id)

    storage.host.before["lvm-mirror"] = cancel
    flow = await done(storage, flow_id, "REVOKED")
    assert flow.error is None
    assert (await volume(storage)).images == ((Piece(A, EXTENTS),),)
    assert "took back the copy on" in " ".join(event.message or "" for event in storage.events(flow_id))


async def test_moves(storage):
    await done(storage, start(storage, "pv-migrate-volume", source_pv=A, dest_pv=C))
    assert (await volume(storage)).pieces == (Piece(C, EXTENTS),)
    await done(storage, start(storage, "pv-migrate-volume", source_pv=C))
    found = await group(storage)
    assert C not in found.volumes["volume-v1"].disks
    await storage.host.run(1, "lvm-move-on")
    await storage.host.run(1, "lvm-move-abort", {"source": A})
    assert await group(storage) == found, "without a move they do nothing"
    with pytest.raises(CommandFailed, match="not found"):
        await group_on(storage.host, 1, "nosuch")


async def test_a_move_is_watched_and_ended_by_a_cancel(storage, machine):
    slow(machine)
    await storage.host.run(1, "lvm-move-to", {"volume": "volume-v1", "source": A, "destination": C})
    found = await volume(storage)
    assert (found.move.source, found.pieces) == (A, (Piece(A, EXTENTS),))
    assert found.move.percent < 100
    flow_id = start(storage, "pv-migrate-volume", source_pv=A, dest_pv=C)
    looks = []

    def watch():
        looks.append(1)
        if len(looks) < 2:
            storage.host.before["lvm-report"] = watch
            return
        with storage.database.transaction() as session:
            flows.cancel(session, flow_id)

    storage.host.before["lvm-report"] = watch
    await done(storage, flow_id, "REVOKED")
    assert (await volume(storage)).move is None
    assert (await volume(storage)).pieces == (Piece(A, EXTENTS),)
    assert f"all {EXTENTS} extents of volume-v1 are on {A}" in storage.events(flow_id)[-2].message


async def test_our_rules_refuse_what_lvm_refuses(storage, machine):
    """And the last that they allow, LVM does."""
    found = await group(storage)
    one = found.volumes["volume-v1"]
    assert why_not_mirror(found, one, 4)
    with pytest.raises(CommandFailed, match="Insufficient suitable allocatable extents"):
        await storage.host.run(1, "lvm-mirror", {"group": "vol", "volume": "volume-v1", "copies": "4"})
    assert why_not_mirror(found, one, 3) is None
    assert why_not_move(found, one, B, None)
    with pytest.raises(CommandFailed, match="No data to move"):
        await storage.host.run(1, "lvm-move", {"volume": "volume-v1", "source": B})
    machine.run("lvcreate", "-q", "-Wn", "-Zn", "-l", "53", "-n", "filler", "vol", A)
    try:
        full = await group(storage)
        assert "no free extent for the notes" in why_not_mirror(full, full.volumes["volume-v1"], 1)
        with pytest.raises(CommandFailed, match="Insufficient free space"):
            await storage.host.run(1, "lvm-mirror", {"group": "vol", "volume": "volume-v1", "copies": "1"})
    finally:
        machine.run("lvremove", "-q", "-y", "vol/filler")
    await storage.host.run(1, "lvm-mirror", {"group": "vol", "volume": "volume-v1", "copies": "3"})

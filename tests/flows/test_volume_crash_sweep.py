"""Flows of volumes, cut off at each of their commands on the storage node, come to the same end.

No volume is moved twice, no copy is made twice, and a volume that was not used is not used afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from cloudmanager import flows

from .conftest import Cloud
from .fake_storage import DISKS, FakeStorage

A, B, C, _ = DISKS


@dataclass(frozen=True)
class Case:
    """A flow on `volume-v1`, which lies on the first disk; `ends_on` is {disk: extents} afterwards."""

    kind: str
    params: dict
    ends_on: dict = field(default_factory=dict)
    mirrored: bool = False
    active: bool = True
    cancelled: bool = False


CASES = {
    "mirror": Case("mirror-volume", {"mirror_count": 2}, {A: 256, B: 256, C: 256}),
    "mirror, not used": Case("mirror-volume", {"mirror_count": 1}, {A: 256, B: 256}, active=False),
    "mirroring ends": Case("mirror-volume", {"mirror_count": 0}, {A: 256}, mirrored=True),
    "mirror, cancelled": Case("mirror-volume", {"mirror_count": 2}, {A: 256}, cancelled=True),
    "move": Case("pv-migrate-volume", {"source_pv": A, "dest_pv": C}, {C: 256}),
    "move, not used": Case("pv-migrate-volume", {"source_pv": A}, {B: 256}, active=False),
    "move, cancelled": Case("pv-migrate-volume", {"source_pv": A}, {A: 256}, cancelled=True),
}


async def run_with_death(case, database, monkeypatch, **death):
    cloud = Cloud(database, monkeypatch)
    storage = FakeStorage(cloud.host, cloud.clock)
    if case.mirrored:
        storage.volume.copies, storage.volume.notes = [[(B, 256)]], [A, B]
    storage.volume.active = case.active
    storage.group.speed = 2.0 if case.cancelled else 300.0
    place = {
        "node_id": cloud.add_node(name="storage1"),
        "host": "storage1",
        "group": "vol",
        "volume": "volume-v1",
    }
    flow_id = cloud.start_flow(case.kind, "volume:v1", volume_id="v1", **place, **case.params)
    if case.cancelled:

        def cancel():
            with database.transaction() as session:
                flows.cancel(session, flow_id)

        storage.once += [(lambda: storage.volume.copies or storage.volume.move, cancel)]
    for name, call in death.items():
        setattr(cloud.line, name, call)
    await cloud.sweep_until_ended(flow_id, rounds=400)
    return cloud, storage, cloud.flow(flow_id)


def check(storage, flow, case):
    assert flow.status == ("REVOKED" if case.cancelled else "SUCCESS"), flow.error
    assert storage.on() == case.ends_on
    assert storage.volume.move is None
    assert storage.volume.active is case.active
    assert not storage.volume.notes or storage.volume.copies
    assert storage.begun == ["volume-v1"] * (case.kind == "pv-migrate-volume")


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("moment", ["die_after", "die_before", "lose_answer_of"])
async def test_crash_sweep(name, moment, databases, monkeypatch):
    """After each command; and for those that change something, also before them, and with their answers lost."""
    case = CASES[name]
    undisturbed, storage, flow = await run_with_death(case, databases(), monkeypatch)
    check(storage, flow, case)
    calls, acts = undisturbed.line.calls, undisturbed.line.acts
    assert acts
    for call in range(1, calls + 1) if moment == "die_after" else acts:
        _, storage, flow = await run_with_death(case, databases(), monkeypatch, **{moment: call})
        check(storage, flow, case)

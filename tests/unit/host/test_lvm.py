"""LVM's reports as LVM 2.03.16 wrote them, on the machine of tests/peers/storage_machine.py."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cloudmanager.errors import HostRefused
from cloudmanager.host.lvm import Move, Piece, gibibytes, read_report

RECORDINGS = Path(__file__).parents[2] / "recordings" / "lvm"
A = "volume-cfae37a3-6e8f-4bc8-862e-85db07ff429f"
B = "volume-5f0f9c2a-1f0c-4f0e-9d55-0a4a3c1d7b10"


def recorded(name):
    (group,) = read_report((RECORDINGS / f"{name}.json").read_text())
    return group


def test_linear_volumes():
    group = recorded("linear")
    assert (group.name, group.lock_type, group.extent, group.moves) == ("vol", "", 4 << 20, ())
    assert (group.size, group.free) == (252 * group.extent, 227 * group.extent)
    assert list(group.disks) == [f"/dev/ubd{letter}" for letter in "abcd"]
    disk = group.disks["/dev/ubda"]
    assert (disk.extents, disk.free_extents, disk.free, disk.usable) == (63, 38, 38 << 22, True)
    assert set(group.volumes) == {A, B}
    volume = group.volumes[A]
    assert volume.images == ((Piece("/dev/ubda", 5), Piece("/dev/ubda", 10)),)
    assert volume.pieces == (Piece("/dev/ubda", 15),)
    assert (volume.kind, volume.extents, volume.size) == ("linear", 15, 60 << 20)
    assert (volume.active, volume.thin, volume.synchronised, volume.percent) == (True, False, True, None)


def test_a_volume_that_moves_is_where_it_comes_from():
    group = recorded("moving")
    move = Move("pvmove0", "/dev/ubda", 33.33)
    assert group.moves == (move,)
    assert set(group.volumes) == {A, B}
    assert group.volumes[A].move == move
    assert group.volumes[A].pieces == (Piece("/dev/ubda", 15),)
    assert group.volumes[B].move is None


def test_a_copy_that_is_being_filled():
    volume = recorded("filling").volumes[B]
    assert volume.images == ((Piece("/dev/ubda", 10),), (Piece("/dev/ubdb", 10),))
    assert (volume.kind, volume.percent, volume.synchronised) == ("raid1", 27.5, False)
    assert volume.disks == ("/dev/ubda", "/dev/ubdb")


def test_a_move_that_was_ended_leaves_what_was_copied():
    volume = recorded("filling").volumes[A]
    assert volume.pieces == (Piece("/dev/ubdc", 5), Piece("/dev/ubda", 10))
    assert (volume.extents_on("/dev/ubda"), volume.extents_on("/dev/ubdd")) == (10, 0)


def test_mirrors():
    volume = recorded("mirrored").volumes[B]
    assert len(volume.images) == 3
    assert (volume.active, volume.synchronised) == (True, True)
    off = recorded("inactive").volumes[B]
    assert (off.active, off.percent, off.synchronised) == (False, None, False)


def test_thin_volumes_lie_nowhere():
    group = recorded("thin")
    volume = group.volumes["volume-thin"]
    assert (volume.thin, volume.images, volume.extents, volume.size) == (True, (), 5, 20 << 20)
    assert group.volumes["vol-pool"].kind == "thin-pool"


def changed(name, table, **values):
    document = json.loads((RECORDINGS / f"{name}.json").read_text())
    document["report"][0][table][0] |= values
    return json.dumps(document)


@pytest.mark.parametrize(("attr", "usable"), [("a--", True), ("u--", False), ("a-m", False)])
def test_disks_that_take_nothing(attr, usable):
    (group,) = read_report(changed("linear", "pv", pv_attr=attr))
    assert group.disks["/dev/ubda"].usable is usable


def test_percentages_of_other_places():
    (group,) = read_report(changed("moving", "lv", copy_percent="33,33"))
    assert group.moves[0].percent == 33.33


def test_two_stripes():
    document = json.loads((RECORDINGS / "linear.json").read_text())
    row = next(row for row in document["report"][0]["seg"] if row["lv_name"] == B)
    row |= {"segtype": "striped", "devices": "/dev/ubda(5),/dev/ubdb(0)"}
    (group,) = read_report(json.dumps(document))
    assert group.volumes[B].images == ((Piece("/dev/ubda", 5), Piece("/dev/ubdb", 5)),)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"report": [{"vg": [{"vg_name": "vol"}]}]}', "\ufffd", '{"report": [{"vg": 7}]}']
)
def test_what_is_no_report_is_refused(text):
    with pytest.raises(HostRefused, match="report cannot be read"):
        read_report(text)


def test_no_group_at_all():
    assert read_report('{"report": []}') == ()


def test_sizes():
    assert [gibibytes(size) for size in (1 << 30, (5 << 30) // 2, 60 << 20)] == ["1.00g", "2.50g", "0.06g"]

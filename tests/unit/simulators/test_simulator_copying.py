"""Mirrors and moves of the simulated LVM; each refusal in the words that LVM 2.03.16 has for it."""

from __future__ import annotations

import json

import pytest

from cloudmanager.simulators.openstack.volumes.copying import Copying, Refused
from cloudmanager.simulators.openstack.volumes.lvm import LogicalVolume, VolumeGroup

A, B, C = "/dev/sda", "/dev/sdb", "/dev/sdc"


@pytest.fixture
def group():
    """Three disks of 1023 extents, and `one` of 100 on the first; 10 extents are copied in a second."""
    group = VolumeGroup("storage1", "vol", speed=10.0)
    for disk in (A, B, C):
        group.add_disk(disk, 4)
    group.logical["one"] = LogicalVolume("one", [(A, 100)])
    return group


def at(group, seconds):
    return Copying(group, seconds)


def test_copies_are_filled_in_time(group):
    at(group, 0.0).mirror("one", 1)
    volume = group.logical["one"]
    assert (volume.copies, volume.notes, volume.filled) == ([[(B, 100)]], [A, B], 1)
    assert at(group, 2.5).filled(volume) == 25.0
    assert (at(group, 10.0).filled(volume), volume.filling_since) == (100.0, None)
    assert [group.free_on(disk) for disk in (A, B, C)] == [922, 922, 1023]


def test_copies_while_others_are_filled(group):
    at(group, 0.0).mirror("one", 1)
    with pytest.raises(Refused, match="Can't add image to RAID LV that is still initializing"):
        at(group, 1.0).mirror("one", 2)
    for disk in (None, A):
        with pytest.raises(Refused, match="Unable to remove all primary source devices"):
            at(group, 1.0).mirror("one", 0, disk)
    at(group, 1.0).mirror("one", 0, B)
    assert (group.logical["one"].copies, group.logical["one"].notes) == ([], [])


def test_a_filled_copy_may_stay_alone(group):
    at(group, 0.0).mirror("one", 2)
    at(group, 20.0).mirror("one", 1, A)
    assert group.logical["one"].images == [[(B, 100)], [(C, 100)]]
    at(group, 20.0).mirror("one", 0)
    assert group.logical["one"].images == [[(B, 100)]]


def test_the_newest_copies_go_while_they_are_filled(group):
    at(group, 0.0).mirror("one", 1)
    at(group, 10.0).mirror("one", 2)
    at(group, 11.0).mirror("one", 1)
    volume = group.logical["one"]
    assert (volume.images, volume.filling_since) == ([[(A, 100)], [(B, 100)]], None)


def test_no_room(group):
    with pytest.raises(
        Refused, match="Insufficient suitable allocatable extents for logical volume : 101 more"
    ):
        at(group, 0.0).mirror("one", 3)
    assert group.logical["one"].copies == []
    group.logical["rest"] = LogicalVolume("rest", [(A, 923)])
    with pytest.raises(Refused, match="Insufficient free space: 1 extents needed, but only 0 available"):
        at(group, 0.0).mirror("one", 1)


@pytest.mark.parametrize(
    ("act", "why"),
    [
        (lambda lvm: lvm.mirror("two", 1), 'Failed to find logical volume "vol/two"'),
        (lambda lvm: lvm.begin_move("one", B), "No data to move for vol."),
        (
            lambda lvm: lvm.begin_move("one", A, "/dev/x"),
            'Physical Volume "/dev/x" not found in Volume Group "vol"',
        ),
        (lambda lvm: lvm.begin_move("one", A, A), "No extents available for allocation."),
    ],
    ids=["no volume", "nothing there", "no disk", "same disk"],
)
def test_refusals(group, act, why):
    with pytest.raises(Refused, match=why):
        act(at(group, 0.0))


def test_an_inactive_volume_is_not_mirrored_but_moved(group):
    lvm = at(group, 0.0)
    lvm.activate("one", active=False)
    with pytest.raises(Refused, match="vol/one must be active to perform this operation"):
        lvm.mirror("one", 1)
    lvm.begin_move("one", A)
    assert group.logical["one"].active
    with pytest.raises(Refused, match="lv_is_locked"):
        lvm.mirror("one", 1)


def test_a_move_takes_room_at_both_ends_until_it_is_done(group):
    at(group, 0.0).begin_move("one", A, C)
    assert [group.free_on(disk) for disk in (A, B, C)] == [923, 1023, 923]
    assert "Detected pvmove in progress" in at(group, 1.0).begin_move("one", A, B)
    assert at(group, 5.0).moved(group.logical["one"].move) == 50.0
    at(group, 10.0)
    assert (group.logical["one"].segments, group.logical["one"].move) == ([(C, 100)], None)


def test_an_aborted_move_leaves_whole_segments(group):
    group.logical["one"].segments = [(A, 30), (B, 20), (A, 70)]
    at(group, 0.0).begin_move("one", A, C)
    assert at(group, 5.0).abort_move(A) == ""
    assert group.logical["one"].segments == [(C, 30), (B, 20), (A, 70)]
    assert "No pvmove in progress - already finished or aborted." in at(group, 5.0).abort_move(A)


def test_it_is_kept(group):
    at(group, 0.0).mirror("one", 1)
    at(group, 10.0).begin_move("one", B, C)
    again = VolumeGroup.from_dict(json.loads(json.dumps(group.to_dict())))
    assert again == group

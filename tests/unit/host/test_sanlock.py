"""Lease areas as sanlock 3.8.5 dumped one that two hosts had joined."""

from __future__ import annotations

from pathlib import Path

import pytest

from cloudmanager.errors import HostRefused
from cloudmanager.host.sanlock import Lock, is_name_of, read_leases

RECORDED = (Path(__file__).parents[2] / "recordings" / "sanlock" / "leases.txt").read_text()
ALONE = "Z5uZEu-M8vZ-idqp-AQ7Z-EtXL-Hbp2-z5NvRS"
SHARED = "wsvkdW-ncb4-aT48-my5l-X5eG-7PuC-RdNJzR"
FREE = "XSOJgt-6xDf-mTWA-NG7q-MyR7-MheT-e39yp3"
HOSTS = ("storage1.demo.local", "storage2.demo.local")


def test_who_holds_what():
    assert read_leases(RECORDED) == {
        ALONE: Lock(HOSTS[:1], exclusive=True),
        SHARED: Lock(HOSTS, exclusive=False),
        FREE: Lock(),
    }


def test_a_host_that_has_joined_anew_holds_nothing_of_before():
    joined = RECORDED.replace(
        "storage1.demo.local 0000000031 0001 0001", "storage1.demo.local 0000000099 0001 0002"
    )
    assert joined != RECORDED
    found = read_leases(joined)
    assert found[ALONE] == Lock()
    assert found[SHARED] == Lock(HOSTS[1:], exclusive=False)


def test_a_holder_that_has_left_is_named_by_its_number():
    gone = "\n".join(line for line in RECORDED.splitlines() if "storage1" not in line)
    assert read_leases(gone)[ALONE] == Lock(("host 1",), exclusive=True)


def test_a_released_lease_is_free():
    released = RECORDED.replace(f"{ALONE} 0000000024 0001 0001 1", f"{ALONE} 0000000000 0001 0001 1")
    assert released != RECORDED
    assert read_leases(released)[ALONE] == Lock()


@pytest.mark.parametrize(
    "text", ["", "Device /dev/nothere not found.\n", RECORDED + "00000001 lvm_vol\n", RECORDED + "a b c\n"]
)
def test_what_is_no_lease_area_is_refused(text):
    with pytest.raises(HostRefused, match="lease area"):
        read_leases(text)


def test_names_that_sanlock_makes_up():
    """Recorded from a sanlock without `our_host_name` on storage1.demo.local."""
    made_up = "be4b2faf-3bb5-44c0-a545-13cccd4b6f5b.storage1.d"
    found = read_leases(RECORDED.replace("storage1.demo.local", made_up))
    assert found[ALONE].hosts == ("storage1.d…",)
    assert is_name_of("storage1.d…", "storage1.demo.local")
    assert not is_name_of("storage1.d…", "storage11.demo.local")
    assert is_name_of("storage1", "storage1")
    assert not is_name_of("storage1", "storage1.demo.local")

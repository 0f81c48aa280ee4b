"""Readers of what programs on nodes say.

`tests/recordings` holds what the real programs said on a Debian 12 machine: lscpu, lsblk, sysfs, apt-get, sshd;
dmidecode read a made-up SMBIOS table. Its kernel had no iSCSI, so iscsiadm could list what it has noted, and
fail; its sessions are written here in the form that its source prints, and so is the summary of dnf.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudmanager.errors import HostRefused
from cloudmanager.host import admission, hardware, iscsi, packages, volume_locks
from cloudmanager.host.systemd import read_unit

RECORDINGS = Path(__file__).parents[2] / "recordings"


def recorded(name):
    return (RECORDINGS / name).read_text()


def test_processors():
    found = hardware.read_processors(recorded("lscpu/debian12.json"))
    assert found["architecture"] == "x86_64"
    assert (found["cpus"], found["sockets"], found["cores_per_socket"], found["threads_per_core"]) == (
        2,
        1,
        2,
        1,
    )
    assert found["model"] == "AMD EPYC"
    assert "avx2" in found["flags"]


def test_processors_of_a_newer_lscpu_lie_below_each_other():
    rows = [
        {"field": "Architecture:", "data": "x86_64", "children": [{"field": "Address sizes:", "data": "46 bits"}]},
        {"field": "Vendor ID:", "data": "GenuineIntel", "children": [
            {"field": "Model name:", "data": "Xeon", "children": [{"field": "Socket(s):", "data": "2"}]}]},
    ]  # fmt: skip
    found = hardware.read_processors(json.dumps({"lscpu": rows}))
    assert found == {
        "architecture": "x86_64",
        "vendor": "GenuineIntel",
        "model": "Xeon",
        "sockets": 2,
        "flags": [],
    }


def test_disks():
    found = hardware.read_disks(recorded("lsblk/debian12.json"))
    assert found == [
        {"name": "vda", "type": "disk", "size_bytes": 274877906944, "rotational": True, "mountpoint": "/"}
    ]


def test_disks_of_an_older_lsblk_and_what_lies_on_them():
    rows = [
        {"name": "sda", "type": "disk", "size": "1000", "rota": "0", "model": "SAMSUNG  ", "wwn": "0x5002", "children": [
            {"name": "sda1", "type": "part", "size": "900", "rota": "0", "mountpoint": "/"}]},
        {"name": "sr0", "type": "rom", "size": "1024", "rota": "1"},
    ]  # fmt: skip
    assert hardware.read_disks(json.dumps({"blockdevices": rows})) == [
        {
            "name": "sda",
            "type": "disk",
            "size_bytes": 1000,
            "rotational": False,
            "model": "SAMSUNG",
            "wwn": "0x5002",
            "children": [
                {"name": "sda1", "type": "part", "size_bytes": 900, "rotational": False, "mountpoint": "/"}
            ],
        }
    ]


def test_firmware():
    found = hardware.read_smbios(recorded("dmidecode/server.txt"))
    assert found["bios"] == {
        "vendor": "American Megatrends Inc.",
        "version": "3.2",
        "release_date": "05/11/2022",
    }
    assert found["system"]["product"] == "SYS-1029P-WTR"
    assert found["system"]["uuid"] == "03020100-0504-0706-0809-0a0b0c0d0e0f"
    assert found["board"]["serial"] == "OM19AS000000"
    assert found["memory_modules"] == [
        {
            "size": "16 GB",
            "slot": "DIMMA1",
            "type": "DDR4",
            "speed": "2666 MT/s",
            "manufacturer": "Samsung",
            "serial": "03A1B2C3",
            "part": "M393A2K43CB2-CTD",
        }
    ]


def test_firmware_that_says_nothing():
    assert hardware.read_smbios("# dmidecode 3.4\nScanning /dev/mem for entry point.\n") == {
        "memory_modules": []
    }


def test_numa_nodes():
    assert hardware.read_numa(recorded("numa/one_node.txt")) == [
        {"id": 0, "cpus": "0-1", "memory_bytes": 18573528 * 1024}
    ]
    assert [node["id"] for node in hardware.read_numa("node1 4-7 \nnode0 0-3,8 1\nnode*  \n")] == [0, 1]


def test_targets_that_are_noted():
    assert iscsi.read_targets(recorded("iscsiadm/node.txt")) == [
        iscsi.Target(
            "127.0.0.1", "iqn.2010-10.org.openstack:volume-887880f7-9e54-4f81-8d32-3e0b7a9b1c5c", 3261
        ),
        iscsi.Target("::1", "iqn.2010-10.org.openstack:volume-99361e45-6e50-45fc-9236-08108b2c7add", 3260),
    ]


def test_sessions():
    said = (
        "tcp: [1] 10.40.38.2:3260,1 iqn.2010-10.org.openstack:volume-1 (non-flash)\n"
        "iser: [12] [fd00:0:0::2]:3261,-1 iqn.2001-05.com.example:a.b\n"
    )
    assert iscsi.read_sessions(said) == [
        iscsi.Target("10.40.38.2", "iqn.2010-10.org.openstack:volume-1"),
        iscsi.Target("fd00::2", "iqn.2001-05.com.example:a.b", 3261),
    ]
    assert iscsi.read_sessions(recorded("iscsiadm/no_sessions.txt")) == []


def test_portals():
    assert [iscsi.portal(each) for each in ("10.0.0.1", "fd00::1", "storage1.example")] == [
        "10.0.0.1",
        "[fd00::1]",
        "storage1.example",
    ]


@pytest.mark.parametrize(
    ("said", "counts"),
    [
        (recorded("apt/reinstall.txt"), (0, 0, 0)),
        (recorded("apt/simulated_upgrade.txt"), (127, 0, 0)),
        (
            "Transaction Summary\n====\nInstall  1 Package\nUpgrade  12 Packages\nRemove  2 Packages\n",
            (12, 1, 2),
        ),
        ("Dependencies resolved.\nNothing to do.\nComplete!\n", (0, 0, 0)),
    ],
    ids=["apt reinstall", "apt upgrade", "dnf", "dnf nothing"],
)
def test_packages(said, counts):
    assert packages.read_changes(said) == dict(zip(("upgraded", "installed", "removed"), counts, strict=True))


def test_an_update_without_a_summary():
    assert packages.read_changes("E: Could not get lock /var/lib/dpkg/lock-frontend\n") is None


def test_locks_that_a_host_holds():
    """As sanlock(8) and lvmlockd(8) show them."""
    said = (
        "daemon 9d8f1c06-6a4b-4b0c-8a0e-0c1f8d8f6a11.host\np -1 helper\np 4172 lvmlockd\n"
        "s lvm_vg0:1:/dev/mapper/vg0-lvmlock:0\ns lvm_vg1:1:/dev/mapper/vg1-lvmlock:0 ADD\n"
        "r lvm_vg0:dbPmPq-7Yi0:/dev/mapper/vg0-lvmlock:71303168:3 p 4172\n"
        "r lvm_vg0:3Xcfd2-shared:/dev/mapper/vg0-lvmlock:72351744:SH p 4172\n"
    )
    assert volume_locks.read_joined(said) == {"vg0"}
    assert volume_locks.read_held(said) == {("vg0", "dbPmPq-7Yi0"), ("vg0", "3Xcfd2-shared")}


def test_a_unit():
    unit = read_unit(
        "Result=success\nLoadState=loaded\nActiveState=active\nUnitFileState=static\nInvocationID=ab\n"
    )
    assert (unit.installed, unit.runs, unit.enabled, unit.changes, unit.invocation) == (
        True,
        True,
        True,
        False,
        "ab",
    )
    assert not read_unit("LoadState=not-found\nActiveState=inactive\n").installed
    with pytest.raises(HostRefused, match="cannot be read"):
        read_unit("Failed to connect to bus")


def test_what_sshd_says_that_holds():
    assert admission.denies(recorded("sshd/denied.txt"))
    assert not admission.denies(recorded("sshd/admitted.txt"))
    with pytest.raises(HostRefused):
        admission.denies("")


@pytest.mark.parametrize(
    ("said", "client"),
    [
        ("10.0.0.7 52311 10.0.1.1 22\n", "10.0.0.7"),
        ("::ffff:10.0.0.7 1 ::1 22", "10.0.0.7"),
        ("fe80::1%eth0 1 fe80::2%eth0 22", "fe80::1"),
    ],
)
def test_where_we_come_from(said, client):
    assert admission.client_of(said) == client


@pytest.mark.parametrize("said", ["", "UNKNOWN 1 2 3"])
def test_where_we_come_from_unsaid(said):
    with pytest.raises(HostRefused):
        admission.client_of(said)


@given(st.text())
def test_garbage_is_refused_or_empty(text):
    for read in (iscsi.read_targets, iscsi.read_sessions, hardware.read_numa):
        read(text)
    packages.read_changes(text)
    hardware.read_smbios(text)
    for strict in (
        hardware.read_processors,
        hardware.read_disks,
        read_unit,
        admission.denies,
        admission.client_of,
    ):
        try:
            strict(text)
        except HostRefused:
            continue

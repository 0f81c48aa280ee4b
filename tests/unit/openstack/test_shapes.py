"""From OpenStack's JSON to records."""

from datetime import UTC, datetime

import pytest

from cloudmanager.openstack.clone_shapes import definition_from, pool_from, server_body, volume_from
from cloudmanager.openstack.definitions import NewAttachment, NewServer
from cloudmanager.openstack.records import CpuModel, Diagnostics
from cloudmanager.openstack.shapes import (
    diagnostics_from,
    hypervisor_from,
    moment,
    progress_from,
    server_from,
    service_from,
)

SERVER = {
    "id": "s1",
    "tenant_id": "p",
    "user_id": "u",
    "name": "vm",
    "status": "ACTIVE",
    "OS-EXT-STS:vm_state": "active",
    "OS-EXT-STS:task_state": None,
    "OS-EXT-SRV-ATTR:host": "h1",
    "OS-EXT-SRV-ATTR:root_device_name": "/dev/vda",
    "image": "",
    "flavor": {"original_name": "m1", "vcpus": 2, "ram": 512, "disk": 1, "swap": 0, "ephemeral": 0},
    "security_groups": [{"name": "web"}, {"name": "default"}, {"name": "web"}],
    "os-extended-volumes:volumes_attached": [{"id": "v1", "delete_on_termination": True}],
    "addresses": {
        "blue": [{"addr": "10.0.0.5", "OS-EXT-IPS-MAC:mac_addr": "02:00:00:00:00:02"}],
        "red": [{"addr": "10.1.0.5", "OS-EXT-IPS-MAC:mac_addr": "02:00:00:00:00:01"}],
    },
    "fault": {"code": 500, "message": "No valid host was found."},
    "config_drive": "True",
}


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-01-02T03:04:05.000000", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2026-01-02T03:04:05Z", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2026-01-02T05:04:05+02:00", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("", None),
        (None, None),
    ],
)
def test_times_are_utc(text, at):
    assert moment(text) == at


def test_a_server():
    found = server_from(SERVER)
    assert (found.image_id, found.host, found.fault) == (None, "h1", "No valid host was found.")
    assert found.security_groups == ("web", "default")
    assert found.addresses == {"blue": ("10.0.0.5",), "red": ("10.1.0.5",)}
    assert [(one.id, one.delete_on_termination) for one in found.volumes] == [("v1", True)]
    assert found.flavor.ram_mb == 512
    assert server_from({**SERVER, "image": {"id": "i1"}}).image_id == "i1"


@pytest.mark.parametrize(
    ("body", "state"),
    [
        ({"status": "enabled", "state": "up"}, (True, True, False)),
        ({"status": "enabled", "state": "down"}, (True, False, False)),
        ({"status": "disabled", "state": "up"}, (False, True, False)),
        ({"status": "disabled", "state": "down", "forced_down": True}, (False, False, True)),
    ],
)
def test_a_service(body, state):
    found = service_from({"id": 7, "host": "h1", **body})
    assert (found.enabled, found.up, found.forced_down) == state
    assert (found.id, found.reported_at) == ("7", None)


@pytest.mark.parametrize(
    ("info", "cpu"),
    [
        ({"arch": "x86_64", "vendor": "Intel", "model": "Nehalem"}, CpuModel("x86_64", "Intel", "Nehalem")),
        ({}, None),
        ("", None),
        (None, None),
    ],
)
def test_a_processor_that_is_not_known_is_none(info, cpu):
    body = {
        "id": "h",
        "hypervisor_hostname": "h1",
        "service": {"host": "h1"},
        "state": "up",
        "status": "enabled",
    }
    found = hypervisor_from({**body, "cpu_info": info})
    assert (found.cpu, found.vcpus) == (cpu, None)


def test_progress_that_is_not_counted_is_not_known():
    body = {"id": 3, "status": "running", "memory_total_bytes": 0, "memory_remaining_bytes": 0}
    assert (progress_from(body).memory_total, progress_from(body).memory_remaining) == (None, None)
    body |= {"memory_total_bytes": 100, "memory_remaining_bytes": 0}
    assert (progress_from(body).memory_total, progress_from(body).memory_remaining) == (100, 0)


def test_a_definition_keeps_the_order_of_interfaces_and_devices():
    interfaces = [
        {"net_id": "red", "mac_addr": "02:00:00:00:00:01"},
        {"net_id": "blue", "mac_addr": "02:00:00:00:00:02"},
        {"net_id": "new", "mac_addr": "02:00:00:00:00:09"},
    ]
    attachments = [
        {"volumeId": "v3", "device": "/dev/vdaa", "delete_on_termination": False},
        {"volumeId": "v2", "device": "/dev/vdb", "delete_on_termination": False},
        {"volumeId": "v1", "device": "/dev/vda", "delete_on_termination": True},
    ]
    found = definition_from(SERVER, "flavor", interfaces, attachments)
    assert found.networks == ("blue", "red", "new")
    assert [(one.volume_id, one.boot_index) for one in found.attachments] == [
        ("v1", 0),
        ("v2", None),
        ("v3", None),
    ]
    assert (found.config_drive, found.image_id) == (True, None)
    assert (found.project_id, found.user_id) == ("p", "u")


def test_an_image_is_booted_beside_volumes():
    new = NewServer("vm", "f", image_id="i", attachments=(NewAttachment("v", device="/dev/vdb"),))
    devices = server_body(new)["server"]["block_device_mapping_v2"]
    assert [(one["source_type"], one["uuid"], one["boot_index"]) for one in devices] == [
        ("image", "i", 0),
        ("volume", "v", None),
    ]
    assert devices[1]["device_name"] == "/dev/vdb"


def test_a_new_server_says_only_what_is_wished():
    body = server_body(NewServer("vm", "f", marker={"flow": "1"}, networks=("n1", "n2")))["server"]
    assert body == {
        "name": "vm",
        "flavorRef": "f",
        "metadata": {},
        "networks": [{"uuid": "n1"}, {"uuid": "n2"}],
        "tags": ["flow=1"],
    }
    assert server_body(NewServer("vm", "f"))["server"]["networks"] == "none"


def test_diagnostics_are_sums():
    """The shapes of Nova 33 with libvirt: two vCPUs, two interfaces, what it does not count is null."""
    body = {
        "memory_details": {"maximum": 2, "used": 1},
        "cpu_details": [{"id": n, "time": 1_500_000_000, "utilisation": None} for n in range(2)],
        "nic_details": [{"rx_octets": 10, "tx_octets": 1}, {"rx_octets": 30, "tx_octets": None}],
    }
    found = diagnostics_from(body, 7.0)
    assert found == Diagnostics(7.0, 3.0, 40, None, 2, 1)
    for silent in ({}, {"memory_details": None, "cpu_details": [], "nic_details": []}):
        assert diagnostics_from(silent, 7.0) == Diagnostics(7.0, None, None, None, None, None)


VOLUME = {"id": "v1", "status": "available", "size": 1}


def test_where_a_volume_lies_after_a_migration():
    assert volume_from(VOLUME).stored_as == "v1"
    assert volume_from(VOLUME).pool is None
    moved = {**VOLUME, "os-vol-host-attr:host": "h@b#p", "os-vol-mig-status-attr:name_id": "v2"}
    assert (volume_from(moved).id, volume_from(moved).stored_as, volume_from(moved).pool) == (
        "v1",
        "v2",
        "h@b#p",
    )


@pytest.mark.parametrize(
    ("capabilities", "told"),
    [
        ({"location_info": "LVMVolumeDriver:h:vol:default:0"}, (None, None, None, None, "vol")),
        ({"location_info": "ceph:/etc/ceph/ceph.conf:cinder:volumes"}, (None, None, None, None, None)),
        ({"location_info": "LVMVolumeDriver"}, (None, None, None, None, None)),
        ({"volume_backend_name": "fast", "location_info": None}, ("fast", None, None, None, None)),
        (
            {"storage_protocol": ["iSCSI", "iscsi"], "total_capacity_gb": 12.5, "free_capacity_gb": 0},
            (None, "iSCSI", 12.5, 0.0, None),
        ),
        ({"total_capacity_gb": "infinite", "free_capacity_gb": "unknown"}, (None, None, None, None, None)),
    ],
)
def test_pools(capabilities, told):
    pool = pool_from({"name": "h@b#p", "capabilities": capabilities})
    assert (pool.name, pool.host) == ("h@b#p", "h")
    assert (pool.backend, pool.protocol, pool.total_gb, pool.free_gb, pool.volume_group) == told

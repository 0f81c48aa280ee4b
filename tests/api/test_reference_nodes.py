"""The reference's examples of nodes: all that is told of one, its operating system, its storages, its controller."""

import pytest
from sqlalchemy import insert, update

from cloudmanager.models import Node, NodeFacts, utc_now
from tests.api.story import NO_BODY, NOTHING, TASK_ID, TIME, end_tasks, play
from tests.api.test_node_os_actions import answer_soon

CONTROLLER = "2eec580b-12f8-4518-bf79-3dc5529617da"
HYPERVISOR = "f5501bd3-d69a-41fc-bcc1-91f512f2313a"
TARGET = "volume-887880f7-9e54-4f81-8d32-3e0b7a9b1c5c"
RECORD = {
    "cpu_info": {
        "arch": "x86_64",
        "features": ["pge", "avx", "xsaveopt"],
        "model": "Broadwell",
        "topology": {"cells": 1, "cores": 1, "sockets": 2, "threads": 1},
        "vendor": "Intel",
    },
    "current_workload": 0,
    "disk_available_least": 80,
    "free_disk_gb": 99,
    "free_ram_mb": 3583,
    "host_ip": "10.35.222.12",
    "hypervisor_hostname": "mnode2.dev-cnt7q-ovs-02.stand.loc",
    "hypervisor_type": "QEMU",
    "hypervisor_version": 2012000,
    "id": HYPERVISOR,
    "local_gb": 99,
    "local_gb_used": 0,
    "memory_mb": 4095,
    "memory_mb_used": 512,
    "running_vms": 0,
    "service": {
        "disabled_reason": None,
        "host": "mnode2.dev-cnt7q-ovs-02.stand.loc",
        "id": "bd8c4cd2-909e-4be8-b324-6bf8a7c528bb",
    },
    "state": "up",
    "status": "enabled",
    "vcpus": 2,
    "vcpus_used": 0,
}
NAS = {"mnode1.dev-cnt7q-ovs-02.stand.loc": ["iqn.2010-10.org.openstack:volume-9ce44bf8"]}
HARDWARE = {"processors": {"cpus": 2}}
PLAIN = {
    "active": False,
    "condition": 3,
    "controller_id": "a controller",
    "controller_type": "kolla",
    "cpu_amount": 99,
    "description": "in the corner",
    "dtc_number": 1,
    "hdd_gb": 1920,
    "hypervisor_id": HYPERVISOR,
    "image_id": 1,
    "ip_addresses": ["127.0.0.1", "192.168.0.15"],
    "is_controller": True,
    "is_reserved": True,
    "mac_address": "52:54:00:0a:4c:07",
    "metadata": {"cpu_benchmark": "test"},
    "name": "mnode2.dev-cnt7q-ovs-02.stand.loc",
    "owner": "admin",
    "power_state": "power_off",
    "rack_number": 4,
    "ram_mb": 4096,
    "row_number": 2,
    "title": "\u0442\u0435\u0441\u04422",
    "unit_number": 7,
}
"""Fields that are answered as they are sent."""
SENT = {**PLAIN, "created_at": TIME, "inventory_code": 17, "node_class_id": 1, "node_type_id": 2}
TOLD = {
    **PLAIN,
    "created_at": TIME,
    "id": "$node_id",
    "image": {"id": 1, "name": "default"},
    "inventory_code": "17",
    "node_class": {"id": 1, "is_default": True, "name": "hypervisor"},
    "node_type": {"id": 2, "name": "QEMU"},
}
FIRST, SECOND = (
    {
        "control_type": "SupermicroRackDevice",
        "is_default": number == 2,
        "is_initialized": True,
        "power_control_id": number,
        "power_control_port": "1",
        "power_control_title": title,
        "protocol_type": "ipmi",
    }
    for number, title in ((1, "namety"), (2, "name2"))
)
STORAGES = [{"id": "$storage_id", "name": "storage1"}]
ALL = {
    **TOLD,
    "availability_storages": STORAGES,
    "cpu_allocation_ratio": 16.0,
    "node_controls": [FIRST, SECOND],
    "ram_allocation_ratio": 1.5,
}


def connect(api):
    """Two controls and a storage for node 1; what others than people say of it."""
    for title in ("namety", "name2"):
        api.assign(1, api.control(title=title)["id"], is_default=True)
    storage = {"name": "storage1", "compute_path": "/c", "controller_path": "/d"}
    storage_id = api.post("/v1/availability-storages/", {"availability_storage": storage})[
        "availability_storage"
    ]["id"]
    api.post("/v1/nodes/1/availability-storages/", {"availability_storages": [storage_id]}, 204)
    with api.database.transaction() as session:
        ratios = {"cpu_allocation_ratio": 16.0, "ram_allocation_ratio": 1.5, "power_state": "power_off"}
        session.execute(update(Node).where(Node.id == 1).values(ratios))
        facts = {"hwinfo": HARDWARE, "nas": NAS, "tried_at": utc_now()}
        session.execute(insert(NodeFacts).values(node_id=1, **facts))


STORY = [
    ("POST", "/v1/nodes/", {"node": SENT}, 201, {"node": TOLD}),
    ("PUT", "/v1/nodes/$node_id", {"node": SENT}, 200, {"node": TOLD}),
    connect,
    ("GET", "/v1/nodes/", None, 200, {"nodes": [ALL]}),
    ("GET", "/v1/nodes/?with_os_object=true&with_hwinfo=true&offset=0&limit=10", None, 200,
     {"nodes": [{**ALL, "hwinfo": HARDWARE, "os_hypervisor": RECORD}]}),
    ("GET", "/v1/nodes/$node_id?with_os_object=true", None, 200, {"node": {**ALL, "nas": NAS, "os_hypervisor": RECORD}}),
    ("GET", "/v1/nodes/$node_id?with_hwinfo=true", None, 200, {"node": {**ALL, "nas": NAS, "hwinfo": HARDWARE}}),
    ("PUT", "/v1/nodes/$node_id", {"node": {"title": "node title"}}, 200, {"node": {**ALL, "title": "node title"}}),
]  # fmt: skip


@pytest.fixture
def record(nova, monkeypatch):
    """Nova knows the hypervisor of the example."""
    monkeypatch.setattr(nova, "_records", lambda: {HYPERVISOR: RECORD})


@pytest.mark.both_databases
def test_all_that_is_told_of_a_node(api, record):
    play(api, STORY)


# --- in its operating system ------------------------------------------------------------------------------------


def watch_something(api):
    """Without a storage and peers there is nothing by which a node could tell that it is lost."""
    api.services.config.set_override("nodesafe_peers", ["10.0.0.1"], "node_actions")
    storage = {"name": "s", "compute_path": "/c", "controller_path": "/d"}
    api.post("/v1/availability-storages/", {"availability_storage": storage})
    api.post("/v1/nodes/1/availability-storages/", {"availability_storages": [1]}, 204)


OS_ACTIONS = [
    ("enable-snmp", NO_BODY),
    ("disable-snmp", NO_BODY),
    ("enable-ssh", NO_BODY),
    ("disable-ssh", NO_BODY),
    ("enable-nodesafe", NO_BODY),
    ("disable-nodesafe", NO_BODY),
    ("enable-dcc", NO_BODY),
    ("disable-dcc", NO_BODY),
    ("set-cpu-mode", {"cpu_emulation_mode": "host-passthrough"}),
    ("set-cpu-mode", {"cpu_emulation_mode": "host-model"}),
    ("set-cpu-mode", {"cpu_emulation_mode": None}),
    ("set-cpu-mode", {"cpu_emulation_mode": "custom", "cpu_model": "Broadwell"}),
    ("setup-log-redirection", {"log_redirection_hostname": "10.10.10.10"}),
    ("disable-log-redirection", None),
    ("update-system", None),
    ("attach-targets", {"targets": {"10.40.38.2": [TARGET]}}),
    ("attach-targets", {"targets": {"10.40.38.2": [TARGET]}, "vendor": "LIO-ORG", "product": "disk"}),
    ("repair-locks", NO_BODY),
]
OS_STORY = [
    watch_something,
    *(
        step
        for action, body in OS_ACTIONS
        for step in (("POST", f"/v1/nodes/$node_id/actions/{action}", body, 202, NOTHING), end_tasks)
    ),
]


@pytest.mark.parametrize("slash", ["", "/"])
def test_actions_in_the_operating_system(api, slash):
    steps = [step if callable(step) else (step[0], f"{step[1]}{slash}", *step[2:]) for step in OS_STORY]
    play(api, steps, node_id=api.node(name="mnode2.dev.stand.loc")["id"])


TARGETS = {"10.40.38.2": [TARGET, "volume-99361e45-6e50-45fc-9236-08108b2c7add"]}
DISCOVERY_STORY = [
    ("POST", "/v1/nodes/$node_id/actions/discovery-nas", {"storage_id": "$storage_id"}, 200, {"targets": TARGETS}),
]  # fmt: skip


def test_a_discovery(api):
    storage_id = api.node(ip_addresses=["10.40.38.2"])["id"]
    answer_soon(api, {"targets": TARGETS, "silent": {}})
    play(api, DISCOVERY_STORY, node_id=api.node()["id"], storage_id=storage_id)


BINDING = {"controller_uuid": CONTROLLER, "hostnames": ["mnode2.dev.stand.loc"]}


def bind(api):
    """The worker's part."""
    end_tasks(api)
    with api.database.transaction() as session:
        session.execute(update(Node).values(controller_id=CONTROLLER))


CONTROLLER_STORY = [
    ("POST", "/v1/nodes/actions/attach", BINDING, 202, {"task_id": TASK_ID}),
    bind,
    ("POST", "/v1/nodes/actions/detach", BINDING, 202, {"task_id": TASK_ID}),
]


def test_binding_to_a_controller(api):
    api.node(name="mnode2.dev.stand.loc")
    play(api, CONTROLLER_STORY)

"""The reference's examples of inventory and power, in its order: one story."""

import pytest

from cloudmanager.api import power_controls
from cloudmanager.drivers import DRIVERS
from tests.api.story import NOTHING, TEXT, TIME, end_tasks, play
from tests.api.test_power import finish

CLASSES = {
    "hypervisor": ["", "QEMU", "KVM", "Docker", "Xen", "VMware", "HyperV"],
    "Storage host": ["", "Ceph", "mdraid", "bcashed", "GlusterFS", "Sheepdog"],
    "Network host": ["", "Network node", "Commutator", "Router"],
    "Server": ["", "Controller node", "PXE", "DHCP", "DNS", "NTP"],
}
TYPE_IDS = iter(range(1, 24))
FIRST_CLASSES = [
    {
        "id": number,
        "is_default": name == "hypervisor",
        "name": name,
        "node_types": [{"id": next(TYPE_IDS), "name": kind} for kind in kinds],
    }
    for number, (name, kinds) in enumerate(CLASSES.items(), start=1)
]
TYPES = [{"id": "$type1", "name": "type1"}, {"id": "$type2", "name": "type2"}]
TEST_CLASS = {"id": "$class_id", "is_default": False, "name": "test_class", "node_types": TYPES}
IMAGE = {"created_at": TIME, "file_data": "root=test", "id": "$image_id", "image_name": "test_image"}
DEFAULT_IMAGE = {"created_at": TIME, "file_data": TEXT, "id": 1, "image_name": "default"}
CONTROL = {
    "coil_map": {"1": None},
    "coils_count": 1,
    "control_type": "SupermicroRackDevice",
    "host": "10.35.17.33",
    "id": "$power_control_id",
    "login": "ADMIN",
    "port_number": 623,
    "protocol_type": "ipmi",
    "time_created": TIME,
    "time_updated": None,
    "title": "ipmi://SupermicroRackDevice@10.35.17.33:623",
    "used_coils_count": 0,
}
NODE = {
    "active": True,
    "condition": 0,
    "controller_id": None,
    "controller_type": None,
    "cpu_amount": None,
    "description": None,
    "dtc_number": None,
    "hdd_gb": None,
    "hypervisor_id": None,
    "id": "$node_id",
    "image": {"id": 1, "name": "default"},
    "inventory_code": None,
    "ip_addresses": ["10.35.22.11"],
    "is_controller": False,
    "is_reserved": False,
    "mac_address": None,
    "name": "test-node",
    "node_class": {"id": 1, "is_default": True, "name": "hypervisor"},
    "node_type": {"id": 1, "name": ""},
    "owner": None,
    "power_state": None,
    "rack_number": None,
    "ram_mb": None,
    "row_number": None,
    "title": None,
    "unit_number": None,
}
ASSIGNED = {
    "is_default": True,
    "is_initialized": True,
    "power_control_id": "$power_control_id",
    "control_type": "SupermicroRackDevice",
    "power_control_title": "test_power_control",
    "power_control_port": "1",
    "protocol_type": "ipmi",
}
IN_USE = {
    **CONTROL,
    "coil_map": {
        "1": {
            "is_default": True,
            "is_initialized": True,
            "node_id": "$node_id",
            "node_name": "test-node",
            "power_control_port": "1",
            "power_state": "power_on",
        }
    },
    "time_updated": TIME,
    "title": "test_power_control",
    "used_coils_count": 1,
}
STORAGE = {
    "id": "$availability_storage_id",
    "name": "storage1",
    "compute_path": "/tmp/",
    "controller_path": "/tmp/",
    "nodes": [],
}
CREATE_CONTROL = {
    "control_type": "SupermicroRackDevice",
    "protocol_type": "ipmi",
    "host": "10.35.17.33",
    "port_number": 623,
    "login": "ADMIN",
    "password": "PASSWORD",
}
EVERY_FIELD = {
    "control_type": "SshDevice",
    "protocol_type": "ssh",
    "host": "10.35.17.34",
    "port_number": "22",
    "title": "by ssh",
    "login": "root",
    "password": "PASSWORD",
    "ssh_key": "KEY",
}
OF_EVERY_FIELD = {
    **{name: value for name, value in EVERY_FIELD.items() if name not in ("password", "ssh_key")},
    "port_number": 22,
    "id": "$ssh_id",
    "time_created": TIME,
    "used_coils_count": 0,
}
CREATE_STORAGE = {"name": "storage1", "compute_path": "/tmp/", "controller_path": "/tmp/"}
MOVED_STORAGE = {"name": "storage2", "compute_path": "/srv/", "controller_path": "/mnt/"}
PENDING = {"status": "PENDING", "name": "reset", "result": None, "traceback": None}

STORY = [
    # Host classes
    ("GET", "/v1/node-classes/", None, 200, {"node_classes": FIRST_CLASSES}),
    ("GET", "/v1/node-classes/count", None, 200, {"count": 4}),
    ("POST", "/v1/node-classes/", {"node_class": {"name": "test_class", "node_types": ["type1", "type2"]}}, 201,
     {"node_class": TEST_CLASS}),
    ("GET", "/v1/node-classes/$class_id", None, 200, {"node_class": TEST_CLASS}),
    ("PUT", "/v1/node-classes/$class_id", {"node_class": {"name": "test_class_renamed"}}, 200,
     {"node_class": {**TEST_CLASS, "name": "test_class_renamed"}}),
    ("PUT", "/v1/node-classes/$class_id", {"node_class": {"name": "test_class", "node_types": ["type1", "type2"]}}, 200,
     {"node_class": TEST_CLASS}),
    ("GET", "/v1/node-classes/$class_id/types/", None, 200, {"node_types": TYPES}),
    ("POST", "/v1/node-classes/$class_id/types/", {"node_type": {"name": "new_type"}}, 201,
     {"node_type": {"id": "$type_id", "name": "new_type"}}),
    ("PUT", "/v1/node-classes/$class_id/types/$type_id", {"node_type": {"name": "type_renamed"}}, 200,
     {"node_type": {"id": "$type_id", "name": "type_renamed"}}),
    ("PUT", "/v1/node-classes/$class_id/types/$type_id", {"node_type": {"type_id": 26, "name": "again"}}, 200,
     {"node_type": {"id": "$type_id", "name": "again"}}),
    ("PUT", "/v1/node-classes/$class_id/types/$type_id", {"node_type": {"type_id": 1, "name": "no"}}, 422,
     {"error": {"errors": {"type_id": ["Not the one in the path."]}}}),
    ("DELETE", "/v1/node-classes/$class_id/types/$type_id", None, 204, NOTHING),
    ("DELETE", "/v1/node-classes/$class_id", None, 204, NOTHING),
    # PXE host images
    ("GET", "/v1/node-images/", None, 200, {"node_images": [DEFAULT_IMAGE]}),
    ("GET", "/v1/node-images/1", None, 200, {"node_image": DEFAULT_IMAGE}),
    ("GET", "/v1/node-images/count", None, 200, {"count": 1}),
    ("POST", "/v1/node-images/", {"node_image": {"image_name": "test_image", "file_data": "root=test"}}, 201,
     {"node_image": IMAGE}),
    ("GET", "/v1/node-images/$image_id", None, 200, {"node_image": IMAGE}),
    # Power controls
    ("GET", "/v1/power-controls/count", None, 200, {"count": 0}),
    ("POST", "/v1/power-controls/", {"power_control": CREATE_CONTROL}, 201, {"power_control": CONTROL}),
    ("GET", "/v1/power-controls/$power_control_id", None, 200, {"power_control": CONTROL}),
    ("PUT", "/v1/power-controls/$power_control_id", {"power_control": {"title": "test_power_control"}}, 200,
     {"power_control": {**CONTROL, "title": "test_power_control", "time_updated": TIME}}),
    ("POST", "/v1/power-controls/$power_control_id/actions/power-on", {"coil": 1}, 202, NOTHING),
    ("POST", "/v1/power-controls/", {"power_control": EVERY_FIELD}, 201, {"power_control": OF_EVERY_FIELD}),
    ("PUT", "/v1/power-controls/$ssh_id", {"power_control": EVERY_FIELD}, 200, {"power_control": OF_EVERY_FIELD}),
    ("DELETE", "/v1/power-controls/$ssh_id", None, 204, NOTHING),
    # Nodes
    ("GET", "/v1/nodes/", None, 200, {"nodes": []}),
    ("POST", "/v1/nodes/", {"node": {"name": "test-node", "ip_addresses": ["10.35.22.11"]}}, 201, {"node": NODE}),
    ("GET", "/v1/nodes/count", None, 200, {"count": 1}),
    ("GET", "/v1/nodes/$node_id?with_os_object=true", None, 200, {"node": {**NODE, "os_hypervisor": None}}),
    ("PUT", "/v1/nodes/$node_id", {"node": {"title": "node title"}}, 200, {"node": {**NODE, "title": "node title"}}),
    ("POST", "/v1/nodes/$node_id/actions/assign-image", {"image_id": 1}, 204, NOTHING),
    ("POST", "/v1/nodes/$node_id/actions/reserve", {"is_reserved": True}, 204, NOTHING),
    ("POST", "/v1/nodes/$node_id/actions/reserve", {"is_reserved": False}, 204, NOTHING),
    ("POST", "/v1/nodes/$node_id/power-controls/", {"power_control_id": 1, "power_control_port": 1}, 201,
     {"power_control": ASSIGNED}),
    ("GET", "/v1/nodes/$node_id/power-controls/", None, 200, {"power_controls": [ASSIGNED]}),
    ("GET", "/v1/nodes/$node_id/power-controls/$power_control_id", None, 200, {"power_control": ASSIGNED}),
    ("PUT", "/v1/nodes/$node_id/power-controls/$power_control_id", {"is_default": True}, 200,
     {"power_control": ASSIGNED}),
    ("PUT", "/v1/nodes/$node_id/power-controls/$power_control_id", {"power_control_port": "1"}, 200,
     {"power_control": ASSIGNED}),
    ("GET", "/v1/power-controls/$power_control_id/nodes", None, 200,
     {"nodes": [{**NODE, "condition": 1, "title": "node title", "cloud_managers": [ASSIGNED], "node_class": FIRST_CLASSES[0],
                 "power_state": "power_on"}]}),
    ("POST", "/v1/nodes/$node_id/actions/reset", None, 202, NOTHING),
    ("GET", "/v1/nodes/$node_id/power-actions/", None, 200,
     {"power_actions": [{"action": "reset", "id": "$power_action_id", "node_id": "$node_id", "start_time": TIME,
                         "user_name": "the admin"}]}),
    ("GET", "/v1/nodes/$node_id/power-actions/$power_action_id", None, 200,
     {"power_action": {"action": "reset", "id": "$power_action_id", "node_id": "$node_id", "start_time": TIME,
                       "user_name": "the admin"}}),
    # Availability storages
    ("POST", "/v1/availability-storages/", {"availability_storage": CREATE_STORAGE}, 201,
     {"availability_storage": STORAGE}),
    ("GET", "/v1/availability-storages/", None, 200, {"availability_storages": [STORAGE]}),
    ("GET", "/v1/availability-storages/count", None, 200, {"count": 1}),
    ("GET", "/v1/availability-storages/$availability_storage_id", None, 200, {"availability_storage": STORAGE}),
    ("PUT", "/v1/availability-storages/$availability_storage_id", {"availability_storage": {"name": "storage2"}}, 200,
     {"availability_storage": {**STORAGE, "name": "storage2"}}),
    ("PUT", "/v1/availability-storages/$availability_storage_id", {"availability_storage": MOVED_STORAGE}, 200,
     {"availability_storage": {**STORAGE, **MOVED_STORAGE}}),
    ("POST", "/v1/availability-storages/$availability_storage_id/nodes/", {"nodes": [1]}, 204, NOTHING),
    ("DELETE", "/v1/availability-storages/$availability_storage_id/nodes/$node_id", None, 204, NOTHING),
    ("PUT", "/v1/availability-storages/$availability_storage_id/nodes/", {"nodes": [1]}, 204, NOTHING),
    ("GET", "/v1/availability-storages/?name=storage2&availability_storage_id=1&offset=0&limit=10", None, 200,
     {"availability_storages": [{**STORAGE, **MOVED_STORAGE, "nodes": [{"id": "$node_id", "name": "test-node"}]}]}),
    ("POST", "/v1/nodes/$node_id/availability-storages/", {"availability_storages": [1]}, 204, NOTHING),
    ("PUT", "/v1/nodes/$node_id/availability-storages/", {"availability_storages": [1]}, 204, NOTHING),
    ("GET", "/v1/nodes/$node_id", None, 200,
     {"node": {"id": "$node_id", "availability_storages": [{"id": "$availability_storage_id", "name": "storage2"}]}}),
    ("DELETE", "/v1/nodes/$node_id/availability-storages/$availability_storage_id", None, 204, NOTHING),
    ("DELETE", "/v1/availability-storages/$availability_storage_id", None, 204, NOTHING),
    # Celery tasks
    ("GET", "/v1/tasks", None, 200, {"tasks": ["$task_id", "$first_task"]}),
    ("GET", "/v1/tasks/$task_id", None, 200, PENDING),
    ("POST", "/v1/tasks/$task_id/actions/cancel", None, 202, NOTHING),
    end_tasks,
    ("POST", "/v1/nodes/$node_id/actions/power-off", None, 202, NOTHING),
    end_tasks,
    ("POST", "/v1/nodes/$node_id/actions/power-on", None, 202, NOTHING),
    end_tasks,
    ("GET", "/v1/power-controls/", None, 200, {"power_controls": [IN_USE]}),
    ("POST", "/v1/power-controls/$power_control_id/actions/power-off", {"coil": 1}, 202, NOTHING),
    end_tasks,
    # What was made is taken away
    ("DELETE", "/v1/nodes/$node_id/power-controls/$power_control_id", None, 204, NOTHING),
    ("POST", "/v1/nodes/$node_id/power-controls/",
     {"power_control_id": "$power_control_id", "power_control_port": "1", "is_default": True}, 201,
     {"power_control": ASSIGNED}),
    ("DELETE", "/v1/nodes/$node_id/power-controls/$power_control_id", None, 204, NOTHING),
    ("DELETE", "/v1/power-controls/$power_control_id", None, 204, NOTHING),
    ("DELETE", "/v1/nodes/$node_id", None, 204, NOTHING),
    ("DELETE", "/v1/node-images/$image_id", None, 204, NOTHING),
]  # fmt: skip
BULK_STORY = [
    ("POST", "/v1/nodes/actions/reset", {"node_ids": [1, 2]}, 200, {"failed": [], "success": [1, 2]}),
]
KINDS = [
    ["ET7067", "modbus"],
    ["DaenetIP2", "snmp"],
    ["DaenetIP2_ACPI", "snmp"],
    ["SshDevice", "ssh"],
    ["IntelAMT", "intel_amt"],
    ["SupermicroRackDevice", "ipmi"],
]
PROTOCOLS = ["modbus", "ipmi", "snmp", "ssh", "intel_amt"]
DRIVERS_STORY = [
    ("GET", "/v1/power-controls/types", None, 200, {"types": [*KINDS, ...]}),
    ("GET", "/v1/power-controls/protocols", None, 200, {"protocols": [*PROTOCOLS, ...]}),
]


@pytest.mark.both_databases
def test_the_story_of_the_reference(api):
    play(api, STORY)


@pytest.mark.parametrize("sent", [{}, {"data": b"", "content_type": "application/json"}], ids=str)
def test_actions_without_fields_take_no_body(api, sent):
    for action in ("power-on", "power-off", "reset"):
        api.post(f"/v1/nodes/{api.powered_node()}/actions/{action}", status=202, **sent)


def test_bulk_reset_answers_who_was_restarted(api):
    finish(api, succeed=[api.powered_node(), api.powered_node()])
    play(api, BULK_STORY)


def test_types_and_protocols_begin_as_shown(api, monkeypatch):
    monkeypatch.setattr(power_controls, "DRIVERS", DRIVERS)
    play(api, DRIVERS_STORY)

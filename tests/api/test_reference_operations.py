"""Every operation of the reference is in the document and in a story; lists take every parameter that it names."""

import re
from itertools import product

import pytest

from cloudmanager.app import openapi_document
from tests.api import (
    test_reference_cloud,
    test_reference_examples,
    test_reference_nodes,
    test_reference_sign,
    test_reference_volumes,
)
from tests.api.story import TIME

PATHS = openapi_document()["paths"]
ON_NODES = [
    "assign-image", "power-off", "power-on", "reset", "reserve", "enable-snmp", "disable-snmp",
    "enable-ssh", "disable-ssh", "enable-nodesafe", "disable-nodesafe", "enable-dcc", "disable-dcc",
    "set-cpu-mode", "setup-log-redirection", "disable-log-redirection", "update-system", "discovery-nas",
    "attach-targets", "repair-locks",
]  # fmt: skip
OPERATIONS = {
    "/v1/info": "GET",
    "/v1/hosts/{}/actions/evacuate": "POST",
    "/v1/hosts/{}/actions/shutdown": "POST",
    "/v1/hosts/{}/actions/decommission": "POST",
    "/v1/hosts/actions/restart": "POST",
    "/v1/servers/{}/actions/balance": "POST",
    "/v1/servers/{}/actions/recover": "POST",
    "/v1/servers/{}/actions/repair": "POST",
    "/v1/servers/{}/actions/reset-reboot": "POST",
    "/v1/servers/{}/actions/wakeup": "POST",
    "/v1/servers/{}/actions/clone": "POST",
    "/v1/system_metadata/{}": "GET PUT",
    "/v1/system_metadata/{}/removed/{}": "DELETE",
    "/v1/node-classes/": "GET POST",
    "/v1/node-classes/count": "GET",
    "/v1/node-classes/{}": "GET PUT DELETE",
    "/v1/node-classes/{}/types/": "GET POST",
    "/v1/node-classes/{}/types/{}": "PUT DELETE",
    "/v1/node-images/": "GET POST",
    "/v1/node-images/count": "GET",
    "/v1/node-images/{}": "GET DELETE",
    "/v1/power-controls/": "GET POST",
    "/v1/power-controls/count": "GET",
    "/v1/power-controls/{}": "GET PUT DELETE",
    "/v1/power-controls/types": "GET",
    "/v1/power-controls/protocols": "GET",
    "/v1/power-controls/{}/actions/power-off": "POST",
    "/v1/power-controls/{}/actions/power-on": "POST",
    "/v1/power-controls/{}/nodes": "GET",
    "/v1/nodes/": "GET POST",
    "/v1/nodes/count": "GET",
    "/v1/nodes/{}": "GET PUT DELETE",
    **{f"/v1/nodes/{{}}/actions/{action}": "POST" for action in ON_NODES},
    "/v1/nodes/{}/power-actions/": "GET",
    "/v1/nodes/{}/power-actions/{}": "GET",
    "/v1/nodes/{}/power-controls/": "GET POST",
    "/v1/nodes/{}/power-controls/{}": "GET PUT DELETE",
    "/v1/nodes/actions/attach": "POST",
    "/v1/nodes/actions/detach": "POST",
    "/v1/nodes/actions/reset": "POST",
    "/v1/nodes/{}/availability-storages/": "POST PUT",
    "/v1/nodes/{}/availability-storages/{}": "DELETE",
    "/v1/aggregates/{}/actions/execute-audit": "POST",
    "/v1/aggregates/{}/actions/apply-audit": "POST",
    "/v1/aggregates/{}/actions/get-audit-status": "POST",
    "/v1/volume-backends/": "GET",
    "/v1/volumes/{}": "GET",
    "/v1/volumes/": "GET",
    "/v1/volumes/{}/actions/mirror": "POST",
    "/v1/volumes/{}/actions/pv-migrate": "POST",
    "/v1/availability-storages/": "GET POST",
    "/v1/availability-storages/count": "GET",
    "/v1/availability-storages/{}": "GET PUT DELETE",
    "/v1/availability-storages/{}/nodes/": "POST PUT",
    "/v1/availability-storages/{}/nodes/{}": "DELETE",
    "/v1/tasks/": "GET",
    "/v1/tasks/{}": "GET",
    "/domains/actions/get-store": "POST",
    "/v1/domains/{}/actions/configure": "POST",
    "/v1/domains/totp-allowed": "GET",
    "/v1/sign/{}": "GET",
    "/sign": "GET",
    "/v1/sign": "POST PUT",
    "/v1/sign/node/{}/action": "GET",
}
"""{path: its methods}, with `{}` for each variable."""
PARTS = (
    test_reference_examples,
    test_reference_nodes,
    test_reference_cloud,
    test_reference_volumes,
    test_reference_sign,
)
PLAYED = {
    (step[0], step[1].partition("?")[0].rstrip("/"))
    for part in PARTS
    for name, story in vars(part).items()
    if name.endswith("STORY")
    for step in story
    if not callable(step)
}


def stands_for(path, played):
    """Whether a request is one of a path with `{}`, and not of another one that has a word there."""
    pattern = re.escape(path.rstrip("/")).replace(r"\{\}", "[^/]+")
    return played == path.rstrip("/") or (
        re.fullmatch(pattern, played) and not {played, f"{played}/"} & OPERATIONS.keys()
    )


def test_the_reference_has_106_operations():
    """As its headings count; the second POST of a node's storages is sent as PUT."""
    assert sum(len(methods.split()) for methods in OPERATIONS.values()) == 106


@pytest.mark.parametrize("path", OPERATIONS)
def test_every_operation_is_documented_and_played(path):
    documented = {re.sub(r"\{\w+\}", "{}", known): methods for known, methods in PATHS.items()}
    for method in OPERATIONS[path].split():
        assert method.lower() in documented[path]
        assert any(verb == method and stands_for(path, one) for verb, one in PLAYED), method


OF_CLASSES, OF_IMAGES, OF_STORAGES = (
    ["id", "name"],
    ["id", "created_at", "image_name"],
    ["id", "availability_storage_id", "name"],
)
OF_CONTROLS = ["id", "created_at", "title", "control_type", "protocol_type", "host", "port_number"]
OF_NODES = [
    "id", "image_id", "node_class_id", "node_type_id", "hypervisor_id", "name", "controller_id",
    "controller_type", "description", "dtc_number", "unit_number", "rack_number", "row_number",
    "cpu_amount", "ram_mb", "hdd_gb", "mac_address", "title", "is_reserved", "is_controller",
    "inventory_code", "power_state", "owner", "active", "condition",
]  # fmt: skip
PAGE = ["offset", "limit"]
QUERIES = {
    "/v1/node-classes/": [*OF_CLASSES, *PAGE],
    "/v1/node-classes/count": OF_CLASSES,
    "/v1/node-images/": [*OF_IMAGES, *PAGE],
    "/v1/node-images/count": [*OF_IMAGES, *PAGE],
    "/v1/power-controls/": [*OF_CONTROLS, *PAGE],
    "/v1/power-controls/count": OF_CONTROLS,
    "/v1/nodes/": [*OF_NODES, *PAGE, "with_os_object", "with_hwinfo"],
    "/v1/nodes/count": OF_NODES,
    "/v1/availability-storages/": [*OF_STORAGES, *PAGE],
    "/v1/availability-storages/count": OF_STORAGES,
}
FLAGS = ["is_reserved", "is_controller", "active"]


def value_of(name):
    if name in FLAGS:
        return "true"
    return TIME if name == "created_at" else "1"


@pytest.mark.parametrize("path", QUERIES)
def test_every_documented_parameter_of_a_list(api, path):
    names = QUERIES[path]
    documented = {parameter["name"] for parameter in PATHS[path]["get"]["parameters"]}
    assert documented >= set(names)
    for name, modifier in product(names, ["", "eq:", "neq:", "in:", "nin:", "null:"]):
        if modifier and (name in PAGE or name.startswith("with_")):
            continue
        value = "true" if modifier == "null:" or name.startswith("with_") else value_of(name)
        api.get(f"{path}?{name}={modifier}{value}")

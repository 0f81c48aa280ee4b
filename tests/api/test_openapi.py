"""The document: the committed snapshot, and that it says what the application does."""

import json
import re
from pathlib import Path

from cloudmanager.api.node_images import NodeImageShape
from cloudmanager.api.node_schemas import NodeShape
from cloudmanager.api.power_actions import PowerActionShape
from cloudmanager.api.power_control_schemas import ControlShape
from cloudmanager.api.task_shapes import TaskShape
from cloudmanager.app import openapi_document

WHEN_ASKED_FOR = ("os_hypervisor", "hwinfo")
SHORT = re.compile("/v1/(sign($|/)|domains/actions/get-store$)")
SNAPSHOT = Path(__file__).parents[2] / "docs" / "openapi.json"


def test_the_snapshot_is_the_document():
    assert json.loads(SNAPSHOT.read_text()) == openapi_document(), (
        "run `make openapi` and review the difference"
    )


def test_the_document_is_served_to_everyone(api):
    assert api.get("/openapi.json", role="nobody") == openapi_document()


def test_every_route_is_in_the_document(api):
    routes = {
        (re.sub("<(?:[a-z]+:)?([a-z_]+)>", r"{\1}", rule.rule), method.lower())
        for rule in api.app.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
    }
    documented = {
        (path, method)
        for path, methods in openapi_document()["paths"].items()
        for method in methods
        if method != "parameters"
    }
    assert documented == routes | {
        (path.removeprefix("/v1"), method) for path, method in routes if SHORT.match(path)
    }


def test_every_operation_is_described():
    document = openapi_document()
    ids = []
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if method == "parameters":
                continue
            ids.append(operation["operationId"])
            assert operation["summary"], (method, path)
            assert {"200", "201", "202", "204"} & set(operation["responses"])
            if operation["security"]:
                is_portal = operation["security"] == [{"tenant": []}]
                assert operation["x-role"] in (("tenant",) if is_portal else ("reader", "member", "admin"))
                refusals = {"401", "403", "400" if is_portal else "422", "500", "503"}
                assert refusals <= set(operation["responses"])
            if "requestBody" in operation:
                assert {"400", "413", "415"} <= set(operation["responses"])
    assert len(ids) == len(set(ids))


def test_references_lead_somewhere():
    document = openapi_document()
    for reference in re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(document)):
        found = document
        for part in reference.split("/"):
            found = found[part]


def test_no_answer_has_a_field_for_a_secret():
    schemas = openapi_document()["components"]["schemas"]
    holders = {
        name
        for name, schema in schemas.items()
        if {"password", "ssh_key"} & set(schema.get("properties", ()))
    }
    assert holders == {"ControlBody", "ControlChange", "LoginBody", "RotatePassword"}


def test_answers_have_the_documented_fields(api):
    node = api.powered_node(name="n")
    task = api.ask("POST", f"/v1/nodes/{node}/actions/reset").headers["Location"]
    for shown, shape in (
        (api.get(f"/v1/nodes/{node}")["node"], NodeShape()),
        (api.get("/v1/power-controls/")["power_controls"][0], ControlShape()),
        (api.get("/v1/node-images/1")["node_image"], NodeImageShape()),
        (api.get(f"/v1/nodes/{node}/power-actions/")["power_actions"][0], PowerActionShape()),
        (api.get(task), TaskShape()),
    ):
        assert set(shown) == set(shape.fields) - set(WHEN_ASKED_FOR)

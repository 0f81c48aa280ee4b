"""Options of power controls: what a type of device takes beyond host, port and credentials."""

import pytest
from jsonschema import Draft202012Validator
from sqlalchemy import select, update

from cloudmanager.api.power_control_options import (
    OPTIONS_OF_TYPES,
    OptionsBody,
    OptionsShape,
    options_of_types,
)
from cloudmanager.drivers import DRIVERS
from cloudmanager.drivers.base import PowerState
from cloudmanager.drivers.ipmi import IpmiSettings
from cloudmanager.drivers.tls import TlsSettings
from cloudmanager.errors import DeviceUnreachable
from cloudmanager.models import PowerControl

PIN = "ab" * 32
BOARD = {"control_type": "ET7067", "protocol_type": "modbus", "host": "10.0.0.7", "port_number": 502}
REDFISH = {"control_type": "Redfish", "protocol_type": "redfish", "host": "10.0.0.8", "port_number": 443}


def change(api, control, status=200, query="", **values):
    path = f"/v1/power-controls/{control['id']}{query}"
    answer = api.put(path, {"power_control": values}, status)
    return answer["power_control"] if status == 200 else answer["error"]


def refused(api, **values):
    return api.post("/v1/power-controls/", {"power_control": {**REDFISH, **values}}, 422)["error"]


def test_what_is_told_of_each_type_is_as_documented():
    told = options_of_types(DRIVERS)
    Draft202012Validator(OPTIONS_OF_TYPES).validate(told)
    assert {"anyOf": [{"type": "integer", "minimum": 0, "maximum": 255}]}.items() <= OptionsShape.json_schema[
        "properties"
    ]["unit_id"].items()
    both = OptionsBody.json_schema["properties"]["tls"]
    assert "IntelAMT: " in both["description"]
    assert "RedfishDevice: " in both["description"]
    accepts = Draft202012Validator(both).is_valid
    assert all(accepts(value) for value in ("auto", "verify", None))
    assert not any(accepts(value) for value in ("maybe", 1))


@pytest.mark.both_databases
def test_they_are_stored_and_answered(api):
    plain = api.control(**BOARD)
    made = api.control(**BOARD, options={"unit_id": 7})
    assert (plain["options"], made["options"]) == ({}, {"unit_id": 7})
    assert api.get(f"/v1/power-controls/{made['id']}")["power_control"] == made
    assert [each["options"] for each in api.get("/v1/power-controls/")["power_controls"]] == [
        {},
        {"unit_id": 7},
    ]


def test_a_change_is_partial_and_null_is_the_default(api):
    made = api.control(**REDFISH, options={"fingerprint": PIN, "tls": "verify"})
    assert change(api, made, host="10.0.0.9")["options"] == {"fingerprint": PIN, "tls": "verify"}
    assert change(api, made, options={"tls": "insecure"})["options"] == {
        "fingerprint": PIN,
        "tls": "insecure",
    }
    assert change(api, made, options={})["options"] == {"fingerprint": PIN, "tls": "insecure"}
    assert change(api, made, options={"fingerprint": None, "ca_file": None})["options"] == {"tls": "insecure"}
    assert change(api, made, options=None)["options"] == {}


def test_a_default_that_is_given_is_kept(api):
    """It stays when a later version has another default."""
    assert api.control(**BOARD, options={"unit_id": 1})["options"] == {"unit_id": 1}


@pytest.mark.parametrize(
    ("options", "name", "words"),
    [
        ({"tls": "maybe"}, "options.tls", "Not one of verify, insecure, off."),
        ({"tls": 1}, "options.tls", "Not one of verify, insecure, off."),
        ({"tls": ["verify"]}, "options.tls", "Not one of verify, insecure, off."),
        ({"fingerprint": "abc"}, "options.fingerprint", "Not 64 hexadecimal digits, in pairs with or without colons."),
        ({"ca_file": "relative.pem"}, "options.ca_file", "Not an absolute path."),
        ({"unit_id": 3}, "options.unit_id", "Redfish has no option 'unit_id'; it has ca_file, fingerprint, tls."),
        ({"unit_id": None}, "options.unit_id", "Redfish has no option 'unit_id'; it has ca_file, fingerprint, tls."),
        ({"": "x"}, "options.", "Redfish has no option ''; it has ca_file, fingerprint, tls."),
        ("verify", "options", "Not a valid mapping type."),
        (["tls"], "options", "Not a valid mapping type."),
        ({str(number): 1 for number in range(101)}, "options", "Longer than maximum length 100."),
    ],
)  # fmt: skip
def test_wrong_ones(api, options, name, words):
    error = refused(api, options=options)
    assert error["errors"] == {name: [words]}
    made = api.control(**REDFISH)
    assert change(api, made, 422, options=options)["errors"] == {name: [words]}
    assert change(api, made)["options"] == {}


def test_every_wrong_one_is_named_and_no_value_told(api):
    error = refused(api, options={"tls": "hunter2", "password": "hunter2", "fingerprint": PIN})
    assert set(error["errors"]) == {"options.tls", "options.password"}
    assert "hunter2" not in str(error)


def test_another_type_does_not_know_them(api):
    made = api.control(**REDFISH, options={"tls": "insecure"})
    to_board = {"control_type": "ET7067", "protocol_type": "modbus"}
    error = change(api, made, 422, **to_board)
    assert error["errors"] == {"options.tls": ["Not known by this control_type."]}
    assert error["message"] == "ET7067 has no option tls: set it to null in the same request"
    assert change(api, made, 422, **to_board, options={"unit_id": 2})["errors"] == error["errors"]
    changed = change(api, made, **to_board, options={"unit_id": 2, "tls": None})
    assert (changed["control_type"], changed["options"]) == ("ET7067", {"unit_id": 2})
    assert change(api, made, control_type="Redfish", protocol_type="redfish", options=None)["options"] == {}


def test_verify_and_check_use_them(api):
    body = {"power_control": {**REDFISH, "options": {"fingerprint": PIN}}}
    made = api.post("/v1/power-controls/?verify=true", body)["power_control"]
    change(api, made, query="?verify=true", options={"tls": "insecure"})
    api.post(f"/v1/power-controls/{made['id']}/actions/check", None, 200)
    settings = [settings for _, settings in api.power.asked]
    assert all(type(each) is TlsSettings for each in settings)
    assert [(each.fingerprint, each.tls) for each in settings] == [
        (PIN, "verify"), (PIN, "insecure"), (PIN, "insecure"),
    ]  # fmt: skip


def test_reading_a_port_uses_them(api):
    control = api.control(options={"cipher_suite": "17"})
    api.assign(api.node()["id"], control["id"])
    [(_, settings)] = api.power.asked
    assert (type(settings), settings.cipher_suite) == (IpmiSettings, "17")


def test_what_an_older_version_cannot_know_is_said(api):
    made = api.control(**BOARD)
    with api.database.transaction() as session:
        session.execute(update(PowerControl).values(options={"baud": 9600}))
    error = api.post(f"/v1/power-controls/{made['id']}/actions/check", None, 422)["error"]
    assert error["errors"] == {"options.baud": ["ET7067 has no option 'baud'; it has unit_id."]}
    assert change(api, made, options={"baud": None})["options"] == {}


def test_they_change_the_etag(api):
    made = api.control(**BOARD)
    path = f"/v1/power-controls/{made['id']}"
    tag = api.ask("GET", path).headers["ETag"]
    change(api, made, options={"unit_id": 3})
    assert api.ask("GET", path).headers["ETag"] != tag


# --- devices that know how many ports they have ----------------------------------------------------------------


def systems(api, count):
    api.power.states = {str(number + 1): PowerState.ON for number in range(count)}


def stored_count(api):
    with api.database.reading() as session:
        return session.scalar(select(PowerControl.coils_count))


def test_one_system_until_it_was_asked(api):
    made = api.control(**REDFISH)
    assert (made["coils_count"], made["coil_map"]) == (1, {"1": None})


def test_verify_tells_how_many_there_are(api):
    systems(api, 3)
    made = api.post("/v1/power-controls/?verify=true", {"power_control": REDFISH})["power_control"]
    assert (made["coils_count"], list(made["coil_map"])) == (3, ["1", "2", "3"])
    node = api.node()
    api.assign(node["id"], made["id"], 3)
    body = {"power_control_id": made["id"], "power_control_port": "4"}
    error = api.post(f"/v1/nodes/{api.node()['id']}/power-controls/", body, 422)["error"]
    assert "its ports are 1..3, as it said when it was last asked" in error["message"]
    api.post(f"/v1/power-controls/{made['id']}/actions/power-on", {"coil": 2}, 202)
    api.post(f"/v1/power-controls/{made['id']}/actions/power-on", {"coil": 4}, 422)


def test_check_tells_how_many_there_are(api):
    made = api.control(**REDFISH)
    systems(api, 4)
    api.post(f"/v1/power-controls/{made['id']}/actions/check", None, 200)
    assert stored_count(api) == 4
    assert change(api, made)["coils_count"] == 4
    systems(api, 2)
    assert change(api, made, query="?verify=true", title="t")["coils_count"] == 2
    api.control(title="another board", **BOARD)
    api.post(f"/v1/power-controls/{made['id'] + 1}/actions/check", None, 200)
    assert [each["coils_count"] for each in api.get("/v1/power-controls/")["power_controls"]] == [2, 8]


def test_a_port_of_a_device_that_was_not_asked_yet(api):
    api.power.error = DeviceUnreachable("silent")
    made = api.control(**REDFISH)
    api.assign(api.node(name="third")["id"], made["id"], 3)
    shown = change(api, made, title="with a node")
    assert (shown["coils_count"], shown["used_coils_count"]) == (3, 1)
    assert {port: coil and coil["node_name"] for port, coil in shown["coil_map"].items()} == {
        "1": None, "2": None, "3": "third",
    }  # fmt: skip
    body = {"power_control_id": made["id"], "power_control_port": "5"}
    error = api.post(f"/v1/nodes/{api.node()['id']}/power-controls/", body, 422)["error"]
    assert "no port '5': its ports are numbers that it knows" in error["message"]


def test_another_type_has_its_own_count(api):
    systems(api, 4)
    made = api.post("/v1/power-controls/?verify=true", {"power_control": REDFISH})["power_control"]
    board = change(api, made, control_type="ET7067", protocol_type="modbus")
    assert board["coils_count"] == 8
    assert change(api, made, control_type="Redfish", protocol_type="redfish")["coils_count"] == 1

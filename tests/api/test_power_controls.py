"""Power controls: types, secrets, verification, deletion."""

import pytest
from sqlalchemy import text

from cloudmanager.drivers.base import PowerState
from cloudmanager.errors import DeviceRefused, DeviceUnreachable
from cloudmanager.models import PowerControl

SECRET, KEY = "S3cret-pässword", "-----BEGIN KEY-----"


def stored(api, key):
    with api.database.reading() as session:
        return session.get(PowerControl, key)


def test_as_in_the_reference(api):
    made = api.control(login="ADMIN", password=SECRET)
    assert made.pop("time_created")
    assert made == {
        "coil_map": {"1": None},
        "coils_count": 1,
        "control_type": "SupermicroRackDevice",
        "host": "10.35.17.33",
        "id": made["id"],
        "login": "ADMIN",
        "options": {},
        "port_number": 623,
        "protocol_type": "ipmi",
        "time_updated": None,
        "title": "ipmi://SupermicroRackDevice@10.35.17.33:623",
        "used_coils_count": 0,
    }


def test_types_and_protocols(api):
    told = api.get("/v1/power-controls/types")
    assert told["types"] == [
        ["ET7067", "modbus"], ["SshDevice", "ssh"], ["SupermicroRackDevice", "ipmi"], ["Redfish", "redfish"],
    ]  # fmt: skip
    assert list(told["options"]) == [control_type for control_type, _ in told["types"]]
    assert told["options"]["ET7067"] == {
        "unit_id": {
            "type": "integer",
            "default": 1,
            "minimum": 0,
            "maximum": 255,
            "description": "Modbus unit (the device's Net ID); behind a gateway, whose.",
        }
    }
    assert api.get("/v1/power-controls/protocols/")["protocols"] == ["modbus", "ipmi", "ssh", "redfish"]


def test_secrets_are_sealed_and_never_answered(api, capsys, caplog):
    made = api.control(control_type="SshDevice", protocol_type="ssh", password=SECRET, ssh_key=KEY)
    path = f"/v1/power-controls/{made['id']}"
    row = stored(api, made["id"])
    vault = api.services.vault
    assert (vault.open(row.sealed_password), vault.open(row.sealed_ssh_key)) == (SECRET, KEY)
    with api.database.reading() as session:
        everything = str(session.execute(text("SELECT * FROM power_controls")).all())
    answers = [api.ask("GET", path).text, api.ask("GET", "/v1/power-controls/").text]
    answers += [api.ask("PUT", path, {"power_control": {"password": SECRET, "colour": SECRET}}).text]
    answers += [api.ask("PUT", path, {"power_control": {"password": [SECRET]}}).text]
    for told in (*answers, everything, *capsys.readouterr(), caplog.text):
        assert SECRET not in told
        assert KEY not in told
    for answer in answers[:2]:
        assert "password" not in answer
        assert "ssh_key" not in answer
        assert "sealed" not in answer


def test_secrets_stay_unless_they_are_given(api):
    made = api.control(password=SECRET)
    path = f"/v1/power-controls/{made['id']}"
    api.put(path, {"power_control": {"title": "x"}})
    assert api.services.vault.open(stored(api, made["id"]).sealed_password) == SECRET
    for nothing in ("", None):
        api.put(path, {"power_control": {"password": SECRET}})
        api.put(path, {"power_control": {"password": nothing}})
        assert stored(api, made["id"]).sealed_password is None


def test_no_secret_in_the_log_of_an_internal_error(api, monkeypatch, capsys, caplog):
    monkeypatch.setattr(api.services.vault.__class__, "seal", lambda self, secret: 1 / 0)
    error = api.post(
        "/v1/power-controls/",
        {
            "power_control": {
                "control_type": "SupermicroRackDevice",
                "protocol_type": "ipmi",
                "host": "h",
                "port_number": 1,
                "password": SECRET,
            }
        },
        500,
    )["error"]
    logged = capsys.readouterr().out + caplog.text
    assert "ZeroDivisionError" in logged
    assert SECRET not in logged
    assert set(error) == {"code", "title", "message", "request_id"}


def test_an_ssh_key_only_where_it_is_used(api):
    body = {
        "control_type": "SupermicroRackDevice",
        "protocol_type": "ipmi",
        "host": "h",
        "port_number": 1,
        "ssh_key": KEY,
    }
    assert list(api.post("/v1/power-controls/", {"power_control": body}, 422)["error"]["errors"]) == [
        "ssh_key"
    ]


@pytest.mark.parametrize(("given", "kept"), [(623, 623), ("623", 623), (623.0, 623), ("00080", 80)])
def test_a_port_number_is_a_number_or_digits(api, given, kept):
    assert api.control(port_number=given)["port_number"] == kept


@pytest.mark.parametrize("given", [0, -1, 65536, "0", "6 23", "٣", "999999", True, 1.5, None, [], 10**30])
def test_wrong_port_numbers(api, given):
    path = f"/v1/power-controls/{api.control()['id']}"
    assert list(api.put(path, {"power_control": {"port_number": given}}, 422)["error"]["errors"]) == [
        "port_number"
    ]


@pytest.mark.parametrize("host", ["bmc-1.example.org", "10.0.0.1", "2001:db8::1", "bmc_1", "a"])
def test_hosts(api, host):
    assert api.control(host=host)["host"] == host


@pytest.mark.parametrize(
    "host", ["", " ", "a b", "-a", "http://a", "a@b", "a:1", "[::1]", "x" * 300, "a\0", "ä.org", None, 5]
)
def test_wrong_hosts(api, host):
    path = f"/v1/power-controls/{api.control()['id']}"
    assert list(api.put(path, {"power_control": {"host": host}}, 422)["error"]["errors"]) == ["host"]


def test_the_default_title_follows_the_device(api):
    path = f"/v1/power-controls/{api.control()['id']}"
    title = lambda body: api.put(path, {"power_control": body})["power_control"]["title"]  # noqa: E731
    assert title({"host": "10.0.0.9"}) == "ipmi://SupermicroRackDevice@10.0.0.9:623"
    assert title({"title": "mine"}) == "mine"
    assert title({"host": "10.0.0.10"}) == "mine"
    assert title({"title": None}) == "ipmi://SupermicroRackDevice@10.0.0.10:623"


def test_an_update_is_dated(api):
    path = f"/v1/power-controls/{api.control()['id']}"
    assert api.put(path, {"power_control": {"title": "x"}})["power_control"]["time_updated"][10] == "T"


def test_the_type_brings_its_coils(api):
    made = api.control(control_type="ET7067", protocol_type="modbus")
    assert list(made["coil_map"]) == ["1", "2", "3", "4", "5", "6", "7", "8"]
    path = f"/v1/power-controls/{made['id']}"
    node = api.node(name="on two")
    api.assign(node["id"], made["id"], 2)
    shown = api.get(path)["power_control"]
    assert shown["used_coils_count"] == 1
    assert shown["coil_map"]["1"] is None
    assert shown["coil_map"]["2"] == {
        "is_default": True,
        "is_initialized": True,
        "node_id": node["id"],
        "node_name": "on two",
        "power_control_port": "2",
        "power_state": "power_off",
    }
    to_ipmi = {"power_control": {"control_type": "SupermicroRackDevice", "protocol_type": "ipmi"}}
    assert "2" in api.put(path, to_ipmi, 409)["error"]["message"]
    api.put(path, {"power_control": {"control_type": "SupermicroRackDevice"}}, 422)
    api.delete(f"/v1/nodes/{node['id']}/power-controls/{made['id']}")
    assert api.put(path, to_ipmi)["power_control"]["coils_count"] == 1


def test_a_control_with_nodes_stays(api):
    control, node = api.control(), api.node(name="the user")
    api.assign(node["id"], control["id"])
    assert "the user" in api.delete(f"/v1/power-controls/{control['id']}", 409)["error"]["message"]


def test_a_dead_device_is_stored(api):
    api.power.error = DeviceUnreachable("dead")
    api.control()
    assert api.power.asked == []


@pytest.mark.parametrize(
    ("error", "status"), [(DeviceRefused("bad password"), 502), (DeviceUnreachable("no answer"), 504)]
)
def test_verify_stores_nothing_when_the_device_fails(api, error, status):
    made = api.control(title="before", password="old")
    api.power.error = error
    body = {
        "power_control": {
            "control_type": "SupermicroRackDevice",
            "protocol_type": "ipmi",
            "host": "10.0.0.1",
            "port_number": 623,
            "password": "new",
        }
    }
    assert api.post("/v1/power-controls/?verify=true", body, status)["error"]["message"] == error.message
    assert api.get("/v1/power-controls/count")["count"] == 1
    path = f"/v1/power-controls/{made['id']}"
    api.put(f"{path}?verify=true", {"power_control": {"title": "after"}}, status)
    assert api.get(path)["power_control"] == made
    settings = [settings for _, settings in api.power.asked]
    assert [(one.host, one.password) for one in settings] == [("10.0.0.1", "new"), ("10.35.17.33", "old")]


def test_verify_stores_when_the_device_answers(api):
    body = {
        "power_control": {
            "control_type": "SupermicroRackDevice",
            "protocol_type": "ipmi",
            "host": "h",
            "port_number": 1,
        }
    }
    api.post("/v1/power-controls/?verify=true", body)
    assert api.power.asked[0][0] == "SupermicroRackDevice"
    for value in ("maybe", "", "true&verify=true"):
        api.post(f"/v1/power-controls/?verify={value}", body, 422)
    api.put("/v1/power-controls/77?verify=true", {"power_control": {}}, 404)


def test_verify_asks_the_device_as_it_would_be(api):
    path = f"/v1/power-controls/{api.control(login='old', password='kept')['id']}"
    api.put(f"{path}?verify=true", {"power_control": {"host": "10.0.0.9", "login": "new"}})
    [(_, settings)] = api.power.asked
    assert (settings.host, settings.login, settings.password) == ("10.0.0.9", "new", "kept")


def test_nodes_of_a_control(api):
    control = api.control(control_type="ET7067", protocol_type="modbus")
    for name, port in (("one", "1"), ("two", "2")):
        api.assign(api.node(name=name)["id"], control["id"], port)
    api.node(name="elsewhere")
    nodes = api.get(f"/v1/power-controls/{control['id']}/nodes")["nodes"]
    assert [node["name"] for node in nodes] == ["one", "two"]
    assert nodes[0]["cloud_managers"] == nodes[0]["node_controls"]
    assert nodes[0]["cloud_managers"][0]["power_control_port"] == "1"
    assert [kind["id"] for kind in nodes[0]["node_class"]["node_types"]] == [1, 2, 3, 4, 5, 6, 7]
    assert "password" not in str(nodes)


def test_check_asks_the_device_with_what_is_stored(api):
    control = api.control(password="pass-word")
    answer = api.post(f"/v1/power-controls/{control['id']}/actions/check", None, 200)
    assert answer == {"states": {"1": "power_on", "2": "power_off", "3": None}}
    [(control_type, settings)] = api.power.asked[-1:]
    assert (control_type, settings.password) == ("SupermicroRackDevice", "pass-word")


@pytest.mark.parametrize(
    ("error", "status"), [(DeviceRefused("refused the login"), 502), (DeviceUnreachable("silent"), 504)]
)
def test_check_says_why_not(api, error, status):
    control = api.control()
    api.power.error = error
    answer = api.post(f"/v1/power-controls/{control['id']}/actions/check", None, status)
    assert answer["error"]["message"] == error.message
    api.post("/v1/power-controls/999/actions/check", None, 404)


def test_ports_that_have_names(api):
    made = api.control(control_type="SshDevice", protocol_type="ssh")
    path = f"/v1/power-controls/{made['id']}"
    assert (made["coils_count"], made["used_coils_count"], made["coil_map"]) == (0, 0, {})
    node = api.node(name="guest")
    api.power.states = {"web server": PowerState.ON}
    assigned = api.assign(node["id"], made["id"], "web server")
    assert assigned["is_initialized"]
    assert api.power.outlets == ("web server",)
    shown = api.get(path)["power_control"]
    assert (shown["coils_count"], shown["used_coils_count"]) == (1, 1)
    assert {port: coil["node_name"] for port, coil in shown["coil_map"].items()} == {"web server": "guest"}
    body = {"power_control_id": made["id"], "power_control_port": "no name"}
    wrong = api.post(f"/v1/nodes/{api.node()['id']}/power-controls/", body, 422)["error"]
    assert list(wrong["errors"]) == ["power_control_port"]
    assert "no port 'no name': its ports are numbers or names that it knows" in wrong["message"]
    api.post(f"{path}/actions/power-on", {"coil": "another"}, 202)
    api.post(f"{path}/actions/power-on", {"coil": "no name"}, 422)
    to_ipmi = {"control_type": "SupermicroRackDevice", "protocol_type": "ipmi"}
    assert "web server" in api.put(path, {"power_control": to_ipmi}, 409)["error"]["message"]


def test_the_number_of_named_ports_is_what_the_device_says(api):
    api.power.states = {"a": PowerState.ON, "b": PowerState.OFF}
    body = {"control_type": "SshDevice", "protocol_type": "ssh", "host": "h", "port_number": 22}
    made = api.post("/v1/power-controls/?verify=true", {"power_control": body})["power_control"]
    assert (made["coils_count"], made["coil_map"]) == (2, {})
    path = f"/v1/power-controls/{made['id']}"
    assert api.put(path, {"power_control": {**body, "host": "h2"}})["power_control"]["coils_count"] == 2
    api.power.states["c"] = PowerState.OFF
    verified = api.put(f"{path}?verify=true", {"power_control": {"host": "h3"}})["power_control"]
    assert verified["coils_count"] == 3

"""Assigning power controls to nodes."""

import pytest

from cloudmanager.errors import DeviceRefused, DeviceUnreachable
from cloudmanager.flows import start

pytestmark = pytest.mark.both_databases


@pytest.fixture
def board(api):
    """A board of eight ports."""
    return api.control(title="board", control_type="ET7067", protocol_type="modbus")["id"]


def defaults(api, node_id):
    controls = api.get(f"/v1/nodes/{node_id}/power-controls/")["power_controls"]
    return [control["power_control_id"] for control in controls if control["is_default"]]


def test_as_in_the_reference(api):
    node, control = api.node()["id"], api.control(title="test")["id"]
    assert api.assign(node, control, 1) == {
        "is_default": True,
        "is_initialized": True,
        "power_control_id": control,
        "control_type": "SupermicroRackDevice",
        "power_control_title": "test",
        "power_control_port": "1",
        "protocol_type": "ipmi",
    }
    path = f"/v1/nodes/{node}/power-controls/"
    assert api.get(path)["power_controls"] == [api.get(f"{path}{control}")["power_control"]]
    assert api.get(f"/v1/nodes/{node}")["node"]["node_controls"] == api.get(path)["power_controls"]


def test_exactly_one_default(api, board):
    node = api.node()["id"]
    others = [api.control()["id"] for _ in range(2)]
    assert api.assign(node, board, is_default=False)["is_default"] is True
    assert api.assign(node, others[0])["is_default"] is False
    assert api.assign(node, others[1], is_default=True)["is_default"] is True
    assert defaults(api, node) == [others[1]]
    path = f"/v1/nodes/{node}/power-controls/"
    api.put(f"{path}{board}", {"is_default": True})
    assert defaults(api, node) == [board]
    assert "exactly one" in api.put(f"{path}{board}", {"is_default": False}, 409)["error"]["message"]
    api.put(f"{path}{others[0]}", {"is_default": False})
    api.delete(f"{path}{board}")
    assert defaults(api, node) == [others[0]]
    api.delete(f"{path}{others[1]}")
    assert defaults(api, node) == [others[0]]
    api.delete(f"{path}{others[0]}")
    assert defaults(api, node) == []
    api.delete(f"{path}{others[0]}", 404)


def test_unassigning_another_leaves_the_default(api, board):
    node = api.node()["id"]
    others = [api.control()["id"] for _ in range(2)]
    for control in (board, *others):
        api.assign(node, control, is_default=control == others[1])
    api.delete(f"/v1/nodes/{node}/power-controls/{others[0]}")
    assert defaults(api, node) == [others[1]]


def test_a_taken_port_names_its_holder(api, board):
    first, second = api.node(name="first")["id"], api.node()["id"]
    api.assign(first, board, "3")
    path = f"/v1/nodes/{second}/power-controls/"
    body = {"power_control_id": board, "power_control_port": 3}
    assert "(first)" in api.post(path, body, 409)["error"]["message"]
    api.assign(second, board, "4")
    assert "(first)" in api.put(f"{path}{board}", {"power_control_port": "3"}, 409)["error"]["message"]
    assert api.put(f"{path}{board}", {"power_control_port": 4})["power_control"]["power_control_port"] == "4"


@pytest.mark.parametrize(
    "port", ["0", "9", 9, "01", "", "x", "-1", True, None, 1.5, [], "\0", 10**40, "x" * 300]
)
def test_a_port_must_exist(api, board, port):
    node = api.node()["id"]
    body = {"power_control_id": board, "power_control_port": port}
    error = api.post(f"/v1/nodes/{node}/power-controls/", body, 422)["error"]
    assert list(error["errors"]) == ["power_control_port"]


def test_a_control_is_assigned_once_to_a_node(api, board):
    node = api.node()["id"]
    api.assign(node, board, "1")
    body = {"power_control_id": board, "power_control_port": "2"}
    assert "PUT" in api.post(f"/v1/nodes/{node}/power-controls/", body, 409)["error"]["message"]


def test_unknown_controls_and_nodes(api, board):
    node = api.node()["id"]
    body = {"power_control_id": 77, "power_control_port": "1"}
    assert list(api.post(f"/v1/nodes/{node}/power-controls/", body, 422)["error"]["errors"]) == [
        "power_control_id"
    ]
    api.post("/v1/nodes/77/power-controls/", {**body, "power_control_id": board}, 404)
    for method in ("GET", "DELETE"):
        assert api.ask(method, f"/v1/nodes/{node}/power-controls/{board}").status_code == 404
    api.put(f"/v1/nodes/{node}/power-controls/{board}", {"is_default": True}, 404)


@pytest.mark.parametrize("error", [DeviceUnreachable("dead"), DeviceRefused("no")])
def test_a_dead_device_is_no_error(api, error):
    api.power.error = error
    node, control = api.node()["id"], api.control()["id"]
    assert api.assign(node, control)["is_initialized"] is False
    assert api.get(f"/v1/nodes/{node}")["node"]["power_state"] is None


def test_what_the_device_does_not_know_is_not_initialized(api, board):
    node = api.node()["id"]
    assert api.assign(node, board, "3")["is_initialized"] is False
    assert api.get(f"/v1/nodes/{node}")["node"]["power_state_checked_at"] is None


def test_the_state_read_is_the_state_of_the_node_only_on_its_default(api, board):
    node, other = api.node()["id"], api.control()["id"]
    api.assign(node, board, "2")
    shown = api.get(f"/v1/nodes/{node}")["node"]
    assert (shown["power_state"], shown["power_state_checked_at"][10]) == ("power_off", "T")
    api.assign(node, other, "1")
    assert api.get(f"/v1/nodes/{node}")["node"]["power_state"] == "power_off"


def test_a_moved_port_is_read_anew(api, board):
    node = api.node()["id"]
    api.assign(node, board, "2")
    path = f"/v1/nodes/{node}/power-controls/{board}"
    assert api.put(path, {"power_control_port": "1"})["power_control"]["is_initialized"] is True
    assert api.get(f"/v1/nodes/{node}")["node"]["power_state"] == "power_on"
    api.power.error = DeviceUnreachable("dead")
    assert api.put(path, {"power_control_port": "4"})["power_control"]["is_initialized"] is False


def test_the_probe_gets_the_opened_secrets(api):
    node, control = api.node()["id"], api.control(login="ADMIN", password="S3cret")["id"]
    api.assign(node, control)
    [(kind, settings)] = api.power.asked
    assert (kind, settings.host, settings.port, settings.login, settings.password) == (
        "SupermicroRackDevice",
        "10.35.17.33",
        623,
        "ADMIN",
        "S3cret",
    )
    assert settings.timeout == api.services.config.power.device_timeout


def test_a_port_in_use_by_a_task_is_not_taken_away(api, board):
    node = api.node()["id"]
    api.assign(node, board, "1")
    with api.database.transaction() as session:
        task = start(
            session,
            "reset",
            subject=f"node:{node}",
            params={"node_id": node},
            requested_by=None,
            request_id=None,
        )
    path = f"/v1/nodes/{node}/power-controls/{board}"
    assert api.put(path, {"power_control_port": "2"}, 409)["error"]["task_id"] == task
    assert api.delete(path, 409)["error"]["task_id"] == task


def test_only_admins_change_assignments(api, board):
    node = api.node()["id"]
    body = {"power_control_id": board, "power_control_port": "1"}
    api.post(f"/v1/nodes/{node}/power-controls/", body, 403, role="member")
    api.assign(node, board)
    api.get(f"/v1/nodes/{node}/power-controls/", role="reader")
    api.put(f"/v1/nodes/{node}/power-controls/{board}", {}, 403, role="member")
    api.delete(f"/v1/nodes/{node}/power-controls/{board}", 403, role="member")

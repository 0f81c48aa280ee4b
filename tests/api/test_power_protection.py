"""`[power] protect_running_servers`: no power is taken from under running servers, unless it is forced."""

from dataclasses import replace

import pytest

from cloudmanager.api.services import attach
from cloudmanager.config import load
from cloudmanager.errors import CloudUnreachable
from tests.api.test_power import count_flows, flow

TAKES_POWER = ("power-off", "reset")


@pytest.fixture
def protected(api, nova):
    """Node 1 is the host with servers `a` and `b`, 2 an empty one, 3 no host of Nova's at all."""
    api.services = replace(api.services, config=load(None, {("power", "protect_running_servers"): True}))
    attach(api.app, api.services)
    for name in ("R1N01", "r1n03", "storage"):
        api.powered_node(name=name)
    return api


@pytest.mark.parametrize("kind", TAKES_POWER)
def test_running_servers_are_named(protected, kind):
    for body in ({}, {"dry_run": True}):
        message = protected.post(f"/v1/nodes/1/actions/{kind}", body, 409)["error"]["message"]
        assert "vm-a (a), vm-b (b)" in message
        assert "force" in message
    assert count_flows(protected) == 0
    row = flow(protected, protected.ask("POST", f"/v1/nodes/1/actions/{kind}", {"force": True}))
    assert row.params == {"node_id": 1}


@pytest.mark.parametrize("kind", TAKES_POWER)
def test_many_nodes_are_refused_together(protected, kind):
    path = f"/v1/nodes/actions/{kind}?wait=0"
    message = protected.post(path, {"node_ids": [1, 2, 3]}, 409)["error"]["message"]
    assert "R1N01" in message
    assert "r1n03" not in message
    assert count_flows(protected) == 0
    protected.post(path, {"node_ids": [2, 3]}, 200)
    row = flow(protected, protected.ask("POST", path, {"node_ids": [1], "force": True}))
    assert row.params == {"node_ids": [1]}


def test_a_coil_with_the_node_on_it(protected):
    control = protected.get("/v1/nodes/1")["node"]["node_controls"][0]["power_control_id"]
    path = f"/v1/power-controls/{control}/actions/power-off"
    assert "vm-a" in protected.post(path, {"coil": 1}, 409)["error"]["message"]
    protected.post(path, {"coil": 1, "force": True}, 202)


@pytest.mark.parametrize("kind", TAKES_POWER)
def test_what_has_no_running_servers_is_switched(protected, nova, kind):
    for node in (2, 3):
        protected.post(f"/v1/nodes/{node}/actions/{kind}", status=202)
    for server_id, vm_state in (("a", "stopped"), ("b", "suspended")):
        nova.add_server(server_id, "r1n01", vm_state=vm_state)
    protected.post(f"/v1/nodes/1/actions/{kind}", status=202)


def test_a_server_in_error_may_run(protected, nova):
    nova.guests.clear()
    nova.add_server("c", "r1n01", vm_state="error")
    assert "vm-c" in protected.post("/v1/nodes/1/actions/power-off", status=409)["error"]["message"]


def test_the_hypervisor_id_counts_more_than_the_name(protected):
    protected.put("/v1/nodes/1", {"node": {"hypervisor_id": "hv-r1n03"}})
    protected.put("/v1/nodes/3", {"node": {"hypervisor_id": "hv-r1n01"}})
    protected.post("/v1/nodes/1/actions/reset", status=202)
    protected.post("/v1/nodes/3/actions/reset", status=409)


def test_a_silent_nova_is_no_permission(protected, nova, monkeypatch):
    async def silent(*_, **__):
        raise CloudUnreachable("Nova does not answer")

    monkeypatch.setattr(nova, "servers_on", silent)
    message = protected.post("/v1/nodes/1/actions/power-off", status=504)["error"]["message"]
    assert "not known" in message
    assert "force" in message
    protected.post("/v1/nodes/1/actions/power-off", {"force": True}, 202)


def test_switching_on_asks_nobody(protected, nova):
    before = nova.line.calls
    protected.post("/v1/nodes/1/actions/power-on", status=202)
    protected.post("/v1/nodes/actions/power-on?wait=0", {"node_ids": [2]}, 200)
    assert nova.line.calls == before
    protected.post("/v1/nodes/1/actions/power-on", {"force": True}, 422)


def test_by_default_nobody_is_asked(api, nova):
    before = nova.line.calls
    node = api.powered_node(name="r1n01")
    api.post(f"/v1/nodes/{node}/actions/power-off", status=202)
    assert nova.line.calls == before


def test_without_a_cloud_there_is_nothing_to_protect(api):
    api.services = replace(api.services, config=load(None, {("power", "protect_running_servers"): True}))
    attach(api.app, api.services)
    api.post(f"/v1/nodes/{api.powered_node()}/actions/power-off", status=202)

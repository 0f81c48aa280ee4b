"""Actions in the operating systems of the demo's nodes: over the API, a worker, and SSH to simulated systems."""

from __future__ import annotations

import pytest

from tests.e2e.tasks import ended, task_of

STORAGE = "storage1.demo.local"


@pytest.fixture(scope="module")
def node(demo):
    """A compute node that is on."""
    return demo.get("/v1/nodes?name=r1n01.demo.local").json()["nodes"][0]


def act(demo, node, action, body=None):
    """The task of an action, once it has ended."""
    return ended(demo, task_of(demo.post(f"/v1/nodes/{node['id']}/actions/{action}", body or {})))


def succeed(demo, node, action, body=None):
    task = act(demo, node, action, body)
    assert task["status"] == "SUCCESS", task
    return task


def test_a_service_is_switched(demo, node):
    assert succeed(demo, node, "enable-snmp")["result"] == {"active": "active", "enabled": "enabled"}
    assert succeed(demo, node, "disable-snmp")["result"] == {"active": "inactive", "enabled": "disabled"}


def test_our_way_in_stays_when_ssh_is_closed(demo, node):
    assert succeed(demo, node, "disable-ssh")["result"] == {"admitted": ["127.0.0.1"]}
    succeed(demo, node, "enable-ssh")


def test_targets_of_a_storage_are_attached_and_shown(demo, node):
    [storage] = demo.get(f"/v1/nodes?name={STORAGE}").json()["nodes"]
    found = demo.post(f"/v1/nodes/{node['id']}/actions/discovery-nas", {"storage_id": storage["id"]}).json()
    [(address, names)] = found["targets"].items()
    assert address == storage["ip_addresses"][1]
    assert names[0].startswith("volume-")
    succeed(demo, node, "attach-targets", {"targets": {address: names[:2]}})
    sessions = [f"iqn.2010-10.org.openstack:{name}" for name in names[:2]]
    assert demo.get(f"/v1/nodes/{node['id']}").json()["node"]["nas"] == {STORAGE: sessions}


def test_hardware_is_collected_and_shown(demo, node):
    succeed(demo, node, "collect-facts")
    shown = demo.get("/v1/nodes?with_hwinfo=true&name=r1n01.demo.local").json()["nodes"][0]
    assert shown["hwinfo"]["processors"]["sockets"] == 2
    assert len(shown["hwinfo"]["numa"]) == 2


def test_a_node_that_does_not_let_us_in_says_so(demo, node):
    demo.cli("lab", "fault", "os-r1n02", "reject_credentials=true")
    [other] = demo.get("/v1/nodes?name=r1n02.demo.local").json()["nodes"]
    try:
        task = act(demo, other, "enable-snmp")
    finally:
        demo.cli("lab", "heal", "os-r1n02")
    assert task["status"] == "FAILURE"
    assert "refused the credentials" in task["error"]
    assert "password" not in str(task).lower()


def test_a_node_that_is_off_does_not_answer(demo):
    off = demo.get("/v1/nodes?power_state=power_off&name=like:r1n%25").json()["nodes"][0]
    task = act(demo, off, "disable-snmp")
    assert task["status"] == "FAILURE"
    assert "gave up after 3 attempts" in task["error"]

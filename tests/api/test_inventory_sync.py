"""Nova's hypervisors in the inventory: what is created, what is kept, what is left to people."""

import pytest
from sqlalchemy import event, func, select

from cloudmanager.errors import CloudUnreachable
from cloudmanager.hypervisors import sync
from cloudmanager.hypervisors.difference import Snapshot
from cloudmanager.models import Event, Node
from cloudmanager.openstack.records import AllocationRatios, Hypervisor

SYNC = "/v1/nodes/actions/sync"


def counts(answer):
    return tuple(answer[kind] for kind in ("created", "updated", "vanished"))


def run(api, **body):
    return api.post(SYNC, body or None, 200)


def nodes(api):
    return {node["name"]: node for node in api.get("/v1/nodes/")["nodes"]}


def events(api):
    return [(each["kind"], each["subject"]) for each in api.get("/v1/events/?sort=id")["events"]]


def test_a_new_hypervisor_becomes_a_node(api, nova):
    nova.ratios["hv-r1n01"] = AllocationRatios(cpu=4.0, ram=1.5)
    answer = run(api)
    assert counts(answer) == (3, 0, 0)
    assert answer["changes"] == ["+ r1n01", "+ r1n02", "+ r1n03"]
    node = nodes(api)["r1n01"]
    assert node["node_class"]["name"] == "hypervisor"
    assert node["node_type"]["name"] == "QEMU"
    assert (node["image"]["name"], node["active"], node["condition"]) == ("default", True, 0)
    assert (node["hypervisor_id"], node["cpu_allocation_ratio"], node["ram_allocation_ratio"]) == (
        "hv-r1n01",
        4.0,
        1.5,
    )
    assert events(api) == [("hypervisor.found", f"node:{key}") for key in (1, 2, 3)]
    assert counts(run(api)) == (0, 0, 0)
    assert len(events(api)) == 3


def test_what_the_operator_wrote_stays(api, nova):
    written = {"name": "R1N01", "title": "t", "condition": 3, "owner": "o", "node_class_id": 2}
    before = api.node(ip_addresses=["192.0.2.9"], **written)
    assert counts(run(api)) == (2, 1, 0)
    assert nodes(api)["R1N01"] == {
        **{name: value for name, value in before.items() if name != "nas"},
        "hypervisor_id": "hv-r1n01",
    }


def test_gone_and_back(api, nova):
    run(api)
    gone = nova.hosts.pop("r1n02")
    assert counts(run(api)) == (0, 0, 1)
    assert nodes(api)["r1n02"]["active"] is False
    assert counts(run(api)) == (0, 0, 0)
    nova.hosts["r1n02"] = gone
    assert run(api)["changes"] == ["~ r1n02: active False -> True"]
    assert nodes(api)["r1n02"]["active"] is True
    assert [kind for kind, _ in events(api)[3:]] == ["hypervisor.vanished", "hypervisor.returned"]


def test_a_node_that_the_operator_made_inactive_stays_so(api, nova):
    run(api)
    key = nodes(api)["r1n02"]["id"]
    api.put(f"/v1/nodes/{key}", {"node": {"active": False}})
    assert counts(run(api)) == (0, 0, 0)
    assert nodes(api)["r1n02"]["active"] is False


def test_what_is_unclear_is_said_once(api, nova):
    api.node(name="r1n01", hypervisor_id="of another machine")
    api.node(name="r1n02", hypervisor_id="hv-r1n02")
    for created in (1, 0, 0):
        answer = run(api)
        assert counts(answer) == (created, 0, 0)
        assert "hypervisor_id of another machine" in answer["unclear"][0]
    assert events(api) == [("hypervisor.found", "node:3"), ("hypervisor.unclear", "hypervisor:hv-r1n01")]


def test_an_empty_answer_is_not_believed(api, nova):
    run(api)
    nova.hosts.clear()
    for _ in range(2):
        answer = run(api)
        assert counts(answer) == (0, 0, 0)
        assert "none of the 3" in answer["unclear"][0]
    assert all(node["active"] for node in nodes(api).values())
    assert events(api)[3:] == [("hypervisor.unclear", "cloud:nova")]


def test_a_dry_run_changes_nothing(api, nova):
    plan = run(api, dry_run=True)["plan"]
    assert counts(plan) == (3, 0, 0)
    assert plan["changes"] == ["+ r1n01", "+ r1n02", "+ r1n03"]
    assert nodes(api) == {}
    assert events(api) == []


def test_a_silent_cloud_changes_nothing(api, nova, monkeypatch):
    run(api)

    async def silent(**_):
        raise CloudUnreachable("Nova does not answer")

    monkeypatch.setattr(nova, "hypervisors", silent)
    api.post(SYNC, status=504)
    assert all(node["active"] for node in nodes(api).values())


def test_without_placement_the_ratios_stay(api, nova, monkeypatch):
    nova.ratios["hv-r1n01"] = AllocationRatios(cpu=4.0, ram=1.5)
    run(api)

    async def silent(_):
        raise CloudUnreachable("Placement does not answer")

    monkeypatch.setattr(nova, "allocation_ratios", silent)
    nova.hosts.pop("r1n03")
    assert counts(run(api)) == (0, 0, 1)
    assert nodes(api)["r1n01"]["cpu_allocation_ratio"] == 4.0


def test_who_may_sync(api, nova):
    for role in ("reader", "member"):
        api.post(SYNC, status=403, role=role)


def test_without_a_cloud(api):
    api.post(SYNC, status=501)


def test_wrong_bodies(api, nova):
    for body in ({"dry_run": "yes"}, {"force": True}):
        assert list(api.post(SYNC, body, 422)["error"]["errors"]) == list(body)


def site_of(count):
    return Snapshot(
        hypervisors=[
            Hypervisor(f"u{number}", f"n{number}", f"n{number}", "KVM", up=True, enabled=True, ip="192.0.2.1")
            for number in range(count)
        ],
        ratios={f"u{number}": AllocationRatios(cpu=4.0, ram=1.0) for number in range(count)},
    )


@pytest.mark.both_databases
def test_as_many_statements_for_many_as_for_few(database):
    statements = []
    event.listen(
        database.engine, "before_cursor_execute", lambda *args: statements.append(args[2].split()[0])
    )

    def of(count):
        statements.clear()
        found = sync.bring_in_line(database, site_of(count)).difference
        return len(found.changes), [each for each in statements if each != "BEGIN"]

    _, for_few = of(3)
    assert of(300) == (297, for_few)
    with database.transaction() as session:
        assert session.scalar(select(func.count()).where(Event.kind == "hypervisor.found")) == 300
        for node in session.scalars(select(Node)):
            node.hypervisor_id = node.cpu_allocation_ratio = None
    reading = ["SELECT"] * 3  # classes, events, nodes
    assert of(300) == (300, [*reading, "UPDATE"])
    assert of(300) == (0, reading)
    assert of(1) == (299, [*reading, "UPDATE", "INSERT"])
    assert of(300)[0] == 299


@pytest.mark.both_databases
def test_types_and_fields_of_what_is_created(database):
    sync.bring_in_line(database, site_of(1))
    with database.reading() as session:
        node = session.scalars(select(Node)).one()
    assert (node.name, node.ip_addresses, node.active) == ("n0", ["192.0.2.1"], True)
    assert (node.cpu_allocation_ratio, node.ram_allocation_ratio) == (4.0, 1.0)
    assert node.node_type_id is not None

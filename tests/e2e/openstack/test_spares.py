"""A spare stands in for a host that dies, by wire: it is chosen, switched on, put in its place, and returned."""

from __future__ import annotations

import pytest

from tests.e2e.product import wait_until

OPTIONS = {
    "node_tracker": {"loop_time": 0.5, "mutex": 2, "max_down_hosts": 1, "use_spares": True},
    "monitor": {"interval": 0.5, "longest_interval": 1, "refresh_interval": 0.5, "sync_interval": 1},
}
REASON = "kept in reserve"


@pytest.fixture
def spare(site, operator):
    """The last host: reserved, cordoned, without power."""
    if site.real:
        pytest.skip("leaves one host of a real cloud without power and cordoned")
    host = site.hosts[-1]
    wait_until(lambda: operator.node(host)["hypervisor_id"], within=20)
    answer = operator.product.post(
        f"/v1/nodes/{operator.node(host)['id']}/actions/reserve", {"is_reserved": True}
    )
    assert answer.status_code == 204, answer.text
    site.sdk.compute.disable_service(site.service(host), disabled_reason=REASON)
    site.press_power_off(host)
    yield host
    operator.product.post(f"/v1/nodes/{operator.node(host)['id']}/actions/reserve", {"is_reserved": False})


@pytest.fixture
def zone(site):
    """An availability zone of the first host alone."""
    compute = site.sdk.compute
    made = compute.create_aggregate(name="racks", availability_zone="east")
    compute.add_host_to_aggregate(made, site.hosts[0])
    yield made.id
    for host in compute.get_aggregate(made.id).hosts:
        compute.remove_host_from_aggregate(made.id, host)
    compute.delete_aggregate(made.id)


def members(site, zone):
    return set(site.sdk.compute.get_aggregate(zone).hosts)


def events(operator):
    rows = operator.product.get("/v1/events/?kind=like:spare.%").json()["events"]
    return [row["kind"] for row in rows]


def loans(operator):
    return operator.product.get("/v1/spare-loans/").json()["spare_loans"]


def test_a_spare_stands_in_and_is_returned(site, operator, spare, zone):
    lost = site.hosts[0]
    servers = site.boot(lost, 2)
    assert operator.plan(lost, "evacuate", use_spare=True)["spare"] is None  # it is up

    site.change(site.world.power_off, lost)
    wait_until(
        lambda: "spare.lent" in events(operator), within=60, why=lambda: (events(operator), loans(operator))
    )
    [loan] = loans(operator)
    assert (loan["host"], loan["lost_host"], loan["state"], loan["aggregates"]) == (
        spare,
        lost,
        "lent",
        [zone],
    )
    assert members(site, zone) == {lost, spare}
    assert site.is_on(spare)
    assert site.service(spare).status == "enabled"
    wait_until(lambda: lost not in site.hosts_of(servers).values(), within=60)
    availability = operator.product.get(f"/v1/hosts/{spare}/availability").json()["availability"]
    assert availability["lent_for"] == lost

    site.power_on(lost)
    wait_until(
        lambda: {"spare.kept", "spare.returned"} & set(events(operator)),
        within=60,
        why=lambda: loans(operator),
    )
    if loans(operator)[0]["ended_at"] is None:  # servers came to it: they are moved away when we ask for that
        operator.done(operator.ask(spare, "return-spare", drain=True))
    assert loans(operator)[0]["state"] == "returned"
    assert members(site, zone) == {lost}
    assert not site.is_on(spare)
    found = site.service(spare)
    assert (found.status, found.disabled_reason) == ("disabled", REASON)
    assert set(site.hosts_of(servers).values()) <= set(site.hosts) - {spare}
    assert site.model.compute.split_brains == []

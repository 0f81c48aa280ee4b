"""What webhooks are told of flows that end: in the transaction that ends them, or not at all."""

from __future__ import annotations

import pytest
from sqlalchemy import insert, select

from cloudmanager.flows import reports, store
from cloudmanager.models import Webhook, WebhookDelivery


@pytest.fixture
def told(cloud):
    """(kind, subject, data) of all that was queued; there is a webhook that wants everything."""
    with cloud.database.transaction() as session:
        values = {"url": "http://alarms.example.net/", "sealed_secret": "x", "kinds": ["*"]}
        session.execute(insert(Webhook).values(values))

    def told():
        query = select(WebhookDelivery.kind, WebhookDelivery.subject, WebhookDelivery.event)
        with cloud.database.reading() as session:
            rows = session.execute(query.order_by(WebhookDelivery.id)).all()
        return [(kind, subject, event["data"]) for kind, subject, event in rows]

    return told


async def run(cloud, kind, subject, **params):
    flow_id = cloud.start_flow(kind, subject, **params)
    await cloud.sweep_until_ended(flow_id)
    return flow_id


@pytest.mark.both_databases
async def test_an_evacuation_tells_of_its_fence_and_of_itself_but_not_of_its_servers(cloud, told):
    cloud.add_host("h1", on=False)
    cloud.add_host("h2")
    cloud.nova.add_server("s1", "h1")
    flow_id = await run(cloud, "evacuate-host", "host:h1", host="h1")
    flow = cloud.flow(flow_id)
    assert flow.status == "SUCCESS", flow.error
    kinds = [(kind, subject) for kind, subject, _ in told()]
    assert kinds == [
        ("fence.succeeded", "host:h1"),
        ("evacuation.succeeded", "host:h1"),
        ("task.succeeded", "host:h1"),
    ]
    assert told()[-1][2] == {
        "task_id": flow_id,
        "name": "evacuate-host",
        "status": "SUCCESS",
        "message": flow.message,
        "requested_by": "tester",
    }


async def test_a_fence_that_fails_is_told_with_its_reason(cloud, told):
    cloud.add_host("h1", on=False).dead = True
    cloud.add_host("h2")
    await run(cloud, "evacuate-host", "host:h1", host="h1")
    assert [kind for kind, *_ in told()] == ["fence.failed", "evacuation.failed", "task.failed"]
    assert all(data["message"] for *_, data in told())


async def test_draining_a_living_host_is_no_fence(cloud, told):
    cloud.add_host("h1")
    cloud.add_host("h2")
    await run(cloud, "shutdown-host", "host:h1", host="h1")
    assert [kind for kind, *_ in told()] == ["task.succeeded"]


async def test_what_fails_says_why(cloud, told):
    await run(cloud, "evacuate-host", "host:h9", host="h9")
    assert [kind for kind, *_ in told()] == ["evacuation.failed", "task.failed"]
    assert "h9" in told()[0][2]["message"]


async def test_the_end_of_a_flow_and_what_is_told_of_it_are_one(cloud, told, monkeypatch):
    cloud.add_host("h1")
    cloud.add_host("h2")
    real, calls = reports.report, []

    def broken(session, ended):
        real(session, ended)
        if ended and not calls:
            calls.append(ended)
            raise RuntimeError("the database is gone")

    monkeypatch.setattr(store, "report", broken)
    await run(cloud, "shutdown-host", "host:h1", host="h1")
    assert len(calls) == 1
    assert [kind for kind, *_ in told()] == ["task.succeeded"]

"""The end of an audit as others hear of it: a webhook's outbox, and the counter that alert rules look at."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from prometheus_client import REGISTRY
from sqlalchemy import insert, select

from cloudmanager.flows import cancel
from cloudmanager.models import Webhook, WebhookDelivery
from cloudmanager.webhooks.outbox import relay

from .test_audits import Balancer

RULES = Path(__file__).parents[2] / "deploy" / "prometheus" / "alerts.yaml"
WATCHED = ("AuditFailed", "AuditPlanStale")


@pytest.fixture
def balancer(cloud):
    """A balancer, with a webhook that hears of audits alone."""
    row = {"url": "https://alarms.example.net/", "sealed_secret": "", "kinds": ["audit.*"]}
    with cloud.database.transaction() as session:
        session.execute(insert(Webhook).values(row))
    return Balancer(cloud)


async def applied(balancer):
    audit_id = await balancer.execute()
    await balancer.apply(audit_id)
    return audit_id


async def failed(balancer):
    audit_id, task_id = balancer.begin()
    balancer.nova.host_aggregates = []
    await balancer.cloud.sweep_until_ended(task_id)
    return audit_id


async def stale(balancer):
    audit_id = await balancer.execute()
    balancer.nova._set("h3", enabled=False, reason="broken fan")
    await balancer.apply(audit_id)
    return audit_id


async def cancelled(balancer):
    audit_id, task_id = balancer.begin()
    with balancer.cloud.database.transaction() as session:
        cancel(session, task_id)
    await balancer.cloud.sweep_until_ended(task_id)
    return audit_id


def outbox(database):
    """What is queued for the webhook, in order."""
    while relay(database):
        pass
    with database.reading() as session:
        return list(session.scalars(select(WebhookDelivery.event).order_by(WebhookDelivery.id)))


def counted():
    """{alert: how many of the audits that it looks at}, by the selectors of its rule."""
    groups = yaml.safe_load(RULES.read_text())["groups"]
    rules = {rule["alert"]: rule["expr"] for group in groups for rule in group["rules"]}
    return {alert: sum(map(_matching, set(_selectors(rules[alert])))) for alert in WATCHED}


def _selectors(expression):
    return re.findall(r'(cloudmanager_\w+)\{(\w+)="(\w+)"\}', expression)


def _matching(selector):
    metric, label, value = selector
    samples = (sample for family in REGISTRY.collect() for sample in family.samples)
    return sum(each.value for each in samples if each.name == metric and each.labels.get(label) == value)


@pytest.mark.parametrize(
    ("happen", "kinds", "said", "alarms"),
    [
        pytest.param(Balancer.execute, ["done"], "4 moves in 2 waves, 32.0 GB", [], id="planned"),
        pytest.param(applied, ["done", "applied"], "4 of 4 moves made", [], id="applied"),
        pytest.param(failed, ["failed"], "Nova knows no aggregate 5", ["AuditFailed"], id="failed"),
        pytest.param(stale, ["done", "stale"], "h3 was up and is cordoned", ["AuditPlanStale"], id="stale"),
        pytest.param(cancelled, ["failed"], "cancelled: cancelled before", [], id="cancelled"),
    ],
)
async def test_webhooks_and_alert_rules_hear_of_an_audits_end(balancer, happen, kinds, said, alarms):
    before = counted()
    audit_id = await happen(balancer)
    told = outbox(balancer.cloud.database)
    assert [event["type"] for event in told] == [f"cloudmanager.audit.{kind}" for kind in kinds]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", told[-1]["time"])
    message = told[-1]["data"]["message"]
    assert message == f"audit {audit_id} of prod: {balancer.audit(audit_id).message}"
    assert said in message
    assert told[-1] == {
        "specversion": "1.0",
        "id": f"event-{len(told)}",
        "type": f"cloudmanager.audit.{kinds[-1]}",
        "subject": "aggregate:5",
        "time": told[-1]["time"],
        "datacontenttype": "application/json",
        "data": {"message": message},
    }
    after = counted()
    assert [alert for alert in WATCHED if after[alert] > before[alert]] == alarms

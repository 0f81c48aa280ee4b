"""Alert rules and the dashboard name only what is documented; the rules fire when they should, by promtool."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.peers.programs import program

ROOT = Path(__file__).parents[3]
RULES = ROOT / "deploy" / "prometheus" / "alerts.yaml"
DASHBOARD = json.loads((ROOT / "deploy" / "grafana" / "cloudmanager.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
ROWS = re.findall(
    r"^\| `(cloudmanager_\w+)` \| (.*?) \|", (ROOT / "docs" / "metrics.md").read_text(), re.MULTILINE
)
LABELS = {name: set(re.findall(r"`(\w+)`", labels)) for name, labels in ROWS}
SELECTOR = re.compile(r"(cloudmanager_\w+)(?:\{(.*?)\})?")
GROUPED = re.compile(r"by \((.*?)\) \(")


def alerts():
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


EXPRESSIONS = [pytest.param(rule["expr"], id=name) for name, rule in alerts().items()] + [
    pytest.param(target["expr"], id=panel["title"]) for panel in PANELS for target in panel["targets"]
]


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_all_that_is_asked_for_is_documented(expression):
    selectors = SELECTOR.findall(expression)
    assert selectors
    for name, matchers in selectors:
        metric = re.sub(r"_(bucket|sum|count)$", "", name)
        assert metric in LABELS, f"{name} is not in docs/metrics.md"
        assert set(re.findall(r"(\w+)[!=]", matchers)) <= LABELS[metric]
    known = set.union(
        {"le"},
        *(
            LABELS[re.sub(r"_bucket$", "", name)]
            for name, _ in selectors
            if name in LABELS or name.endswith("_bucket")
        ),
    )
    for group in GROUPED.findall(expression):
        assert set(group.split(", ")) <= known


def test_every_alert_says_what_it_means_and_what_to_do():
    for name, rule in alerts().items():
        assert rule["labels"]["severity"] in ("info", "warning", "critical"), name
        assert rule["annotations"].keys() == {"summary", "description"}, name


def test_panels_do_not_overlap_and_have_numbers_of_their_own():
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    taken = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert not cells & taken, panel["title"]
        taken |= cells


def firing(series, alert, at):
    """A test for promtool: whether the alert fires then, as `labels` of it or none."""
    return {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [
            {
                "expr": f'count(ALERTS{{alertname="{name}",alertstate="firing"}}) or vector(0)',
                "eval_time": at,
                "exp_samples": [{"labels": "{}", "value": int(name == alert)}],
            }
            for name in alerts()
        ],
    }


HEALTHY = {'cloudmanager_flows{status="SUCCESS"}': "1+0x60"}


def seen(metric, values, **more):
    return {**HEALTHY, metric: values, **more}


CASES = [
    pytest.param(HEALTHY, None, "30m", id="all is well"),
    pytest.param({}, "CloudManagerDown", "5m", id="nobody answers"),
    pytest.param(
        seen('cloudmanager_monitor_events_total{kind="host.down"}', "_x20 1+0x40"), "HostDown", "23m", id="a first host down"
    ),
    pytest.param(
        seen('cloudmanager_monitor_events_total{kind="host.down"}', "1+0x20 2+0x40"), "HostDown", "23m", id="another host down"
    ),
    pytest.param(
        seen('cloudmanager_monitor_events_total{kind="host.down"}', "1+0x20 2+0x40"), None, "50m", id="a host down long ago"
    ),
    pytest.param(
        seen('cloudmanager_monitor_events_total{kind="signature.violated"}', "_x20 1+0x40"), "ServerViolated", "23m", id="a server is violated"
    ),
    pytest.param(
        seen('cloudmanager_tracker_hosts{state="refused"}', "0x10 1x20"), "HostEvacuationRefused", "20m", id="a host is refused"
    ),
    pytest.param(
        seen('cloudmanager_tracker_refusals_total{gate="few_enough_are_down"}', "_x10 1+0x50"), "GuardRefused", "13m", id="a guard refuses"
    ),
    pytest.param(
        seen('cloudmanager_tracker_cycles_total{outcome="blind"}', "0+2x30"), "TrackerBlind", "20m", id="the cloud cannot be seen"
    ),
    pytest.param(
        seen(
            'cloudmanager_tracker_cycles_total{outcome="blind"}', "0+0x10 1+0x50",
            **{'cloudmanager_tracker_cycles_total{outcome="ok"}': "0+2x60"},
        ),
        None,
        "13m",
        id="the cloud could not be seen once",
    ),
    pytest.param(
        seen('cloudmanager_flows_ended_total{flow="evacuate-host",status="FAILURE"}', "_x10 1+0x50"), "EvacuationFailed", "12m",
        id="a first evacuation fails",
    ),
    pytest.param(
        seen('cloudmanager_monitor_events_total{kind="spare.none"}', "_x10 1+0x50"), "SpareMissing", "12m",
        id="no spare fits",
    ),
    pytest.param(
        seen('cloudmanager_flows_ended_total{flow="power-off",status="FAILURE"}', "1+0x20 2+0x40"), "PowerOffFailed", "23m",
        id="a fence fails",
    ),
    pytest.param(seen('cloudmanager_monitor_devices{answers="no"}', "2x60"), "PowerDevicesSilent", "20m", id="devices are silent"),
    pytest.param(
        seen('cloudmanager_monitor_events_total{kind="power.drift"}', "1+0x20 2+0x40"), "PowerDrift", "23m", id="power drifts"
    ),
    pytest.param(
        seen('cloudmanager_audits_ended_total{mode="balance",status="FAILED"}', "_x10 1+0x50"), "AuditFailed", "12m",
        id="a first audit fails",
    ),
    pytest.param(
        seen('cloudmanager_audits_ended_total{mode="balance",status="STALE"}', "1+0x20 2+0x40"), "AuditPlanStale", "23m",
        id="a plan is stale",
    ),
    pytest.param(
        seen('cloudmanager_audits_ended_total{mode="balance",status="CANCELLED"}', "_x10 1+0x50"), None, "12m",
        id="an audit is cancelled",
    ),
    pytest.param(seen("cloudmanager_webhook_outbox_age_seconds", "0+60x60"), "WebhooksNotDelivered", "30m", id="a webhook is dead"),
    pytest.param(
        seen('cloudmanager_webhook_deliveries_total{outcome="given_up"}', "_x10 3+0x50"), "WebhookDeliveriesGivenUp", "12m",
        id="deliveries are given up",
    ),
    pytest.param(seen('cloudmanager_requests_total{status="500"}', "0+30x60"), "ApiErrors", "30m", id="the API fails"),
    pytest.param(seen('cloudmanager_requests_total{status="504"}', "0+30x60"), None, "30m", id="devices are silent to the API"),
]  # fmt: skip


@pytest.mark.peer
@pytest.mark.parametrize(("series", "alert", "at"), CASES)
def test_rules_fire_when_they_should_and_only_then(series, alert, at, tmp_path):
    file = tmp_path / "test.yaml"
    file.write_text(yaml.safe_dump({"rule_files": [str(RULES)], "tests": [firing(series, alert, at)]}))
    command = [program("promtool"), "test", "rules", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr

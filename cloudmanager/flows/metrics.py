"""Metrics of flows."""

from prometheus_client import Counter

STEP_OUTCOMES = Counter(
    "cloudmanager_flow_step_outcomes_total", "Outcomes of steps of flows.", ["flow", "outcome"]
)
ENDED = Counter("cloudmanager_flows_ended_total", "Flows that have ended, by how.", ["flow", "status"])

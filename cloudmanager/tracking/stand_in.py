"""Which spare an evacuation by the tracker would ask for, told with the verdict. Pure functions."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cloudmanager.flows.hosts.spare_choice import Choice
    from cloudmanager.tracking.decision import Verdict


def asks_for_spare(verdict: Verdict, *, use_spares: bool, lent: str | None) -> bool:
    """Whether a spare would be asked for: none stands in yet, and nothing stands against an evacuation."""
    return use_spares and lent is None and verdict.may_be_evacuated


def with_spare(verdict: Verdict, choice: Choice) -> Verdict:
    """The verdict; what happens next also says which spare would be asked, or that none fits and why."""
    if not choice.fitting:
        return replace(verdict, next=f"{verdict.next}; no spare would stand in: {choice.why_none()}")
    best = choice.fitting[0]
    asked = f"spare {best.host} (node {best.node_id}) would be asked to stand in"
    return replace(verdict, next=f"{verdict.next}; {asked}")

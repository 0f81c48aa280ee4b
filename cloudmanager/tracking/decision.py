"""What is to be done with each host: the gates in order, and whose turn it is. Pure functions."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cloudmanager.tracking.gates import (
    GATES,
    Answer,
    Hold,
    Pass,
    Refuse,
    held_by_no_task,
    not_decided_before,
    not_reserved,
    not_switched_off_by_us,
    seen_down_often,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudmanager.tracking.snapshot import HostFacts, Snapshot


class State(enum.StrEnum):
    """How a host stands."""

    UP = "up"
    UNKNOWN = "unknown"
    COUNTING = "counting"
    EXPLAINED = "explained"
    WAITING = "waiting"
    REFUSED = "refused"
    DEAD = "dead"


_EXPLAINING = (not_switched_off_by_us, held_by_no_task, not_decided_before, not_reserved)


@dataclass(frozen=True)
class Passage:
    """A gate and what it answered."""

    gate: str
    answer: Answer

    def told(self) -> dict[str, str]:
        """The same in values that JSON can hold."""
        outcome = {Pass: "passed", Hold: "waiting", Refuse: "refused"}[type(self.answer)]
        return {"gate": self.gate, "outcome": outcome, "reason": self.answer.reason}


@dataclass(frozen=True)
class Verdict:
    """How a host stands and what happens next. `vouched`: it counts as fenced by its storages."""

    host: str
    state: State
    passages: tuple[Passage, ...]
    next: str
    vouched: bool = False
    alarm: str | None = None
    alarm_gate: str | None = None

    @property
    def shut(self) -> str | None:
        """The first gate that is not passed."""
        return next((each.gate for each in self.passages if not isinstance(each.answer, Pass)), None)

    @property
    def may_be_evacuated(self) -> bool:
        """Whether it is down, and every gate is open or only waits."""
        down = self.state not in (State.UP, State.UNKNOWN)
        return down and not any(isinstance(each.answer, Refuse) for each in self.passages)

    def told(self) -> dict[str, Any]:
        """The same in values that JSON can hold."""
        return {
            "state": self.state.value,
            "gates": [passage.told() for passage in self.passages],
            "next": self.next,
            "alarm": self.alarm,
        }


def decide(seen: Snapshot) -> Mapping[str, Verdict]:
    """A verdict on each host. At most `fences_per_cycle` are dead, those that are down longest first."""
    verdicts = {name: judge(host, seen) for name, host in seen.hosts.items()}
    dead = [name for name, verdict in verdicts.items() if verdict.state is State.DEAD]
    dead.sort(key=lambda name: (seen.hosts[name].down_since or 0.0, name))
    for name in dead[seen.limits.fences_per_cycle :]:
        verdicts[name] = _after_the_others(verdicts[name], seen.limits.fences_per_cycle)
    return verdicts


def judge(host: HostFacts, seen: Snapshot) -> Verdict:
    """All gates, also those behind one that is shut; the first that is shut says what happens next."""
    if host.up is not False:
        passage = Passage(GATES[0].__name__, GATES[0](host, seen))
        state = State.UP if host.up else State.UNKNOWN
        return Verdict(host.name, state, (passage,), f"nothing: {passage.answer.reason}")
    passages = tuple(Passage(gate.__name__, gate(host, seen)) for gate in GATES)
    shut = next((passage for passage in passages if not isinstance(passage.answer, Pass)), None)
    if shut is None:
        vouched = any(isinstance(p.answer, Pass) and p.answer.vouched for p in passages)
        how = "it counts as fenced by its silence" if vouched else "it is fenced"
        return Verdict(host.name, State.DEAD, passages, f"{how}, then evacuated", vouched)
    if isinstance(shut.answer, Hold):
        state = State.COUNTING if shut.gate == seen_down_often.__name__ else State.WAITING
        return Verdict(host.name, state, passages, f"looked at again: {shut.answer.reason}")
    if isinstance(shut.answer, Refuse) and shut.answer.quiet:
        return Verdict(host.name, State.EXPLAINED, passages, f"nothing: {shut.answer.reason}")
    reason = shut.answer.reason
    return Verdict(host.name, State.REFUSED, passages, f"nothing: {reason}", False, reason, shut.gate)


def is_explained(host: HostFacts, seen: Snapshot) -> bool:
    """Whether something explains that the host is down: such looks do not count."""
    return any(not isinstance(gate(host, seen), Pass) for gate in _EXPLAINING)


def _after_the_others(verdict: Verdict, limit: int) -> Verdict:
    reason = f"{limit} hosts are fenced in a cycle, and others are down for longer"
    passage = Passage("its_turn", Hold(reason))
    return Verdict(verdict.host, State.WAITING, (*verdict.passages, passage), f"looked at again: {reason}")

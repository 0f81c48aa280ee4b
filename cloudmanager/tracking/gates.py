"""The gates between a host that looks dead and its evacuation: each a small pure function with a name.

A gate answers `Pass`, `Hold` (not yet: it is looked at again) or `Refuse`. A refusal that is `quiet` explains
why nothing needs to be done; every other is an alarm. What is not known never counts as down.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloudmanager.availability.evidence import Sign
from cloudmanager.tracking.snapshot import Came, HostFacts, Others, Power, Snapshot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloudmanager.availability.evidence import Evidence


@dataclass(frozen=True)
class Pass:
    """Nothing against it here. `vouched`: the host counts as fenced without its power device."""

    reason: str
    vouched: bool = False


@dataclass(frozen=True)
class Hold:
    """Not yet."""

    reason: str


@dataclass(frozen=True)
class Refuse:
    """No."""

    reason: str
    quiet: bool = False


Answer = Pass | Hold | Refuse
Gate = Callable[[HostFacts, Snapshot], Answer]

# --- is it down, and has nobody put it down? ---------------------------------------------------------------


def nova_says_down(host: HostFacts, _seen: Snapshot) -> Answer:
    """Nova counts its service as down; what is not known does not count."""
    if host.up is None:
        return Refuse("Nova does not say whether it is up", quiet=True)
    if host.up:
        return Refuse("it is up", quiet=True)
    return Pass("Nova counts its service as down")


def seen_down_often(host: HostFacts, seen: Snapshot) -> Answer:
    """It was seen so `mutex` times in a row, while nothing explained it."""
    times = f"{host.down_count} of {seen.limits.mutex} times in a row"
    if host.down_count < seen.limits.mutex:
        return Hold(f"seen down {times}")
    return Pass(f"seen down {times}")


def not_switched_off_by_us(host: HostFacts, _seen: Snapshot) -> Answer:
    """No power action of ours explains that it is down."""
    if host.own_power:
        return Refuse(f"it is down because of {host.own_power}", quiet=True)
    return Pass("no power action of ours explains it")


def held_by_no_task(host: HostFacts, _seen: Snapshot) -> Answer:
    """No open task has the host or its node, or has cordoned it for its own ends."""
    if host.held_by:
        return Refuse(f"task {host.held_by} has it", quiet=True)
    return Pass("no task has it")


def not_decided_before(host: HostFacts, _seen: Snapshot) -> Answer:
    """It was not evacuated for this outage, and is not being evacuated."""
    decision = host.decision
    if decision is not None and decision.came is Came.FAILED:
        return Pass(f"task {decision.task_id} could not evacuate it")
    if decision is not None:
        return Refuse(f"task {decision.task_id} has been started for it", quiet=True)
    if host.returning:
        return Refuse(f"it was evacuated; task {host.returning} waits for its return", quiet=True)
    return Pass("not evacuated yet")


def not_reserved(host: HostFacts, _seen: Snapshot) -> Answer:
    """It is no spare: those have nothing to lose."""
    return Refuse("it is reserved", quiet=True) if host.reserved else Pass("it is not reserved")


def not_declared_down(host: HostFacts, _seen: Snapshot) -> Answer:
    """Nobody else has declared it down: who did may be at work on it."""
    if host.forced_down and host.decision is None:
        return Refuse("it was declared down in Nova, but not by us; evacuate it by the API, or release it")
    return Pass("nobody else has declared it down")


def not_cordoned_by_others(host: HostFacts, seen: Snapshot) -> Answer:
    """Nobody else has taken it out of service: who did may be at work on it."""
    if host.cordoned is None or seen.limits.evacuate_cordoned:
        return Pass("no cordon of somebody else forbids it")
    return Refuse(
        f"somebody has cordoned it ({host.cordoned}) and may be at work on it: evacuate it by the API, or "
        "uncordon it"
    )


# --- how far may it go? ------------------------------------------------------------------------------------


def few_are_down(_host: HostFacts, seen: Snapshot) -> Answer:
    """Not more hosts are down than `max_down_hosts`; else nobody is touched. 0: never."""
    limit = seen.limits.max_down_hosts
    if limit == 0:
        return Refuse("hosts are not evacuated automatically: [node_tracker] max_down_hosts is 0", quiet=True)
    down = seen.unexplained
    if len(down) > limit:
        return Refuse(f"{len(down)} hosts are down, more than max_down_hosts ({limit}): nobody is touched")
    return Pass(f"{len(down)} hosts are down, not more than {limit}")


def few_of_its_aggregate_are_down(host: HostFacts, seen: Snapshot) -> Answer:
    """Not more hosts of any of its aggregates are down than `aggregate_limit`; 0: as many as in all."""
    limit = seen.limits.aggregate_limit
    if limit == 0:
        return Pass("no limit for aggregates")
    down = seen.unexplained
    for aggregate in sorted(host.aggregates):
        count = sum(aggregate in each.aggregates for each in down)
        if count > limit:
            name = seen.aggregate_names.get(aggregate, str(aggregate))
            return Refuse(f"{count} hosts of aggregate {name} are down, more than {limit}")
    return Pass(f"not more than {limit} hosts of its aggregates are down")


def not_cut_off(_host: HostFacts, seen: Snapshot) -> Answer:
    """It is not us: the cloud and most of the other power devices can be reached from here."""
    if seen.blind:
        return Refuse(f"we cannot see the cloud: {seen.blind}")
    devices = seen.devices
    if devices.exceeds(seen.limits.partition_share):
        return Refuse(f"{devices.silent} of {devices.of} other power devices are silent: it may be us")
    return Pass(f"{devices.of - devices.silent} of {devices.of} other power devices answer")


def storages_stand(host: HostFacts, seen: Snapshot) -> Answer:
    """Hosts that are up write to its storages since it fell silent there: else the storage is what failed."""
    share = seen.limits.storage_cliff
    for evidence in host.storages:
        others = seen.heartbeats.get(evidence.storage_id, Others())
        if others.silent_exceed(share):
            return Refuse(
                f"{others.silent} of {others.of} hosts that are up are silent on storage {evidence.storage}: "
                "the storage has failed, not the host"
            )
    for evidence in host.storages:
        others = seen.heartbeats.get(evidence.storage_id, Others())
        since = _silent_since(host, evidence, seen)
        if since is not None and others.unheard_exceed(share, since=since):
            return Hold(
                f"{others.heard(since)} of {others.of} hosts that are up have written to storage "
                f"{evidence.storage} long enough after it fell silent: it may be the storage that has failed"
            )
    return Pass("hosts that are up are heard on its storages" if host.storages else "it has no storage")


def _silent_since(host: HostFacts, evidence: Evidence, seen: Snapshot) -> float | None:
    """What others must have outlived for the silence to be the host's own; None: it is not silent."""
    if evidence.sign in (Sign.FRESH, Sign.DOUBTFUL):
        return None
    last = evidence.written_at if evidence.sign is Sign.STALE else host.down_since
    return (seen.now if last is None else last) + seen.limits.outlived_by


def permitted(host: HostFacts, _seen: Snapshot) -> Answer:
    """The configuration does not forbid it."""
    return Refuse(host.forbidden) if host.forbidden else Pass("nothing in [host_tasks] forbids it")


# --- is it dead, and can that be made sure of? -------------------------------------------------------------


def no_sign_of_life(host: HostFacts, seen: Snapshot) -> Answer:
    """Its availability storages do not show that it lives."""
    limits = seen.limits
    if not (limits.check_enabled or limits.storage_fencing):
        return Pass("not looked for: [extra_availability_check] enabled is False")
    if not host.has_storages:
        return Pass("it has no availability storage")
    return _weighed(host, seen)


def _weighed(host: HostFacts, seen: Snapshot) -> Answer:
    signs = {evidence.sign for evidence in host.storages}
    for evidence in host.storages:
        if evidence.sign is Sign.DOUBTFUL:
            return Refuse(f"storage {evidence.storage} leaves in doubt whether it lives: {evidence.why}")
    if Sign.FRESH in signs:
        return _alive(host, seen)
    if Sign.STALE in signs:
        return Pass("it is silent on its storages")
    attempts = seen.limits.check_attempts
    if host.checks < attempts:
        return Hold(f"none of its storages could be read, {host.checks} of {attempts} times")
    return Pass(f"none of its storages could be read, {host.checks} times: that counts as down")


def _alive(host: HostFacts, seen: Snapshot) -> Answer:
    fresh = [evidence for evidence in host.storages if evidence.sign is Sign.FRESH]
    running = frozenset[str]().union(*(evidence.running or () for evidence in fresh))
    names = ", ".join(evidence.storage for evidence in fresh)
    if host.power is Power.OFF:
        return Refuse(f"its power device says off, but it writes to storage {names}: one of them lies")
    if host.expected is None or all(evidence.running is None for evidence in fresh):
        return Refuse(f"it writes to storage {names}, and which servers run there is not known")
    found = len(running & host.expected)
    if found * 100 >= seen.limits.instance_rate * len(host.expected):
        return Refuse(
            f"it is alive: it writes to storage {names}, and {found} of {len(host.expected)} servers run; "
            "only its control connection is lost"
        )
    return Pass(f"it writes to storage {names}, but only {found} of {len(host.expected)} servers run")


def can_be_fenced(host: HostFacts, seen: Snapshot) -> Answer:
    """Its power can be cut and confirmed; or its storages prove its silence, where that may count."""
    if silent := _silent_for(host, seen):
        return silent
    if host.node_id is None:
        return Refuse("it has no node in the inventory: its power cannot be cut")
    if not host.has_control:
        return Refuse(f"node {host.node_id} has no power control: its power cannot be cut")
    return Pass(f"node {host.node_id} has a power control, which said last: {host.power}")


def _silent_for(host: HostFacts, seen: Snapshot) -> Answer | None:
    """With `storage_fencing`, silence of its device and on every storage counts as fenced in the end."""
    if not seen.limits.storage_fencing or host.power is not Power.UNKNOWN or not host.storages:
        return None
    if any(evidence.sign is not Sign.STALE or evidence.age is None for evidence in host.storages):
        return None
    if not all(_others_are_heard(host, evidence, seen) for evidence in host.storages):
        return None
    silent = min(evidence.age or 0.0 for evidence in host.storages)
    needed = seen.limits.storage_silence
    if silent < needed:
        return Hold(f"its power device is silent, its storages for {silent:.0f} of {needed:g} s")
    return Pass(f"its power device is silent, and every storage for {silent:.0f} s", vouched=True)


def _others_are_heard(host: HostFacts, evidence: Evidence, seen: Snapshot) -> bool:
    """Whether anybody shows that the storage works, and that our clock has not jumped."""
    since = _silent_since(host, evidence, seen)
    return since is not None and seen.heartbeats.get(evidence.storage_id, Others()).heard(since) > 0


def not_tried_lately(host: HostFacts, seen: Snapshot) -> Answer:
    """What failed is tried again after a while; if it lacked a fence, once silence counts as one."""
    decision = host.decision
    if decision is None or decision.came is not Came.FAILED:
        return Pass("no task has failed to evacuate it")
    left = decision.made_at + seen.limits.retry_interval - seen.now
    if not 0 < left <= seen.limits.retry_interval:
        return Pass(f"task {decision.task_id} could not evacuate it, and it is time to try again")
    silent = _silent_for(host, seen)
    if decision.unfenced and isinstance(silent, Pass):
        return Pass(f"task {decision.task_id} could not cut its power, but now {silent.reason}")
    return Hold(f"task {decision.task_id} could not evacuate it; tried again in {left:.0f} s")


GATES: Sequence[Gate] = (
    nova_says_down,
    not_switched_off_by_us,
    held_by_no_task,
    not_decided_before,
    not_reserved,
    not_declared_down,
    not_cordoned_by_others,
    seen_down_often,
    few_are_down,
    few_of_its_aggregate_are_down,
    not_cut_off,
    permitted,
    storages_stand,
    no_sign_of_life,
    can_be_fenced,
    not_tried_lately,
)
"""In the order in which they are passed."""

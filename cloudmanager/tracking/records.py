"""What our own database knows of hosts, read at once: a handful of queries, however many hosts there are."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import or_, select

from cloudmanager.availability.assigned import storages_of
from cloudmanager.flows.hosts.loans import lent_nodes
from cloudmanager.models import (
    FlowRow,
    Node,
    NodeControl,
    PowerAction,
    Status,
    TrackedHost,
)
from cloudmanager.tracking.snapshot import Came, Decision, Power

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy.orm import Session

    from cloudmanager.availability.heartbeats import Storage
    from cloudmanager.openstack.records import Hypervisor

_POWER = {"power_on": Power.ON, "power_off": Power.OFF}
_CLOCKS_APART = 5.0
"""Seconds by which Nova's clock and ours may differ without a report counting as later than it was."""

_STARTING = frozenset({"power_on", "reset"})
_FENCE = "power-off"


class Machine(NamedTuple):
    """A node as decisions need it; `power` is unknown when it was last looked at too long ago.

    A spare is not `reserved` while it stands in for a host: it has servers to lose.
    """

    id: int
    reserved: bool
    power: Power
    controls: frozenset[int]


@dataclass
class Records:
    """All of it, by the host's name or the node's id."""

    nodes: dict[str, Machine] = field(default_factory=dict)
    rows: dict[str, TrackedHost] = field(default_factory=dict)
    holders: dict[str, str] = field(default_factory=dict)
    """{subject: the open task that holds it}"""
    own_power: dict[int, str] = field(default_factory=dict)
    storages: dict[int, tuple[Storage, ...]] = field(default_factory=dict)
    decisions: dict[str, Came] = field(default_factory=dict)
    unfenced: set[str] = field(default_factory=set)
    """Those decisions that failed since the power could not be cut"""
    outlived: set[str] = field(default_factory=set)
    """Hosts that have reported since they were evacuated: that they are down is another outage"""
    devices: dict[int, bool] = field(default_factory=dict)
    """{power control: whether it answers}, of those that have answered once"""

    def decision(self, row: TrackedHost | None) -> Decision | None:
        """What was decided for the present outage of a host."""
        if row is None or row.decision_id is None or row.host in self.outlived:
            return None
        came = self.decisions.get(row.decision_id, Came.SUCCEEDED)
        unfenced = row.decision_id in self.unfenced
        return Decision(row.decision_id, row.decided_at or 0.0, came, unfenced)


@dataclass(frozen=True)
class Ages:
    """Now, for how many seconds a look at power counts, and how many a node may take to boot."""

    now: float
    power: float
    boot: float


def read(
    session: Session, down: Mapping[str, float | None], hypervisors: Iterable[Hypervisor], ages: Ages
) -> Records:
    """What is known of all hosts, and of those that are `down` whatever can explain that.

    `down` says when each reported last, by Nova's clock.
    """
    found = Records()
    found.rows = {row.host: row for row in session.scalars(select(TrackedHost))}
    controls = _controls(session, found, ages)
    _nodes(session, found, hypervisors, controls, ages)
    nodes_down = {found.nodes[host].id: heard for host, heard in down.items() if host in found.nodes}
    held = select(FlowRow.subject, FlowRow.id).where(
        FlowRow.ended_at.is_(None),
        or_(
            FlowRow.subject.startswith("host:"),
            FlowRow.subject.startswith("return:"),
            FlowRow.subject.startswith("node:"),
        ),
    )
    found.holders = {subject: flow_id for subject, flow_id in session.execute(held) if subject}
    _decisions(session, found, down)
    if nodes_down:
        _own_power(session, found, nodes_down, ages)
    found.storages = storages_of(session)
    return found


def _controls(session: Session, found: Records, ages: Ages) -> Mapping[int, set[int]]:
    """{node: its controls}; also which devices answer."""
    query = select(
        NodeControl.node_id,
        NodeControl.power_control_id,
        NodeControl.is_initialized,
        NodeControl.power_state,
        NodeControl.power_state_checked_at,
    )
    controls: defaultdict[int, set[int]] = defaultdict(set)
    for node_id, control_id, initialized, state, checked_at in session.execute(query):
        controls[node_id].add(control_id)
        if initialized:
            answers = state is not None and _young(checked_at, ages)
            found.devices[control_id] = found.devices.get(control_id, False) or answers
    return controls


def _nodes(
    session: Session,
    found: Records,
    hypervisors: Iterable[Hypervisor],
    controls: Mapping[int, set[int]],
    ages: Ages,
) -> None:
    """A host's node has its hypervisor's id or its name. One whose host is a guess is nobody's."""
    host_of = {hypervisor.id: hypervisor.host for hypervisor in hypervisors}
    query = select(
        Node.id,
        Node.name,
        Node.hypervisor_id,
        Node.is_reserved,
        Node.power_state,
        Node.power_state_checked_at,
    )
    several = set()
    lent = lent_nodes(session)
    for node_id, name, hypervisor_id, reserved, state, checked_at in session.execute(query):
        host = host_of.get(hypervisor_id or "", name or "")
        power = _POWER.get(state or "", Power.UNKNOWN) if _young(checked_at, ages) else Power.UNKNOWN
        machine = Machine(
            node_id, reserved and node_id not in lent, power, frozenset(controls.get(node_id, ()))
        )
        if host in found.nodes:
            several.add(host)
        found.nodes[host] = machine
    for host in several:
        del found.nodes[host]


def _young(checked_at: datetime | None, ages: Ages) -> bool:
    return checked_at is not None and ages.now - seconds(checked_at) <= ages.power


def seconds(moment: datetime) -> float:
    """A time as seconds since the epoch; without zone it is UTC, as times are stored."""
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _decisions(session: Session, found: Records, down: Mapping[str, float | None]) -> None:
    host_of = {row.decision_id: row.host for row in found.rows.values() if row.decision_id}
    query = select(FlowRow.id, FlowRow.status, FlowRow.ended_at).where(FlowRow.id.in_(host_of))
    rows = session.execute(query).all()
    for flow_id, status, ended_at in rows:
        if ended_at is None:
            found.decisions[flow_id] = Came.OPEN
            continue
        found.decisions[flow_id] = came = Came.SUCCEEDED if status == Status.SUCCESS else Came.FAILED
        heard = down.get(host_of[flow_id])
        if came is Came.SUCCEEDED and heard is not None and heard > seconds(ended_at) + _CLOCKS_APART:
            found.outlived.add(host_of[flow_id])
    _failed_fences(session, found, [flow_id for flow_id, status, _ in rows if status == Status.FAILURE])


def _failed_fences(session: Session, found: Records, failed: Sequence[str]) -> None:
    """Which of these failed by the flow below them that cuts the power; who is vouched for has none."""
    if failed:
        fences = select(FlowRow.parent_id).where(FlowRow.parent_id.in_(failed), FlowRow.kind == _FENCE)
        found.unfenced.update(session.scalars(fences.where(FlowRow.status == Status.FAILURE)))


def _own_power(session: Session, found: Records, nodes: Mapping[int, float | None], ages: Ages) -> None:
    """By which of our power actions a node is down, apart from the fences of our own decisions.

    An action explains nothing any more once the host has reported after it.
    """
    fenced = select(FlowRow.id).where(FlowRow.parent_id.in_(found.decisions))
    query = (
        select(PowerAction.node_id, PowerAction.action, PowerAction.start_time, PowerAction.end_time)
        .where(
            PowerAction.node_id.in_(nodes),
            or_(PowerAction.task_id.is_(None), PowerAction.task_id.not_in(fenced)),
            or_(PowerAction.result.is_(None), PowerAction.result == Status.SUCCESS),
        )
        .order_by(PowerAction.id)
    )
    powers = {machine.id: machine.power for machine in found.nodes.values()}
    for node_id, action, started_at, ended_at in session.execute(query):
        found.own_power.pop(node_id, None)
        heard = nodes[node_id]
        if heard is not None and heard > seconds(ended_at or started_at) + _CLOCKS_APART:
            continue
        booting = action in _STARTING and 0 <= ages.now - seconds(started_at) <= ages.boot
        off = action == "power_off" and powers[node_id] is not Power.ON
        if booting or off:
            found.own_power[node_id] = f"our {action.replace('_', '-')} at {started_at.isoformat()}"

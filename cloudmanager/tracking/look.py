"""One look at the hosts: the cloud, our database, and the storages of those few that may be dead."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cloudmanager.availability.evidence import Freshness, Sign
from cloudmanager.errors import CloudError, NotFound
from cloudmanager.flows.hosts.cordon import is_by_somebody
from cloudmanager.flows.hosts.evacuation import why_forbidden
from cloudmanager.tracking import records
from cloudmanager.tracking.decision import Verdict, decide, is_explained
from cloudmanager.tracking.gates import can_be_fenced, no_sign_of_life, not_tried_lately, storages_stand
from cloudmanager.tracking.options import limits_of
from cloudmanager.tracking.snapshot import HostFacts, Others, Power, Silence, Snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from cloudmanager.availability.evidence import Evidence
    from cloudmanager.availability.heartbeats import Storage, Storages
    from cloudmanager.config import Config
    from cloudmanager.db import Database
    from cloudmanager.openstack.port import CloudPort
    from cloudmanager.openstack.records import Aggregate, Hypervisor, Service
    from cloudmanager.tracking.records import Machine, Records

_BY_EVIDENCE = frozenset(
    {
        storages_stand.__name__,
        no_sign_of_life.__name__,
        can_be_fenced.__name__,
        not_tried_lately.__name__,
        "its_turn",
        None,
    }
)
"""Gates for which storages are read: only those hosts that came so far."""

_COMPARED = 50
"""Hosts that are up with which each storage is tried."""

_HYPERVISORS_AGE = 300.0
_LOOKS_MISSED = 3


@dataclass(frozen=True)
class Seen:
    """A look: the picture, the verdicts, the records that it was made of; seconds until the next."""

    snapshot: Snapshot
    verdicts: Mapping[str, Verdict]
    records: Records
    loop_time: float


class Lookout:
    """Looks at hosts. `counts`: this look is one of those in a row that `mutex` asks for."""

    def __init__(
        self,
        config: Config,
        database: Database,
        cloud: CloudPort,
        storages: Storages,
        clock: Callable[[], float],
    ) -> None:
        self._config = config
        self._database = database
        self._cloud = cloud
        self._storages = storages
        self._clock = clock

    async def look(self, *, counts: bool, closely: Collection[str] = ()) -> Seen:
        """Look at all hosts; the storages of those in `closely` are read in any case.

        Raises the `CloudError`s when the cloud cannot be seen.
        """
        services = await self._cloud.services()
        hypervisors = await self._cloud.hypervisors(max_age=_HYPERVISORS_AGE)
        aggregates = await self._cloud.aggregates()
        now = self._clock()
        down = {service.host: _heard(service) for service in services if not service.up}
        found = await asyncio.to_thread(self._read, down, hypervisors, now)
        snapshot = self._picture(services, aggregates, found, now)
        if counts:
            snapshot = _counted(snapshot, found, self._config.node_tracker.loop_time)
        verdicts = decide(snapshot)
        wanted = {name for name, verdict in verdicts.items() if _reads_storages(verdict)} | set(closely)
        if wanted := {name for name in wanted if snapshot.hosts[name].has_storages}:
            snapshot = await self._with_evidence(snapshot, wanted, found, counts=counts)
            verdicts = decide(snapshot)
        return Seen(snapshot, verdicts, found, self._config.node_tracker.loop_time)

    # --- what is known already --------------------------------------------------------------------------

    def _read(
        self, down: Mapping[str, float | None], hypervisors: Sequence[Hypervisor], now: float
    ) -> Records:
        power = _LOOKS_MISSED * max(self._config.monitor.interval, self._config.monitor.longest_interval)
        ages = records.Ages(now, power=power, boot=self._config.hosts.boot_timeout)
        with self._database.reading() as session:
            return records.read(session, down, hypervisors, ages)

    def _picture(
        self, services: Sequence[Service], aggregates: Sequence[Aggregate], found: Records, now: float
    ) -> Snapshot:
        member_of: dict[str, set[int]] = {}
        for aggregate in aggregates:
            for host in aggregate.hosts:
                member_of.setdefault(host, set()).add(aggregate.id)
        hosts = {
            service.host: self._facts(service, frozenset(member_of.get(service.host, ())), found)
            for service in services
        }
        return Snapshot(
            now=now,
            hosts=hosts,
            limits=limits_of(self._config),
            aggregate_names={aggregate.id: aggregate.name for aggregate in aggregates},
            devices=_devices_of_others(hosts, found),
        )

    def _facts(self, service: Service, aggregates: frozenset[int], found: Records) -> HostFacts:
        host = service.host
        machine, row = found.nodes.get(host), found.rows.get(host)
        return HostFacts(
            name=host,
            up=service.up,
            forced_down=service.forced_down,
            cordoned=_cordon(service),
            down_count=row.down_count if row else 0,
            down_since=row.down_since if row else None,
            reported_at=_heard(service),
            node_id=machine.id if machine else None,
            reserved=bool(machine and machine.reserved),
            has_control=bool(machine and machine.controls),
            power=machine.power if machine else Power.UNKNOWN,
            own_power=found.own_power.get(machine.id) if machine else None,
            held_by=_holder(host, machine, found),
            returning=found.holders.get(f"return:{host}"),
            aggregates=aggregates,
            has_storages=bool(machine and found.storages.get(machine.id)),
            checks=row.checks if row else 0,
            decision=found.decision(row),
            forbidden=why_forbidden(self._config.host_tasks, host),
        )

    # --- the storages -----------------------------------------------------------------------------------

    async def _with_evidence(
        self, snapshot: Snapshot, wanted: Collection[str], found: Records, *, counts: bool
    ) -> Snapshot:
        """The picture, with what the storages of these hosts say, and what should run on them."""
        storages_of = {
            name: found.storages[machine.id]
            for name, machine in found.nodes.items()
            if name in snapshot.hosts and machine.id in found.storages
        }
        hosts = dict(snapshot.hosts)
        evidence = await self._evidence(storages_of, {name: hosts[name].down_since for name in wanted})
        for name in wanted:
            host = replace(hosts[name], storages=evidence[name], expected=await self._expected(name))
            if counts and all(each.sign is Sign.UNREADABLE for each in evidence[name]):
                host = replace(host, checks=self._checks(host, found, snapshot.now))
            elif counts:
                host = replace(host, checks=0)
            hosts[name] = host
        used = {storage.id for name in wanted for storage in storages_of[name]}
        beats = await self._compared(hosts, storages_of, used)
        return replace(snapshot, hosts=hosts, heartbeats=beats)

    async def _evidence(
        self, storages_of: Mapping[str, Sequence[Storage]], since: Mapping[str, float | None]
    ) -> dict[str, tuple[Evidence, ...]]:
        """{host: what each of its storages says}; every storage is read once for all."""
        users: dict[Storage, list[str]] = {}
        for name in since:
            for storage in storages_of[name]:
                users.setdefault(storage, []).append(name)
        freshness = Freshness.from_config(self._config)
        looks = [
            self._storages.look(storage, [(name, since[name]) for name in names], freshness)
            for storage, names in users.items()
        ]
        said: dict[str, list[Evidence]] = {name: [] for name in since}
        for names, answers in zip(users.values(), await asyncio.gather(*looks), strict=True):
            for name, answer in zip(names, answers, strict=True):
                said[name].append(answer)
        return {name: tuple(answers) for name, answers in said.items()}

    async def _compared(
        self,
        hosts: Mapping[str, HostFacts],
        storages_of: Mapping[str, Sequence[Storage]],
        used: Collection[int],
    ) -> dict[int, Others]:
        """What the hosts that are up show on each of these storages."""
        count: Counter[int] = Counter()
        others: dict[str, list[Storage]] = {}
        for name in sorted(storages_of):
            for storage in storages_of[name] if hosts[name].up else ():
                if storage.id in used and count[storage.id] < _COMPARED:
                    count[storage.id] += 1
                    others.setdefault(name, []).append(storage)
        said: dict[int, list[Evidence]] = {storage: [] for storage in used}
        for answers in (await self._evidence(others, dict.fromkeys(others))).values():
            for answer in answers:
                said[answer.storage_id].append(answer)
        return {storage: _others(answers) for storage, answers in said.items()}

    async def _expected(self, host: str) -> frozenset[str] | None:
        """The servers that Nova takes for running there; None when it does not say."""
        try:
            servers = await self._cloud.servers_on(host)
        except (CloudError, NotFound):
            return None
        return frozenset(server.id for server in servers if server.vm_state == "active")

    def _checks(self, host: HostFacts, found: Records, now: float) -> int:
        """How often its storages could not be read; attempts are `delay` seconds apart."""
        row = found.rows.get(host.name)
        due = row is None or host.checks == 0 or now >= row.next_check_at
        return host.checks + 1 if due else host.checks


def _others(answers: Sequence[Evidence]) -> Others:
    written = [answer.written_at for answer in answers if answer.sign is Sign.FRESH]
    return Others(len(answers) - len(written), tuple(moment for moment in written if moment is not None))


def _heard(service: Service) -> float | None:
    """When it reported last."""
    return records.seconds(service.reported_at) if service.reported_at else None


def _cordon(service: Service) -> str | None:
    """The reason of a cordon that is not ours."""
    if not is_by_somebody(service.enabled, service.disabled_reason):
        return None
    return service.disabled_reason or "no reason"


def _counted(snapshot: Snapshot, found: Records, loop_time: float) -> Snapshot:
    """The picture, with this look counted. Looks too far apart are not in a row; too near, they are one."""
    hosts = {}
    for name, host in snapshot.hosts.items():
        if host.up is not False:
            hosts[name] = replace(host, down_count=0, down_since=None, checks=0, decision=None)
            continue
        row = found.rows.get(name)
        gap = snapshot.now - row.seen_at if row and row.down_since is not None else None
        count = host.down_count + 1
        if gap is None or gap > _LOOKS_MISSED * loop_time:
            count = 1
        elif 0 <= gap < loop_time / 2:
            count = host.down_count
        count = 0 if is_explained(host, snapshot) else count
        hosts[name] = replace(host, down_count=count, down_since=host.down_since or snapshot.now)
    return replace(snapshot, hosts=hosts)


def _reads_storages(verdict: Verdict) -> bool:
    return len(verdict.passages) > 1 and verdict.shut in _BY_EVIDENCE


def _holder(host: str, machine: Machine | None, found: Records) -> str | None:
    held = found.holders.get(f"host:{host}")
    return held or (found.holders.get(f"node:{machine.id}") if machine else None)


def _devices_of_others(hosts: Mapping[str, HostFacts], found: Records) -> Silence:
    """How many power devices are silent, apart from those of hosts that are down."""
    of_dead = {
        control
        for name, machine in found.nodes.items()
        if name in hosts and hosts[name].up is False
        for control in machine.controls
    }
    answers = [answer for control, answer in found.devices.items() if control not in of_dead]
    return Silence(sum(not answer for answer in answers), len(answers))

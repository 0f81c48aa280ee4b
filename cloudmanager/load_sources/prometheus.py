"""What hosts and servers use by Prometheus: one query for each resource of all hosts, or of all servers.

A query tells loads at one moment. It is asked for as a percentile over the time that is looked back on, and
for how long ago it last told something of each series.
"""

from __future__ import annotations

import asyncio
import math
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cloudmanager.drs.cluster import Resource
from cloudmanager.errors import InvalidInput, Misconfigured
from cloudmanager.load_sources.label_names import found, named_hosts, named_servers
from cloudmanager.load_sources.left_out import LeftOut
from cloudmanager.load_sources.source import Loads

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from cloudmanager.openstack.records import Server
    from cloudmanager.prometheus import Prometheus, Vector

SECTION = "drs_prometheus"

_AT_ONCE = 4
"""Questions; each may read many series over the whole window."""


@dataclass(frozen=True)
class Window:
    """Which moments are looked at, in seconds; which of their values counts; how old the last may be."""

    look_back: int
    step: int
    percentile: float
    max_age: int

    def level(self, query: str) -> str:
        """PromQL for the load in the window. The line ends let a query end in a comment."""
        return f"quantile_over_time({self.percentile / 100:g}, (\n{query}\n)[{self.look_back}s:{self.step}s])"

    def age(self, query: str) -> str:
        """PromQL for how many seconds ago the query last found something, by Prometheus' own clock."""
        return f"time() - max_over_time(timestamp(\n{query}\n)[{self.look_back}s:{self.step}s])"


@dataclass(frozen=True)
class Query:
    """What `option` asks of all hosts or all servers, which `label` names."""

    option: str
    resource: Resource
    text: str
    label: str


class PrometheusSource:
    """What the queries of the configuration find."""

    def __init__(
        self, prometheus: Prometheus, window: Window, hosts: Sequence[Query], servers: Sequence[Query]
    ) -> None:
        self._prometheus, self._window = prometheus, window
        self._hosts, self._servers = hosts, servers

    async def measure(self, hosts: Sequence[str], servers: Sequence[Server]) -> Loads:
        """`Unavailable` without an answer; `Misconfigured` when a query is not understood, or of no use."""
        of_hosts = _Reading("hosts", named_hosts(hosts), {host: host for host in hosts})
        shown = {server.id: server.name for server in servers}
        of_servers = _Reading("servers", named_servers(shown), shown)
        asked = [(of_hosts, query) for query in self._hosts if hosts]
        asked += [(of_servers, query) for query in self._servers if servers]
        room = asyncio.Semaphore(_AT_ONCE)
        answers = await asyncio.gather(*(self._ask(query, room) for _, query in asked))
        for (reading, query), (levels, ages) in zip(asked, answers, strict=True):
            reading.take(query, levels, ages, self._window.max_age)
        return Loads(of_hosts.loads, of_servers.loads, (*of_hosts.all_notes(), *of_servers.all_notes()))

    async def _ask(self, query: Query, room: asyncio.Semaphore) -> tuple[Vector, Vector]:
        try:
            async with room:
                levels = await self._prometheus.vector(self._window.level(query.text))
                return levels, await self._prometheus.vector(self._window.age(query.text))
        except InvalidInput as error:
            raise Misconfigured(f"[{SECTION}] {query.option}: {error.message}") from None


@dataclass
class _Reading:
    """What is found of all hosts, or of all servers, by what labels may say, and what people call each."""

    noun: str
    names: Mapping[str, str]
    shown: Mapping[str, str]
    loads: defaultdict[str, dict[Resource, float]] = field(default_factory=lambda: defaultdict(dict))
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._left_out = LeftOut(self.noun)

    def all_notes(self) -> tuple[str, ...]:
        """What is to be said, each once."""
        return (*dict.fromkeys(self.notes), *self._left_out.notes())

    def take(self, query: Query, levels: Vector, ages: Vector, max_age: float) -> None:
        """What a query finds. Of a server that has moved there may be an old series beside the new one."""
        self.notes += [f"Prometheus warns: {said}" for said in (*levels.warnings, *ages.warnings)]
        age_of = {_key(sample.labels): sample.value for sample in ages.samples}
        fresh, old = defaultdict[str, list[float]](list), set[str]()
        for sample in levels.samples:
            name = found(sample.labels.get(query.label, ""), self.names)
            if name is None:
                continue
            if age_of.get(_key(sample.labels), math.inf) <= max_age:
                fresh[name].append(sample.value)
            else:
                old.add(name)
        if levels.samples and not fresh and not old:
            self._say_what_it_finds(query, levels)
        for name in self.shown:
            why = _why_not(fresh[name], f"last measured more than {max_age:g} s ago" if name in old else None)
            if why is None:
                self.loads[name][query.resource] = fresh[name][0]
            else:
                self._left_out.add(self.shown[name], why, query.resource)

    def _say_what_it_finds(self, query: Query, levels: Vector) -> None:
        labels = sorted({sample.labels.get(query.label, "") for sample in levels.samples} - {""})
        if not labels:
            raise Misconfigured(f"[{SECTION}] {query.option}: what it finds has no label {query.label}")
        self.notes.append(
            f"[{SECTION}] {query.option} finds {len(levels.samples)} series, but none of these {self.noun}: "
            f"the label {query.label} is {labels[0]}, for example"
        )


def _key(labels: Mapping[str, str]) -> frozenset[tuple[str, str]]:
    """A series without its metric's name, which functions take away."""
    return frozenset((name, value) for name, value in labels.items() if name != "__name__")


def _why_not(values: Sequence[float], old: str | None) -> str | None:
    """Why there is no load that can be believed; None: there is."""
    if not values:
        return old or "the query finds nothing of them"
    if len(values) > 1:
        return "the query finds several series of each"
    if not math.isfinite(values[0]) or values[0] < 0:
        return "what the query finds is not a number from 0 up"
    return None


def queries(options: Any, noun: str) -> Iterable[Query]:
    """Those of the configuration for `host` or `server`; what is empty is not asked."""
    for resource in Resource:
        option = f"{noun}_{resource}"
        text = getattr(options, option).strip()
        if text:
            yield Query(option, resource, text, getattr(options, f"{noun}_label"))

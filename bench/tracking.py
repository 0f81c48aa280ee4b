"""What one cycle of host tracking costs, by how many hosts there are and how many of them are down."""

from __future__ import annotations

import asyncio
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import event, insert

from cloudmanager import schema
from cloudmanager.config import load
from cloudmanager.db import Database
from cloudmanager.models import Node, NodeControl, PowerControl, utc_now
from cloudmanager.openstack.records import Aggregate, Hypervisor, Service
from cloudmanager.tracking.decision import decide
from cloudmanager.tracking.tracker import Tracker

_AGGREGATES = 10


class _Cloud:
    """Answers at once, from memory; counts what it is asked."""

    def __init__(self, hosts):
        self.down = set()
        self.calls = 0
        self._names = [f"h{number}" for number in range(hosts)]
        self._hypervisors = [Hypervisor(name, name, name, "QEMU", True, True) for name in self._names]
        self._aggregates = [
            Aggregate(number, f"a{number}", None, frozenset(self._names[number::_AGGREGATES]))
            for number in range(_AGGREGATES)
        ]
        self._at = datetime.now(UTC)

    async def services(self, *, max_age=0.0):  # noqa: ARG002
        self.calls += 1
        return [
            Service(name, name, True, None, number not in self.down, False, self._at)
            for number, name in enumerate(self._names)
        ]

    async def hypervisors(self, *, max_age=0.0):  # noqa: ARG002
        self.calls += 1
        return self._hypervisors

    async def aggregates(self):
        self.calls += 1
        return self._aggregates


def cycle(report, *, quick):
    """Hosts up; three of them down; three in ten down, in the second look that sees it."""
    for hosts in (100, 1000) if quick else (100, 1000, 10_000):
        for what, down in (("all up", 0), ("3 down", 3), ("30 % down", hosts * 3 // 10)):
            with tempfile.TemporaryDirectory() as directory:
                measured = asyncio.run(_measure(Path(directory), hosts, down))
            report.add(hosts=hosts, state=what, **measured)


async def _measure(directory, hosts, down):
    database = Database(f"sqlite:///{directory / 'bench.db'}", sqlite_synchronous="NORMAL")
    schema.upgrade(database)
    _fill(database, hosts)
    cloud = _Cloud(hosts)
    cloud.down = set(range(down))
    tracker = Tracker(load(), database, cloud, lambda *_: None, "bench")
    await tracker.cycle()
    statements = []
    event.listen(database.engine, "before_cursor_execute", lambda *given: statements.append(given[2]))
    cloud.calls = 0
    began = time.process_time()
    await tracker.cycle()
    cpu = time.process_time() - began
    asked, counted = cloud.calls, len(statements)
    seen = await tracker._lookout.look(counts=False)  # noqa: SLF001
    began = time.process_time()
    decide(seen.snapshot)
    decided = time.process_time() - began
    database.close()
    return {
        "cycle_cpu_ms": round(1000 * cpu, 1),
        "decide_cpu_ms": round(1000 * decided, 1),
        "statements": counted,
        "calls": asked,
    }


def _fill(database, hosts):
    numbers, now = range(1, hosts + 1), utc_now()
    seen = {"power_state": "power_on", "power_state_checked_at": now}
    control = {"control_type": "T", "protocol_type": "p", "host": "h", "port_number": 1, "coils_count": 1}
    outlet = {"power_control_port": "1", "is_default": True, "is_initialized": True, **seen}
    with database.transaction() as session:
        session.execute(insert(Node), [{"id": n, "name": f"h{n - 1}", **seen} for n in numbers])
        session.execute(insert(PowerControl), [{"id": n, "title": f"b{n}", **control} for n in numbers])
        session.execute(
            insert(NodeControl), [{"node_id": n, "power_control_id": n, **outlet} for n in numbers]
        )

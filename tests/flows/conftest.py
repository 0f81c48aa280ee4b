from __future__ import annotations

import asyncio
import shutil
from contextlib import asynccontextmanager

import pytest
import structlog
from sqlalchemy import select

from cloudmanager.db import Database
from cloudmanager.drs.planner import plan
from cloudmanager.flows import cancel, start, store
from cloudmanager.flows.engine import Engine, EngineOptions
from cloudmanager.models import FlowEvent, FlowRow, Node, NodeControl, PowerControl
from cloudmanager.power import Outlet

from .fake_cloud import FakeCloud
from .fake_host import FakeHost
from .fake_projects import FakeProjects
from .world import FakeAlerts, FakePower, Line, VirtualClock, WorkerDied, ports


@pytest.fixture(autouse=True)
def _quiet():
    """Thousands of flows write no log lines: to format them is a tenth of the time."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("warning"))
    yield
    structlog.reset_defaults()


async def _plan_here(snapshot, options):
    """Another process would plan while time, which is ours, rushes by."""
    return plan(snapshot, options)


@pytest.fixture
def databases(empty_database_file, tmp_path):
    """A database that is empty again whenever a sweep asks for it; its engine keeps the compiled statements."""
    path = tmp_path / "flows.db"
    database = Database(f"sqlite:///{path}", sqlite_synchronous="OFF")

    def emptied():
        database.close()
        for leftover in tmp_path.glob("flows.db*"):
            leftover.unlink()
        shutil.copy(empty_database_file, path)
        return database

    yield emptied
    database.close()


class Cloud:
    """One data centre with its flows: workers come and die, the rows stay."""

    def __init__(self, database, monkeypatch):
        self.database = database
        self.clock = VirtualClock()
        self.line = Line()
        self.power = FakePower(self.clock, self.line)
        self.nova = FakeCloud(self.line, self.clock)
        self.host = FakeHost(self.line)
        self.alerts = FakeAlerts()
        self.options = EngineOptions(lease=15, hold=5, tries=3, retry_delay=1)
        self.power_options = {}
        self.node_options = {}
        self.host_options = {}
        self.host_tasks = {}
        self.sign_options = {}
        self.signing = None
        self.drs_options = {}
        self.tenants = FakeProjects(self.nova)
        self.names = self.vault = None
        self._workers = set()
        monkeypatch.setattr(asyncio, "to_thread", self.clock.to_thread)
        monkeypatch.setattr("cloudmanager.flows.opening._now", self.clock.now)
        monkeypatch.setattr("cloudmanager.flows.audits.execute.plan_apart", _plan_here)

    def add_node(self, *machines, **columns):
        """A node with a control for each machine; the first is the default. Answers its id."""
        with self.database.transaction() as session:
            node = Node(**columns)
            session.add(node)
            session.flush()
            for number, machine in enumerate(machines, start=1):
                control = PowerControl(
                    title=f"bmc{number}",
                    control_type="T",
                    protocol_type="p",
                    host="h",
                    port_number=623,
                    coils_count=1,
                )
                session.add(control)
                session.flush()
                session.add(
                    NodeControl(
                        node_id=node.id,
                        power_control_id=control.id,
                        power_control_port="1",
                        is_default=machine is machines[0],
                    )
                )
                self.power.plug(control.id, **machine)
            return node.id

    def machine(self, control_id):
        return self.power.machines[Outlet(control_id, "1")]

    def add_host(self, name, *, on=True, **state):
        """A compute host: a node with one control, and its nova-compute."""
        node_id = self.add_node({"on": on}, name=name)
        control_id = self._control_of(node_id)
        self.nova.add_host(name, self.machine(control_id), **state)
        return self.machine(control_id)

    def _control_of(self, node_id):
        with self.database.reading() as session:
            query = select(NodeControl.power_control_id).where(NodeControl.node_id == node_id)
            return session.scalars(query).one()

    def start_flow(self, kind, subject, **params):
        with self.database.transaction() as session:
            return start(
                session, kind, subject=subject, params=params, requested_by="tester", request_id="req-1"
            )

    def start(self, kind, node_id=None, **params):
        with self.database.transaction() as session:
            return start(
                session,
                kind,
                subject=f"node:{node_id}" if node_id else None,
                params=params | ({"node_id": node_id} if node_id else {}),
                requested_by="tester",
                request_id="req-1",
            )

    def worker(self):
        outside = ports(
            self.power,
            self.clock,
            self.nova,
            self.host,
            hosts=self.host_options,
            host_tasks=self.host_tasks,
            alerts=self.alerts,
            drs=self.drs_options,
            node_actions=self.node_options,
            sign=self.sign_options,
            signing=self.signing,
            tenants=self.tenants,
            names=self.names,
            vault=self.vault,
            **self.power_options,
        )
        return Engine(self.database, outside, self.options, self.ring)

    def ring(self, ids, queue="power"):
        """Another worker hears of these flows; may be called from any thread."""
        self._loop.call_soon_threadsafe(self._work, ids)

    async def advance(self, *ids):
        """A worker advances these flows, others their children; False when that worker died on the way."""
        async with self._time_passes():
            return await self._advance(ids)

    async def sweep_until_quiet(self, rounds=200):
        """New workers take up whatever is due, until every flow has ended."""
        await self._sweep(lambda: not self._open_flows(), rounds)

    async def sweep_until_ended(self, flow_id, rounds=200):
        """The same, until this flow has ended."""
        await self._sweep(lambda: self.flow(flow_id).ended_at is not None, rounds)

    async def sweep_until(self, is_over, rounds=200):
        """The same, until something is so."""
        await self._sweep(is_over, rounds)

    async def pass_time(self, seconds):
        """The same, for so long."""
        end = self.clock.now() + seconds
        await self._sweep(lambda: self.clock.now() >= end, rounds=int(seconds))

    def cancel(self, flow_id):
        with self.database.transaction() as session:
            cancel(session, flow_id)

    async def _sweep(self, is_over, rounds):
        async with self._time_passes():
            for _ in range(rounds):
                if is_over():
                    return
                due = await asyncio.to_thread(store.due, self.database, self.clock.now(), horizon=1)
                self._work([flow_id for flow_id, _ in due])
                await self.clock.sleep(2)
        raise AssertionError("flows never came to their end")

    @asynccontextmanager
    async def _time_passes(self):
        self._loop = asyncio.get_running_loop()
        time = asyncio.create_task(self.clock.run())
        yield
        await asyncio.gather(*self._workers)
        time.cancel()

    def _work(self, ids):
        task = self._loop.create_task(self._advance(ids))
        self._workers.add(task)
        task.add_done_callback(self._workers.discard)

    async def _advance(self, ids):
        try:
            await self.worker().advance(ids)
        except WorkerDied:
            return False
        return True

    def _open_flows(self):
        with self.database.reading() as session:
            return session.scalars(select(FlowRow.id).where(FlowRow.ended_at.is_(None))).all()

    def flow(self, flow_id):
        with self.database.reading() as session:
            return session.scalars(select(FlowRow).where(FlowRow.id == flow_id)).one()

    def events(self, flow_id):
        with self.database.reading() as session:
            return list(
                session.scalars(select(FlowEvent).where(FlowEvent.flow_id == flow_id).order_by(FlowEvent.id))
            )

    def rows_of(self, kind):
        return [row for row in self.rows(FlowRow) if row.kind == kind]

    def rows(self, table):
        with self.database.reading() as session:
            return list(session.scalars(select(table)))


@pytest.fixture
def cloud(database, monkeypatch):
    return Cloud(database, monkeypatch)

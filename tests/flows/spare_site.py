"""A cloud whose host `h1` is lost and whose host `sp` is a spare: reserved, cordoned, without power."""

from __future__ import annotations

from sqlalchemy import select, update

from cloudmanager.models import Event, Node, NodeClass, SpareLoan
from cloudmanager.openstack.records import Aggregate

REASON = "kept in reserve"


class SpareSite:
    def __init__(self, cloud):
        self.cloud = cloud
        self.nova = cloud.nova
        for name in ("h1", "h2"):
            cloud.add_host(name)
        self.add_spare("sp")
        for server_id in ("a", "b"):
            self.nova.add_server(server_id, "h1")
        self.nova.host_aggregates = [
            Aggregate(1, "zone1", "z1", frozenset({"h1", "h2"})),
            Aggregate(2, "ssd", None, frozenset({"h1"}), {"ssd": "true"}),
            Aggregate(3, "other", None, frozenset({"h2"})),
        ]

    def add_spare(self, name, *, on=False, enabled=False, **state):
        reason = None if enabled else REASON
        self.cloud.add_host(name, on=on, enabled=enabled, reason=reason, **state)
        self.reserve(name)

    def reserve(self, name, **columns):
        values = {"is_reserved": True, "condition": 4, **columns}
        with self.cloud.database.transaction() as session:
            values["node_class_id"] = session.scalar(
                select(NodeClass.id).where(NodeClass.name == "hypervisor")
            )
            session.execute(update(Node).where(Node.name == name).values(values))

    def kill(self, host="h1"):
        """It has lost its power, and Nova has noticed."""
        host = self.nova.hosts[host]
        host.machine.on, host.machine._becoming = False, None
        host.was_on, host.reported = False, self.cloud.clock.now() - 100

    def revive(self, host="h1"):
        self.nova.hosts[host].machine.on = True

    def node_id(self, name):
        with self.cloud.database.reading() as session:
            return session.scalars(select(Node.id).where(Node.name == name)).one()

    def lend(self, host="sp", lost_host="h1"):
        return self.cloud.start_flow(
            "lend-spare", f"host:{host}", host=host, node_id=self.node_id(host), lost_host=lost_host
        )

    def give_back(self, host="sp", **params):
        return self.cloud.start_flow("return-spare", f"host:{host}", host=host, **params)

    def evacuate(self, **params):
        return self.cloud.start_flow("evacuate-host", "host:h1", host="h1", use_spare=True, **params)

    async def done(self, flow_id):
        await self.cloud.sweep_until_ended(flow_id, rounds=400)
        flow = self.cloud.flow(flow_id)
        assert flow.status == "SUCCESS", flow.error
        return flow

    async def failed(self, flow_id):
        await self.cloud.sweep_until_ended(flow_id, rounds=400)
        flow = self.cloud.flow(flow_id)
        assert flow.status == "FAILURE", flow.message
        return flow

    def said(self, flow_id, what):
        """Whether a step of the flow said so."""
        return any(what in (event.message or "") for event in self.cloud.events(flow_id))

    def aggregates_of(self, host):
        return {row.id for row in self.nova.host_aggregates if host in row.hosts}

    def loans(self):
        return self.cloud.rows(SpareLoan)

    def events(self):
        with self.cloud.database.reading() as session:
            query = select(Event.kind, Event.subject, Event.message).order_by(Event.id)
            return [row for row in session.execute(query) if row.kind.startswith("spare.")]

    def kinds(self):
        return [row.kind for row in self.events()]

    def assert_as_found(self, host="sp"):
        """The spare is in reserve again, and nothing of a loan is left on it."""
        spare = self.nova.hosts[host]
        assert not spare.machine.on
        assert (spare.enabled, spare.reason) == (False, REASON)
        assert self.aggregates_of(host) == set()
        assert [loan.ended_at for loan in self.loans()] != [None]

"""`rotate-password` and those who use the device meanwhile, through the real Power port to simulated devices."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from prometheus_client import REGISTRY

from cloudmanager.config import load
from cloudmanager.drivers.base import Action, PowerState
from cloudmanager.errors import Conflict, CredentialsRefused, NotFound
from cloudmanager.flows import start
from cloudmanager.flows.base import Ports
from cloudmanager.flows.engine import Engine, EngineOptions
from cloudmanager.flows.rotate_password import forget_pending, make_current, subject_of
from cloudmanager.host.absent import absent_host
from cloudmanager.models import FlowRow, PowerControl
from cloudmanager.openstack.absent import absent_cloud
from cloudmanager.power import Outlet, Password, Power
from cloudmanager.prometheus import Prometheus
from cloudmanager.system_clock import SystemClock
from cloudmanager.vault import Vault, create_key_file
from tests.contract.drivers import ipmi_peers, redfish_peers

NEW = "north-Aisle-07"


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(ipmi_peers.SimulatorPeer, id="ipmi"),
        pytest.param(ipmi_peers.IpmiSimPeer, id="ipmi_sim", marks=pytest.mark.peer),
        pytest.param(redfish_peers.SimulatorPeer, id="redfish"),
    ],
)
def peer(request):
    with contextlib.ExitStack() as stack:
        yield request.param(stack)


class Site:
    """A control in a database for a device that listens."""

    def __init__(self, database, vault, peer):
        self.database, self.vault, self.peer = database, vault, peer
        self.settings = peer.settings()
        self.old = self.settings.password
        self.power = Power(database, vault, load())
        control = PowerControl(
            title="of n1",
            control_type=peer.driver.control_type,
            protocol_type=peer.driver.protocol_type,
            host=self.settings.host,
            port_number=self.settings.port,
            login=self.settings.login,
            coils_count=1,
            sealed_password=vault.seal(self.old),
            sealed_pending_password=vault.seal(NEW),
            options={"tls": "off"} if peer.driver.protocol_type == "redfish" else {},
        )
        with database.transaction() as session:
            session.add(control)
            session.flush()
            self.control_id = control.id
        self.outlet = Outlet(control.id, "1")

    async def read(self):
        return await self.power.read(self.outlet)

    def change(self, write):
        with self.database.transaction() as session:
            write(session, [self.control_id])

    def stored(self):
        with self.database.reading() as session:
            row = session.get(PowerControl, self.control_id)
            return self.vault.open(row.sealed_password), self.vault.open(row.sealed_pending_password)

    async def give(self, new, *, old):
        """Change the password of the device behind everybody's back."""
        driver = self.peer.driver(self.peer.settings(password=old, timeout=5.0))
        try:
            await driver.set_password(new)
        finally:
            await driver.close()

    async def rotate(self):
        with self.database.transaction() as session:
            flow_id = start(
                session,
                "rotate-password",
                subject=subject_of(self.control_id),
                params={"control_id": self.control_id},
                requested_by="tester",
                request_id="req-1",
            )
        config = load()
        alerts = Prometheus(config.prometheus)
        ports = Ports(
            power=self.power,
            cloud=absent_cloud(),
            host=absent_host(),
            alerts=alerts,
            clock=SystemClock(),
            config=config,
        )
        engine = Engine(self.database, ports, EngineOptions(), lambda _ids: None)
        async with asyncio.timeout(20):
            await engine.advance([flow_id])
        with self.database.reading() as session:
            return session.query(FlowRow).filter(FlowRow.id == flow_id).one()


@pytest.fixture
async def site(database, tmp_path, peer):
    create_key_file(tmp_path / "secret.key")
    site = Site(database, Vault(tmp_path / "secret.key"), peer)
    yield site
    await site.power.close()
    for password in {site.old, *site.stored()} - {""}:
        with contextlib.suppress(CredentialsRefused):
            await site.give(site.old, old=password)
            break
    assert peer.sessions() in (0, None)


def refused(peer):
    """How many log-ins with a wrong password there were through the Power port."""
    name = "cloudmanager_power_command_seconds_count"
    labels = {"control_type": peer.driver.control_type, "outcome": "CredentialsRefused"}
    commands = ("read", "on", "log_in", "set_password")
    return sum(REGISTRY.get_sample_value(name, {**labels, "command": each}) or 0 for each in commands)


async def test_a_rotation(site, peer):
    before = refused(peer)
    flow = await site.rotate()
    assert flow.status == "SUCCESS", flow.error
    assert site.stored() == (NEW, "")
    assert refused(peer) == before
    assert await site.read() in PowerState
    assert refused(peer) == before
    with pytest.raises(CredentialsRefused):
        await site.give("another-one", old=site.old)


async def test_a_rotation_while_the_device_is_used(site, peer):
    """Commands in between succeed, and hardly ever with a wrong password."""
    peer.set_on(True)
    assert await site.read() is PowerState.ON
    before, going, reads = refused(peer), True, 0

    async def use():
        nonlocal reads
        while going:
            assert await site.read() is PowerState.ON
            reads += 1
            await asyncio.sleep(0.005)

    using = asyncio.create_task(use())
    flow = await site.rotate()
    await asyncio.sleep(0.1)
    going = False
    await using
    assert flow.status == "SUCCESS", flow.error
    assert reads > 3
    assert refused(peer) - before <= 1


async def test_the_old_one_is_used_as_long_as_it_works(site, peer):
    before = refused(peer)
    await site.read()
    assert refused(peer) == before


async def test_the_new_one_is_tried_when_the_old_one_is_refused_and_kept(site, peer):
    await site.give(NEW, old=site.old)
    before = refused(peer)
    peer.set_on(False)
    assert await site.read() is PowerState.OFF
    await site.power.apply(site.outlet, Action.ON)
    for _ in range(3):
        assert await site.read() is not PowerState.UNKNOWN
    assert refused(peer) == before + 1, "a wrong password is tried once, not again and again"
    site.change(make_current)
    await site.read()
    assert refused(peer) == before + 1


async def test_the_new_one_that_the_device_did_not_get(site, peer):
    """Whoever went over to the new one comes back when the device has the old one after all."""
    await site.give(NEW, old=site.old)
    await site.read()
    await site.give(site.old, old=NEW)
    site.change(forget_pending)
    before = refused(peer)
    await site.read()
    assert refused(peer) == before


async def test_who_has_missed_the_change(site, peer):
    """A worker whose row was read before the change reads it again when it is refused."""
    stale = site.power._load([site.control_id])
    load_rows, asked = site.power._load, []

    def late(ids):
        asked.append(ids)
        return stale if len(asked) == 1 else load_rows(ids)

    await site.give(NEW, old=site.old)
    site.change(make_current)
    site.power._controls._process = late
    assert await site.read() in PowerState
    assert len(asked) == 2


async def test_neither_works(site, peer):
    await site.give("of-others-01", old=site.old)
    before = refused(peer)
    try:
        with pytest.raises(CredentialsRefused):
            await site.read()
        assert refused(peer) == before + 2
        assert not await site.power.accepts(site.control_id, Password.CURRENT)
        assert not await site.power.accepts(site.control_id, Password.PENDING)
        with pytest.raises(CredentialsRefused):
            await site.power.set_password(site.control_id)
    finally:
        await site.give(site.old, old="of-others-01")


async def test_no_password_is_pending(site):
    site.change(forget_pending)
    for call in (
        site.power.accepts(site.control_id, Password.PENDING),
        site.power.set_password(site.control_id),
    ):
        with pytest.raises(Conflict, match="not being changed"):
            await call
    with pytest.raises(NotFound):
        await site.power.accepts(99, Password.CURRENT)

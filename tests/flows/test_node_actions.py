"""Flows in the operating systems of nodes, on simulated systems that execute the product's own catalogue."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import insert, select, update

from cloudmanager.config import load
from cloudmanager.flows import cancel
from cloudmanager.flows.nodes import collection
from cloudmanager.host.admission import admitting_only
from cloudmanager.models import (
    AvailabilityStorage,
    Node,
    NodeAvailabilityStorage,
    NodeClass,
    NodeFacts,
    NodeLogin,
    utc_now,
)
from cloudmanager.simulators.node_os import iscsi, packages, scripts, shared_groups, sshd, units
from cloudmanager.simulators.node_os.shell import SAYS

from .node_systems import OURS, NodeSystems

UUID = "2eec580b-12f8-4518-bf79-3dc5529617da"
TARGET = "iqn.2010-10.org.openstack:volume-1"
CPU_FILE = "/etc/nova/nova.conf.d/90-cloudmanager-cpu.conf"
LOG_FILE = "/etc/rsyslog.d/90-cloudmanager.conf"
SSH_FILE = f"{sshd.DROP_INS}00-cloudmanager.conf"


class Site:
    """One node with its system, and its flows."""

    def __init__(self, cloud, family="debian"):
        self.cloud = cloud
        self.node_id = cloud.add_node(name="n1.demo.local")
        cloud.host = self.host = NodeSystems(cloud.line, cloud.clock)
        self.system = self.host.add(self.node_id, "n1.demo.local", family=family)

    def start(self, kind, **params):
        params = {"node_id": self.node_id, **params}
        return self.cloud.start_flow(kind, f"node-os:{self.node_id}", **params)

    async def run(self, kind, **params):
        flow_id = self.start(kind, **params)
        await self.cloud.sweep_until_ended(flow_id)
        return self.cloud.flow(flow_id)

    async def succeed(self, kind, **params):
        flow = await self.run(kind, **params)
        assert flow.status == "SUCCESS", flow.error
        return flow

    async def fail(self, kind, **params):
        flow = await self.run(kind, **params)
        assert flow.status == "FAILURE", flow.message
        return flow.error

    def unit(self, name):
        found = units.unit(self.system, name)
        return found.active, found.file

    def facts(self):
        with self.cloud.database.reading() as session:
            return session.scalars(select(NodeFacts).where(NodeFacts.node_id == self.node_id)).one_or_none()

    def add_storage(self, name="storage1", address="10.40.38.2", targets=(TARGET,)):
        node_id = self.cloud.add_node(name=name, ip_addresses=[address])
        system = self.host.add(node_id, name, address=address)
        system.part(iscsi.TARGETS, []).extend(targets)
        return node_id

    def give_watch(self):
        """What the watchdog needs."""
        self.cloud.node_options["nodesafe_peers"] = ["10.0.0.1", "10.0.0.2"]
        with self.cloud.database.transaction() as session:
            storage = AvailabilityStorage(name="s", compute_path="/var/lib/heartbeat", controller_path="/d")
            session.add(storage)
            session.flush()
            session.add(NodeAvailabilityStorage(node_id=self.node_id, availability_storage_id=storage.id))


@pytest.fixture
def site(cloud):
    return Site(cloud)


# --- services ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", ["debian", "redhat"])
async def test_snmp(cloud, family):
    site = Site(cloud, family)
    flow = await site.succeed("enable-snmp")
    assert site.unit("snmpd") == ("active", "enabled")
    assert flow.result == {"active": "active", "enabled": "enabled"}
    await site.succeed("enable-snmp")
    assert site.host.count()["snmp-enable"] == 1, "looked first"
    await site.succeed("disable-snmp")
    assert site.unit("snmpd") == ("inactive", "disabled")


async def test_snmp_that_is_not_installed(site):
    site.system.part(units.REMOVED, []).append("snmpd.service")
    assert "install it first" in await site.fail("enable-snmp")
    await site.succeed("disable-snmp")


async def test_a_service_that_does_not_start_is_as_it_was(site):
    site.system.part(SAYS, {})["systemctl"] = None

    real = site.host._run

    def broken(node_id, known, values, data):
        if known.name == "snmp-enable":
            site.host.ran.append(known.name)
            units.enable(site.system, "snmpd.service", True)
            units.set_running(site.system, "snmpd.service", "failed")
            return None
        return real(node_id, known, values, data)

    site.host._run = broken
    assert "does not start" in await site.fail("enable-snmp")
    assert site.unit("snmpd") == ("inactive", "disabled")


async def test_a_node_that_does_not_answer(site):
    site.host.dead.add(site.node_id)
    assert "does not answer" in await site.fail("enable-snmp")


async def test_garbage_is_not_believed(site):
    site.system.part(SAYS, {})["systemctl"] = ["@#!", "", 0]
    assert "cannot be read" in await site.fail("disable-snmp")


# --- SSH ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", ["debian", "redhat"])
async def test_ssh_is_closed_to_others_and_opened_again(cloud, family):
    site = Site(cloud, family)
    cloud.node_options["daemon_addresses"] = ["10.0.0.0/28", "2001:db8:7::/64"]
    flow = await site.succeed("disable-ssh")
    admitted = ["10.0.0.0/28", "2001:db8:7::/64", OURS]
    assert flow.result == {"admitted": admitted}
    asked = (OURS, "10.0.0.9", "10.0.0.99", "2001:db8:7::1", "2001:db8:8::1")
    assert [sshd.admits(site.system, each) for each in asked] == [True, True, False, True, False]
    assert units.transient(site.system) == {}, "the node does not lift it any more"
    before = site.host.count()["ssh-reload"]
    await site.succeed("disable-ssh")
    assert site.host.count()["ssh-reload"] == before, "looked first"
    await site.succeed("enable-ssh")
    assert SSH_FILE not in site.system.files
    assert sshd.admits(site.system, "192.0.2.1")
    await site.succeed("enable-ssh")


async def test_ssh_whose_configuration_has_no_drop_ins(site):
    site.system.part(sshd.IGNORES_DROP_INS, True)
    assert "no Include" in await site.fail("disable-ssh")
    assert SSH_FILE not in site.system.files
    assert units.transient(site.system) == {}


async def test_ssh_that_would_not_take_its_configuration(site):
    site.system.files[f"{sshd.DROP_INS}99-broken.conf"] = "Bogus yes\n"
    assert "failed with exit status 255" in await site.fail("disable-ssh")
    assert SSH_FILE not in site.system.files


async def test_ssh_that_shuts_us_out_opens_by_itself(site, monkeypatch):
    """Whatever sshd said before: after the reload we do not get in."""
    real = sshd.admits
    monkeypatch.setattr(
        sshd, "admits", lambda system, address: SSH_FILE not in system.files and real(system, address)
    )
    began = site.cloud.clock.now()
    error = await site.fail("disable-ssh")
    assert "refused the credentials" in error
    assert "while restoring" not in error
    assert SSH_FILE not in site.system.files
    assert 120 <= site.cloud.clock.now() - began < 180
    monkeypatch.setattr(sshd, "admits", real)
    await site.succeed("enable-snmp")


async def test_rules_of_before_are_restored(site):
    site.system.files[SSH_FILE] = admitting_only([OURS, "10.9.9.9"])
    site.system.files[f"{sshd.DROP_INS}99-broken.conf"] = "Bogus yes\n"
    sshd.reload(site.system)
    site.cloud.node_options["daemon_addresses"] = ["10.0.0.0/28"]
    await site.fail("disable-ssh")
    assert site.system.files[SSH_FILE] == admitting_only([OURS, "10.9.9.9"])


async def test_a_node_that_lifts_it_before_we_are_done(site):
    """The worker that closed it dies, and nobody takes over in time."""
    flow_id = site.start("disable-ssh")
    site.cloud.line.die_after = 1 + [*_calls_until(site, "ssh-reload")][-1]
    assert not await site.cloud.advance(flow_id)
    assert not sshd.admits(site.system, "192.0.2.1")
    site.cloud.clock.time += 300
    await site.cloud.sweep_until_quiet()
    flow = site.cloud.flow(flow_id)
    assert flow.status == "FAILURE"
    assert "by itself" in flow.error
    assert sshd.admits(site.system, "192.0.2.1")


def _calls_until(site, command):
    """Numbers of the calls before the first of this command, as an undisturbed run makes them."""
    order = [
        "ssh-connection", "ssh-rules", "ssh-undo-disarm", "ssh-undo-arm", "ssh-rules-write", "ssh-check",
        "ssh-effective", "ssh-effective", "ssh-effective", "ssh-reload",
    ]  # fmt: skip
    return range(order.index(command) + 1)


# --- configuration of components ---------------------------------------------------------------------------


@pytest.mark.parametrize("family", ["debian", "redhat"])
async def test_the_processor_of_servers(cloud, family):
    site = Site(cloud, family)
    service = "nova-compute" if family == "debian" else "openstack-nova-compute"
    before = units.unit(site.system, service).invocation
    flow = await site.succeed("set-cpu-mode", mode="custom", model="EPYC-Rome")
    assert site.system.files[CPU_FILE].splitlines()[1:] == [
        "[libvirt]",
        "cpu_mode = custom",
        "cpu_models = EPYC-Rome",
    ]
    assert flow.result["active"] == "active"
    after = units.unit(site.system, service).invocation
    assert after != before
    await site.succeed("set-cpu-mode", mode="custom", model="EPYC-Rome")
    assert units.unit(site.system, service).invocation == after, "nothing to do is not restarted"
    await site.succeed("set-cpu-mode", mode=None, model=None)
    assert CPU_FILE not in site.system.files
    assert units.unit(site.system, service).invocation != after


async def test_a_processor_that_libvirt_does_not_know(site):
    assert "no processor model Z80" in await site.fail("set-cpu-mode", mode="custom", model="Z80")
    assert site.system.files == {}


async def test_a_nova_compute_that_does_not_start_gets_its_file_back(site):
    """The mode is one that the service refuses, as an older one may."""
    await site.succeed("set-cpu-mode", mode="host-model", model=None)
    before = site.system.files[CPU_FILE]
    error = await site.fail("set-cpu-mode", mode="maximum", model=None)
    assert "restart failed" in error or "does not start" in error
    assert site.system.files[CPU_FILE] == before
    assert site.unit("nova-compute")[0] == "active"


async def test_logs_are_sent_and_sent_no_more(site):
    site.cloud.node_options |= {"log_port": 6514, "log_protocol": "udp"}
    await site.succeed("setup-log-redirection", host="10.10.10.10")
    rule = site.system.files[LOG_FILE]
    assert 'target="10.10.10.10" port="6514"' in rule
    assert 'protocol="udp"' in rule
    await site.succeed("disable-log-redirection", host=None)
    assert LOG_FILE not in site.system.files
    count = site.host.count()["rsyslog-restart"]
    await site.succeed("disable-log-redirection", host=None)
    assert site.host.count()["rsyslog-restart"] == count == 2


async def test_a_rule_that_rsyslog_does_not_take(site):
    """A name that no request could bring: whatever is written is checked, and taken back."""
    invocation = units.unit(site.system, "rsyslog.service").invocation
    error = await site.fail("setup-log-redirection", host='a" b')
    assert "rsyslog-check failed" in error
    assert LOG_FILE not in site.system.files
    assert units.unit(site.system, "rsyslog.service").active == "active"
    assert invocation


async def test_components_of_a_node_whose_dcc_was_switched_off_meanwhile(site):
    await site.succeed("disable-dcc")
    assert "enable-dcc" in await site.fail("set-cpu-mode", mode="host-model", model=None)
    await site.succeed("enable-dcc")
    await site.succeed("set-cpu-mode", mode="host-model", model=None)


# --- NodeSafe ----------------------------------------------------------------------------------------------


async def test_the_watchdog(site):
    site.give_watch()
    await site.succeed("enable-nodesafe")
    assert site.unit("cloudmanager-nodesafe") == ("active", "enabled")
    options = site.system.files["/etc/default/cloudmanager-nodesafe"]
    assert options == ("OPTIONS='--peer 10.0.0.1 --peer 10.0.0.2 --storage /var/lib/heartbeat --after 60'\n")
    program = site.system.files["/usr/local/libexec/cloudmanager-nodesafe"]
    assert program.startswith("#!/usr/bin/env python3")
    compile(program, "cloudmanager-nodesafe", "exec")
    invocation = units.unit(site.system, "cloudmanager-nodesafe").invocation
    site.cloud.node_options["nodesafe_after"] = 90.0
    await site.succeed("enable-nodesafe")
    assert units.unit(site.system, "cloudmanager-nodesafe").invocation != invocation, "it has other options"
    await site.succeed("disable-nodesafe")
    assert site.unit("cloudmanager-nodesafe") == ("inactive", "disabled")


@pytest.mark.parametrize(
    ("silent", "kind"), [(["10.0.0.1", "10.0.0.2"], "peer"), (["/var/lib/heartbeat"], "storage")]
)
async def test_a_watchdog_that_would_watch_nothing_is_not_started(site, silent, kind):
    site.give_watch()
    site.system.part(scripts.NODESAFE_SILENT, []).extend(silent)
    assert f"no {kind} answers" in await site.fail("enable-nodesafe")
    assert site.unit("cloudmanager-nodesafe") == ("inactive", "disabled")


# --- packages ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", ["debian", "redhat"])
async def test_an_update(cloud, family):
    site = Site(cloud, family)
    flow = await site.succeed("update-system")
    assert flow.result["packages"] == {"upgraded": 6, "installed": 0, "removed": 0}
    assert flow.result["restart_needed"] is True
    assert "linux-image" in flow.result["output"]
    assert units.transient(site.system) == {}
    assert site.host.count()["update-start"] == 1
    again = await site.succeed("update-system")
    assert again.result["packages"]["upgraded"] == 0


@pytest.mark.parametrize("family", ["debian", "redhat"])
async def test_an_update_that_fails(cloud, family):
    site = Site(cloud, family)
    site.system.part(packages.BROKEN, True)
    error = await site.fail("update-system")
    assert f"status {100 if family == 'debian' else 1}" in error


async def test_a_node_that_falls_silent_while_it_updates(site):
    flow_id = site.start("update-system")
    site.cloud.line.die_after = 3
    assert not await site.cloud.advance(flow_id)
    site.host.dead.add(site.node_id)
    for _ in range(5):
        await site.cloud.advance(flow_id)
        site.cloud.clock.time += 30
    assert site.cloud.flow(flow_id).ended_at is None, "it waits"
    site.host.dead.clear()
    await site.cloud.sweep_until_ended(flow_id)
    assert site.cloud.flow(flow_id).status == "SUCCESS"
    assert site.host.count()["update-start"] == 1


async def test_a_node_that_never_comes_back_from_its_update(site):
    site.cloud.node_options["update_timeout"] = 60.0
    flow_id = site.start("update-system")
    site.cloud.line.die_after = 3
    await site.cloud.advance(flow_id)
    site.host.dead.add(site.node_id)
    await site.cloud.sweep_until_ended(flow_id)
    assert "what came of the update is not known" in site.cloud.flow(flow_id).error


async def test_a_node_that_restarts_while_it_updates(site):
    flow_id = site.start("update-system")
    site.cloud.line.die_after = 2
    await site.cloud.advance(flow_id)
    site.host.world.reset("n1.demo.local")
    await site.cloud.sweep_until_ended(flow_id)
    assert "restarted when" in site.cloud.flow(flow_id).error
    assert site.host.count()["update-start"] == 1


async def test_a_node_that_restarts_while_its_update_is_watched(site):
    flow_id = site.start("update-system")
    site.cloud.line.die_after = 3
    await site.cloud.advance(flow_id)
    site.host.world.reset("n1.demo.local")
    await site.cloud.sweep_until_ended(flow_id)
    assert "restarted while" in site.cloud.flow(flow_id).error


async def test_an_update_is_not_cancelled_half_way(site):
    flow_id = site.start("update-system")
    site.cloud.line.die_after = 2
    await site.cloud.advance(flow_id)
    with site.cloud.database.transaction() as session:
        cancel(session, flow_id)
    await site.cloud.sweep_until_ended(flow_id)
    assert site.cloud.flow(flow_id).status == "SUCCESS"


# --- storage -----------------------------------------------------------------------------------------------


async def test_discovery(site):
    site.add_storage(targets=[TARGET, "iqn.2001-05.com.example:b"])
    flow = await site.succeed("discovery-nas", addresses=["10.40.38.2", "10.40.38.3"])
    assert flow.result["targets"] == {"10.40.38.2": ["iqn.2001-05.com.example:b", "volume-1"]}
    assert "iscsi-discover failed with exit status 4" in flow.result["silent"]["10.40.38.3"]


async def test_a_portal_that_tells_of_others(site):
    """A storage with a portal group offers each target at all of its portals."""
    said = f"10.40.38.2:3260,1 {TARGET}\n10.40.39.2:3260,1 {TARGET}\n"
    site.system.part(SAYS, {})["iscsiadm"] = [said, "", 0]
    flow = await site.succeed("discovery-nas", addresses=["10.40.38.2", "10.40.40.2"])
    assert flow.result["targets"] == {
        "10.40.38.2": ["volume-1"],
        "10.40.39.2": ["volume-1"],
        "10.40.40.2": [],
    }


async def test_discovery_of_many_addresses(site):
    addresses = [f"10.40.38.{number}" for number in range(2, 12)]
    for number, address in enumerate(addresses):
        site.add_storage(f"s{number}", address)
    flow = await site.succeed("discovery-nas", addresses=addresses)
    assert list(flow.result["targets"]) == addresses


async def test_discovery_without_any_answer(site):
    assert "no address of the storage answers" in await site.fail("discovery-nas", addresses=["10.40.38.2"])


async def attach(site, **changes):
    params = {"targets": {"10.40.38.2": [TARGET]}, "vendor": None, "product": None, **changes}
    return await site.run("attach-targets", **params)


async def test_attaching(site):
    site.add_storage(targets=[f"{TARGET}{number}" for number in range(8)])
    targets = {"10.40.38.2": [f"{TARGET}{number}" for number in range(8)]}
    flow = await attach(site, targets=targets, vendor="LIO-ORG", product="a.b")
    assert flow.status == "SUCCESS", flow.error
    assert len(flow.result["attached"]) == 8
    section = site.system.files["/etc/multipath/conf.d/cloudmanager-lio-org-a-b.conf"]
    assert 'vendor "^LIO-ORG"' in section
    assert 'product "^a[.]b"' in section
    assert site.facts().nas == {"storage1": sorted(targets["10.40.38.2"])}
    before = site.host.count()["iscsi-login"]
    assert (await attach(site, targets=targets)).status == "SUCCESS"
    assert site.host.count()["iscsi-login"] == before == 8
    site.host.world.reset("n1.demo.local")
    site.cloud.clock.time += 5
    assert "volume-17" in site.host.shell(site.node_id).execute("iscsiadm -m session").out, "they come back"


async def test_one_target_that_is_not_there_fails_alone(site):
    site.add_storage()
    flow = await attach(site, targets={"10.40.38.2": ["iqn.2001-05.com.example:gone", TARGET]})
    assert flow.status == "FAILURE"
    assert flow.result["attached"] == [f"10.40.38.2 {TARGET}"]
    assert list(flow.result["failed"]) == ["10.40.38.2 iqn.2001-05.com.example:gone"]
    assert site.facts().nas == {"storage1": [TARGET]}


async def test_attaching_to_a_kind_of_storage_without_multipath(site):
    site.add_storage()
    site.system.part(units.REMOVED, []).append("multipathd.service")
    flow = await attach(site, vendor="LIO-ORG")
    assert "multipath-tools" in flow.error
    assert (await attach(site)).status == "SUCCESS"


def share(site, *names, **state):
    for name in names:
        shared_groups.share(site.system, "cinder-shared", f"volume-{name}", f"uuid-{name}", **state)


def serve(site, *volumes):
    site.cloud.nova.add_host("n1.demo.local", site.cloud.power.plug(99))
    for volume in volumes:
        from cloudmanager.openstack.records import AttachedVolume

        guest = site.cloud.nova.add_server(f"s-{volume}", "n1.demo.local")
        guest.record = _with_volume(guest.record, AttachedVolume(volume))


def _with_volume(record, volume):
    from dataclasses import replace

    return replace(record, volumes=(volume,))


async def test_lost_locks_are_taken_again(site):
    serve(site, "a", "b", "c", "d", "e", "f")
    share(site, "a", held=True)
    share(site, "b", "c", "d", "e", "f", "of-nobody", held=False)
    flow = await site.succeed("repair-locks", host="n1.demo.local")
    assert flow.result == {
        "held": ["cinder-shared/volume-a"],
        "repaired": [f"cinder-shared/volume-{name}" for name in "bcdef"],
        "failed": {},
    }
    volumes = site.system.part(shared_groups.GROUPS, {})["cinder-shared"]
    assert volumes["volume-b"]["held"]
    assert not volumes["volume-of-nobody"]["held"], "no server uses it"


async def test_a_lock_of_another_host_is_left_to_it(site):
    serve(site, "a", "b")
    share(site, "a", held=False, elsewhere=True)
    share(site, "b", held=False)
    flow = await site.run("repair-locks", host="n1.demo.local")
    assert flow.status == "FAILURE"
    assert flow.result["repaired"] == ["cinder-shared/volume-b"]
    assert "lock" in flow.result["failed"]["cinder-shared/volume-a"]


async def test_a_lockspace_that_the_node_does_not_join(site):
    serve(site, "a")
    share(site, "a", held=False)
    site.system.part(SAYS, {})["sanlock"] = ["daemon x\np -1 helper\n", "", 0]
    assert "does not join the lockspace of cinder-shared" in await site.fail(
        "repair-locks", host="n1.demo.local"
    )
    assert site.host.count()["lvm-activate"] == 0


async def test_servers_without_shared_volumes_have_no_locks(site):
    serve(site, "a")
    flow = await site.succeed("repair-locks", host="n1.demo.local")
    assert flow.result == {"held": [], "repaired": [], "failed": {}}


# --- facts and controllers ---------------------------------------------------------------------------------


async def test_facts(site):
    site.add_storage()
    await attach(site)
    flow = await site.succeed("collect-facts")
    assert flow.result == {"collected": ["disks", "numa", "processors", "smbios"], "unknown": {}}
    facts = site.facts()
    assert facts.hwinfo["processors"]["sockets"] == 2
    assert facts.hwinfo["smbios"]["system"]["manufacturer"] == "Supermicro"
    assert [node["id"] for node in facts.hwinfo["numa"]] == [0, 1]
    assert facts.hwinfo["disks"][0]["name"] == "sda"
    assert facts.nas == {"storage1": [TARGET]}
    assert facts.error is None


async def test_what_one_program_does_not_say_keeps_nothing_else(site):
    site.system.part(SAYS, {}).update(dmidecode=["", "dmidecode: not found", 127], lsblk=["garbage", "", 0])
    flow = await site.succeed("collect-facts")
    assert flow.result["collected"] == ["numa", "processors"]
    assert set(flow.result["unknown"]) == {"disks", "smbios"}
    assert set(site.facts().hwinfo) == {"processors", "numa", "collected_at"}


async def test_a_node_that_says_nothing_keeps_its_facts(site):
    await site.succeed("collect-facts")
    tried_at = site.facts().tried_at
    site.host.dead.add(site.node_id)
    assert "does not answer" in await site.fail("collect-facts")
    assert site.facts().hwinfo["processors"]["sockets"] == 2
    assert "does not answer" in site.facts().error
    assert site.facts().tried_at >= tried_at


def due(site, options=None):
    """The nodes that a look would begin with."""
    config = load(overrides=options)
    rung = []
    begun = collection.open_due(site.cloud.database, config, rung.extend)
    assert begun == rung
    return [site.cloud.flow(flow_id).params["node_id"] for flow_id in begun]


def make_hypervisors(site, *names, **columns):
    with site.cloud.database.transaction() as session:
        hypervisors = session.scalar(select(NodeClass.id).where(NodeClass.name == "hypervisor"))
        session.execute(update(Node).values(node_class_id=hypervisors))
    return [site.cloud.add_node(name=name, node_class_id=hypervisors, **columns) for name in names]


async def test_facts_are_collected_when_they_are_old(site):
    key = {("host", "password"): "secret"}
    assert due(site) == [], "it is no hypervisor"
    other, *_ = make_hypervisors(site, "n2")
    make_hypervisors(site, "off", power_state="power_off")
    make_hypervisors(site, "gone", active=False)
    assert due(site) == [], "there is no way in"
    assert due(site, key | {("node_actions", "collect_interval"): 0.0}) == []
    with site.cloud.database.transaction() as session:
        session.add(NodeLogin(node_id=other, login="x"))
    assert due(site) == [other], "it has a way of its own"
    assert due(site, key) == [site.node_id], "the other is being asked"
    site.host.add(other, "n2")
    await site.cloud.sweep_until_quiet()
    assert due(site, key) == [], "they are new"
    old = utc_now() - timedelta(days=2)
    with site.cloud.database.transaction() as session:
        session.execute(update(NodeFacts).where(NodeFacts.node_id == other).values(tried_at=old))
    assert due(site, key) == [other]


async def bind(site, kind, **nodes):
    flow_id = site.cloud.start_flow(f"{kind}-nodes", None, controller=UUID, nodes=nodes)
    await site.cloud.sweep_until_ended(flow_id)
    return site.cloud.flow(flow_id)


def controllers(site):
    return {row.name: (row.controller_id, row.controller_type) for row in site.cloud.rows(Node)}


async def test_binding_to_a_controller(site):
    site.cloud.node_options |= {"controllers": {UUID: "10.0.0.100"}, "controller_types": {UUID: "virtual"}}
    other = site.cloud.add_node(name="n2")
    site.host.add(other, "n2")
    nodes = {str(site.node_id): "n1.demo.local", str(other): "n2"}
    flow = await bind(site, "attach", **nodes)
    assert flow.result == {"success": ["n1.demo.local", "n2"], "failed": []}
    assert controllers(site) == {"n1.demo.local": (UUID, "virtual"), "n2": (UUID, "virtual")}
    assert site.system.files["/etc/cloudmanager/controller"] == f"CONTROLLER={UUID}\nADDRESS=10.0.0.100\n"
    site.host.dead.add(other)
    flow = await bind(site, "detach", **nodes)
    assert flow.status == "SUCCESS", flow.error
    assert set(controllers(site).values()) == {(None, None)}
    assert "/etc/cloudmanager/controller" not in site.system.files


async def test_one_node_that_cannot_be_told_is_not_bound(site):
    site.cloud.node_options["controllers"] = {UUID: "10.0.0.100"}
    other = site.cloud.add_node(name="n2")
    site.host.add(other, "n2")
    site.host.dead.add(other)
    flow = await bind(site, "attach", **{str(site.node_id): "n1.demo.local", str(other): "n2"})
    assert flow.status == "FAILURE"
    assert flow.result == {"success": ["n1.demo.local"], "failed": ["n2"]}
    assert controllers(site) == {"n1.demo.local": (UUID, None), "n2": (None, None)}


async def test_a_controller_without_a_known_address_is_only_bound(site):
    flow = await bind(site, "attach", **{str(site.node_id): "n1.demo.local"})
    assert flow.status == "SUCCESS"
    assert controllers(site) == {"n1.demo.local": (UUID, None)}
    assert site.host.ran == []


def test_facts_survive_nothing_of_a_node(cloud):
    node_id = cloud.add_node(name="n1")
    with cloud.database.transaction() as session:
        session.execute(
            insert(NodeFacts).values(node_id=node_id, tried_at=session.get(Node, node_id).created_at)
        )
        session.execute(update(Node).values(name="n2"))
        session.delete(session.get(Node, node_id))
    assert cloud.rows(NodeFacts) == []

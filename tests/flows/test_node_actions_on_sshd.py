"""Flows of nodes over the real Host port to a real OpenSSH `sshd`, with the real programs of this machine.

What they would write under `/etc` goes below a directory, by an operator's file of commands. There is no systemd in
a container: `systemctl` and `systemd-run` are small scripts that keep what they are told in files. sshd, its rules,
install, cat, rm, rsyslogd, lscpu, lsblk, the watchdog and its look are real. The kernel has no iSCSI here.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess

import asyncssh
import pytest

from cloudmanager.config import load
from cloudmanager.flows import start
from cloudmanager.flows.base import Ports
from cloudmanager.flows.engine import Engine, EngineOptions
from cloudmanager.flows.nodes.asking import subject_of
from cloudmanager.host import catalogue
from cloudmanager.host_access import host_port
from cloudmanager.models import (
    AvailabilityStorage,
    FlowRow,
    Node,
    NodeAvailabilityStorage,
    NodeFacts,
    NodeLogin,
)
from cloudmanager.openstack.absent import absent_cloud
from cloudmanager.prometheus import Prometheus
from cloudmanager.system_clock import SystemClock
from cloudmanager.vault import Vault, create_key_file
from tests.peers.sshd import Sshd

pytestmark = pytest.mark.peer

SYSTEMCTL = """#!/bin/sh
# A directory for each unit: `enabled`, `active` and `starts` are its files.
units={directory}/units
while [ $# -gt 0 ]; do case "$1" in --*) [ "$1" = --now ] && now=yes; shift;; *) break;; esac; done
verb=$1; shift
while [ $# -gt 0 ]; do case "$1" in --*) [ "$1" = --now ] && now=yes; shift;; *) break;; esac; done
[ "$verb" = daemon-reload ] && exit 0
unit=$units/$1
[ -d "$unit" ] || [ ! -f {directory}/etc/systemd/system/"$1" ] || mkdir -p "$unit"
if [ "$verb" = show ]; then
  [ -d "$unit" ] || {{ printf 'LoadState=not-found\\nActiveState=inactive\\n'; exit 0; }}
  active=inactive; [ -e "$unit/active" ] && active=active
  file=disabled; [ -e "$unit/enabled" ] && file=enabled
  printf 'LoadState=loaded\\nActiveState=%s\\nUnitFileState=%s\\n' $active $file
  printf 'InvocationID=%s\\n' "$(wc -c < "$unit/starts" 2>/dev/null)"
  exit 0
fi
[ -d "$unit" ] || {{ echo "Unit $1 not found." >&2; exit 5; }}
begin() {{ touch "$unit/active"; printf x >> "$unit/starts"; }}
case "$verb" in
  enable) touch "$unit/enabled"; [ -z "$now" ] || begin;;
  disable) rm -f "$unit/enabled"; [ -z "$now" ] || rm -f "$unit/active";;
  start|restart) begin;;
  stop) rm -f "$unit/active";;
  reload|is-enabled) [ -e "$unit/active" ];;
  *) echo "Unknown command verb $verb." >&2; exit 1;;
esac
"""
SYSTEMD_RUN = """#!/bin/sh
echo "$*" >> {directory}/armed
"""
LOGS = "/etc/rsyslog.d/90-cloudmanager.conf"
RULES = "/etc/ssh/sshd_config.d/00-cloudmanager.conf"


def script(path, text):
    path.write_text(text)
    path.chmod(0o755)


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    """A directory that stands for the machine's own, with units that are installed."""
    directory = tmp_path_factory.mktemp("machine")
    (directory / "bin").mkdir()
    script(directory / "bin" / "systemctl", SYSTEMCTL.format(directory=directory))
    script(directory / "bin" / "systemd-run", SYSTEMD_RUN.format(directory=directory))
    for unit in ("snmpd.service", "ssh.service", "rsyslog.service"):
        (directory / "units" / unit).mkdir(parents=True)
        (directory / "units" / unit / "active").touch()
    (directory / "etc" / "ssh" / "sshd_config.d").mkdir(parents=True)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", directory / "host_key"], check=True)
    (directory / "sshd_config").write_text(
        f"Include {directory}/etc/ssh/sshd_config.d/*.conf\nHostKey {directory}/host_key\n"
    )
    (directory / "rsyslog.conf").write_text(
        f'include(file="{directory}/etc/rsyslog.d/*.conf" mode="optional")\n*.* action(type="omfile" file="/dev/null")\n'
    )
    write_commands(directory)
    return directory


def write_commands(machine):
    """The product's commands, with their files below the directory: what an operator may write."""
    tables = []
    for command in catalogue.load():
        lines = [f"[{command.name}]", f"summary = {json.dumps(command.summary)}"]
        lines += [
            f"run.{family} = {json.dumps([_moved(word, machine) for word in each])}"
            for family, each in command.run.items()
        ]
        lines += [
            f"arguments.{name} = {{pattern = {json.dumps(each.pattern.pattern)}}}"
            for name, each in command.arguments.items()
        ]
        lines += [f"{flag} = true" for flag in ("stdin", "idempotent") if getattr(command, flag)]
        lines += [
            f"success = {sorted(command.success)}",
            f"timeout = {command.timeout}",
            f"max_output = {command.max_output}",
        ]
        tables.append("\n".join(lines))
    (machine / "commands.toml").write_text("\n\n".join(tables))


def _moved(word, machine):
    if word == "/usr/sbin/sshd":
        return str(machine / "bin" / "sshd")
    if word in ("systemctl", "systemd-run", "rsyslogd"):
        return str(machine / "bin" / word)
    for path in ("/etc/os-release", "/usr/local/libexec"):
        if path in word:
            return word.replace("/usr/local/libexec", f"{machine}/libexec").replace(
                "/etc/default", f"{machine}/etc/default"
            )
    return word.replace("/etc/", f"{machine}/etc/")


class Site:
    """One node of an inventory, which is this machine by its sshd."""

    def __init__(self, database, secret_key, machine, peer, key):
        self.database, self.machine = database, machine
        script(machine / "bin" / "sshd", f'#!/bin/sh\nexec /usr/sbin/sshd "$@" -f {machine}/sshd_config\n')
        script(
            machine / "bin" / "rsyslogd",
            f'#!/bin/sh\nexec {shutil.which("rsyslogd")} "$@" -f {machine}/rsyslog.conf\n',
        )
        create_key_file(secret_key)
        vault = Vault(secret_key)
        self.config = load(
            overrides={
                ("host", "commands_file"): str(machine / "commands.toml"),
                ("node_actions", "settle"): 0.1,
                ("node_actions", "nodesafe_peers"): ["127.0.0.1"],
            }
        )
        with database.transaction() as session:
            node = Node(name="n1", ip_addresses=["127.0.0.1"])
            session.add(node)
            session.flush()
            self.node_id = node.id
            login = NodeLogin(
                node_id=node.id,
                login=peer.login,
                port_number=peer.port,
                sealed_ssh_key=vault.seal(key),
                host_key=peer.host_key,
                sudo=False,
            )
            session.add(login)
        self.port = host_port(database, vault, self.config)

    async def run(self, kind, **params):
        with self.database.transaction() as session:
            flow_id = start(
                session,
                kind,
                subject=subject_of(self.node_id),
                params={"node_id": self.node_id, **params},
                requested_by="tester",
                request_id=None,
            )
        ports = Ports(
            power=None,
            cloud=absent_cloud(),
            host=self.port,
            alerts=Prometheus(self.config.prometheus),
            clock=SystemClock(),
            config=self.config,
            **_other_ports(),
        )
        engine = Engine(self.database, ports, EngineOptions(), lambda _ids: None)
        async with asyncio.timeout(40):
            await engine.advance([flow_id])
        with self.database.reading() as session:
            return session.query(FlowRow).filter(FlowRow.id == flow_id).one()

    async def succeed(self, kind, **params):
        flow = await self.run(kind, **params)
        assert flow.status == "SUCCESS", (flow.error, flow.message)
        return flow

    def text_of(self, path):
        """What a file holds that would be at this path; None without it."""
        file = self.machine / path.lstrip("/")
        return file.read_text() if file.exists() else None

    def mode_of(self, path):
        return (self.machine / path.lstrip("/")).stat().st_mode & 0o777

    def unit(self, name):
        return {file.name for file in (self.machine / "units" / name).iterdir()} - {"starts"}


def _other_ports():
    """Ports that these flows do not touch."""
    known = {"power", "cloud", "host", "alerts", "clock", "config"}
    return {name: None for name in Ports.__dataclass_fields__ if name not in known}


@pytest.fixture(scope="module")
def key():
    return asyncssh.generate_private_key("ssh-ed25519")


@pytest.fixture(scope="module")
def peer(key):
    with Sshd(key.export_public_key().decode().strip(), domains=()) as host:
        yield host


@pytest.fixture
async def site(database, tmp_path, machine, peer, key):
    private = key.export_private_key("pkcs8-pem").decode()
    site = Site(database, tmp_path / "secret.key", machine, peer, private)
    yield site
    await site.port.close()


async def test_a_service(site):
    assert (await site.succeed("enable-snmp")).result == {"active": "active", "enabled": "enabled"}
    assert site.unit("snmpd.service") == {"active", "enabled"}
    await site.succeed("disable-snmp")
    assert site.unit("snmpd.service") == set()


async def test_rules_of_a_real_sshd(site):
    """Whom they admit, sshd itself says; and it is logged on to anew."""
    flow = await site.succeed("disable-ssh")
    assert flow.result == {"admitted": ["127.0.0.1"]}
    assert "Match Address *,!127.0.0.1" in site.text_of(RULES)
    assert site.mode_of(RULES) == 0o600
    assert "--on-active=120" in site.text_of("armed")
    await site.succeed("enable-ssh")
    assert site.text_of(RULES) is None


async def test_an_sshd_that_would_not_start(site):
    broken = site.machine / "etc" / "ssh" / "sshd_config.d" / "99.conf"
    broken.write_text("Bogus yes\n")
    flow = await site.run("disable-ssh")
    broken.unlink()
    assert "ssh-check failed with exit status 255" in flow.error
    assert site.text_of(RULES) is None


@pytest.mark.skipif(shutil.which("rsyslogd") is None, reason="rsyslog is not installed")
async def test_a_rule_that_a_real_rsyslogd_takes(site):
    await site.succeed("setup-log-redirection", host="logs.example.net")
    assert 'target="logs.example.net"' in site.text_of(LOGS)
    await site.succeed("disable-log-redirection", host=None)
    assert site.text_of(LOGS) is None
    flow = await site.run("setup-log-redirection", host='a" protocol="none')
    assert "rsyslog-check failed" in flow.error
    assert site.text_of(LOGS) is None


async def test_the_real_watchdog_is_tried(site):
    with site.database.transaction() as session:
        storage = AvailabilityStorage(name="s", compute_path="/", controller_path="/d")
        session.add(storage)
        session.flush()
        session.add(NodeAvailabilityStorage(node_id=site.node_id, availability_storage_id=storage.id))
    flow = await site.run("enable-nodesafe")
    if shutil.which("ping") is None:
        assert "no peer answers the watchdog" in flow.error
        assert "storage /" in flow.error
    else:
        assert flow.status == "SUCCESS", flow.error
        assert site.unit("cloudmanager-nodesafe.service") == {"active", "enabled"}
    assert site.mode_of("libexec/cloudmanager-nodesafe") == 0o755


async def test_facts_of_this_machine(site):
    flow = await site.succeed("collect-facts")
    assert {"disks", "processors"} <= set(flow.result["collected"])
    with site.database.reading() as session:
        facts = session.get(NodeFacts, site.node_id)
    assert facts.hwinfo["processors"]["cpus"] == os.cpu_count()
    assert facts.hwinfo["numa"][0]["cpus"].startswith("0")

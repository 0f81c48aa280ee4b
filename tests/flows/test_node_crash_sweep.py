"""Flows in the operating systems of nodes, cut off at each of their calls, come to the same end.

No update is begun twice, no service is restarted without need, and the way in is never lost.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field

import pytest

from cloudmanager.db import Database
from cloudmanager.flows import FLOWS
from cloudmanager.simulators.node_os import sshd

from .conftest import Cloud
from .node_systems import OURS
from .test_node_actions import TARGET, UUID, Site, controllers, serve, share

AT_MOST_ONCE = ("update-start",)


@dataclass(frozen=True)
class Case:
    """A flow, what is done before it, and what must hold after it."""

    kind: str
    params: dict = field(default_factory=dict)
    before: object = lambda site: None
    holds: object = lambda site: True
    fails: bool = False


def closed(site):
    return sshd.admits(site.system, OURS) and not sshd.admits(site.system, "192.0.2.1")


def closed_before(site):
    from cloudmanager.host.admission import admitting_only

    site.system.files[f"{sshd.DROP_INS}00-cloudmanager.conf"] = admitting_only([OURS])
    sshd.reload(site.system)


def of_file(path, text):
    return lambda site: text in site.system.files.get(path, "")


def locks_lost(site):
    serve(site, "a")
    share(site, "a", held=False)


def dcc(site):
    from cloudmanager.models import Node

    return {row.dcc for row in site.cloud.rows(Node)}


CPU, LOG = "/etc/nova/nova.conf.d/90-cloudmanager-cpu.conf", "/etc/rsyslog.d/90-cloudmanager.conf"
CASES = {
    "enable-snmp": Case("enable-snmp", holds=lambda site: site.unit("snmpd") == ("active", "enabled")),
    "disable-snmp": Case("disable-snmp", holds=lambda site: site.unit("snmpd") == ("inactive", "disabled")),
    "enable-ssh": Case(
        "enable-ssh", before=closed_before, holds=lambda site: sshd.admits(site.system, "192.0.2.1")
    ),
    "disable-ssh": Case("disable-ssh", holds=closed),
    "disable-ssh, not heeded": Case(
        "disable-ssh",
        before=lambda site: site.system.part(sshd.IGNORES_DROP_INS, True),
        holds=lambda site: site.system.files == {},
        fails=True,
    ),
    "enable-nodesafe": Case(
        "enable-nodesafe",
        before=lambda site: site.give_watch(),
        holds=lambda site: site.unit("cloudmanager-nodesafe") == ("active", "enabled"),
    ),
    "disable-nodesafe": Case(
        "disable-nodesafe", holds=lambda site: site.unit("cloudmanager-nodesafe")[0] == "inactive"
    ),
    "enable-dcc": Case("enable-dcc", holds=lambda site: dcc(site) == {True}),
    "disable-dcc": Case("disable-dcc", holds=lambda site: dcc(site) == {False}),
    "set-cpu-mode": Case(
        "set-cpu-mode", {"mode": "custom", "model": "EPYC"}, holds=of_file(CPU, "cpu_models = EPYC")
    ),
    "set-cpu-mode, refused": Case(
        "set-cpu-mode",
        {"mode": "maximum", "model": None},
        holds=lambda site: site.system.files == {} and site.unit("nova-compute")[0] == "active",
        fails=True,
    ),
    "setup-log-redirection": Case(
        "setup-log-redirection", {"host": "10.10.10.10"}, holds=of_file(LOG, '"10.10.10.10"')
    ),
    "disable-log-redirection": Case(
        "disable-log-redirection",
        {"host": None},
        before=lambda site: site.system.files.update({LOG: "# ours\n"}),
        holds=lambda site: LOG not in site.system.files,
    ),
    "update-system": Case("update-system", holds=lambda site: site.host.count()["update-start"] == 1),
    "discovery-nas": Case(
        "discovery-nas", {"addresses": ["10.40.38.2"]}, before=lambda site: site.add_storage()
    ),
    "attach-targets": Case(
        "attach-targets",
        {"targets": {"10.40.38.2": [TARGET]}, "vendor": "LIO-ORG", "product": None},
        before=lambda site: site.add_storage(),
        holds=lambda site: site.facts().nas == {"storage1": [TARGET]},
    ),
    "repair-locks": Case("repair-locks", {"host": "n1.demo.local"}, before=locks_lost),
    "collect-facts": Case(
        "collect-facts", holds=lambda site: site.facts().hwinfo["processors"]["sockets"] == 2
    ),
    "attach-nodes": Case(
        "attach-nodes", holds=lambda site: set(controllers(site).values()) == {(UUID, None)}
    ),
    "detach-nodes": Case(
        "detach-nodes", holds=lambda site: set(controllers(site).values()) == {(None, None)}
    ),
}
BELOW = {"attach-node", "detach-node"}


def test_every_flow_of_nodes_is_swept():
    ours = {kind for kind, flow in FLOWS.items() if flow.queue == "nodes"}
    assert {case.kind for case in CASES.values()} | BELOW == ours


@pytest.fixture
def sites(empty_database_file, tmp_path, monkeypatch):
    """As many fresh ones as a sweep wants."""
    opened = []

    def another(case):
        path = tmp_path / f"{len(opened)}.db"
        shutil.copy(empty_database_file, path)
        opened.append(Database(f"sqlite:///{path}", sqlite_synchronous="OFF"))
        site = Site(Cloud(opened[-1], monkeypatch))
        site.cloud.node_options["controllers"] = {UUID: "10.0.0.100"}
        case.before(site)
        return site

    yield another
    for database in opened:
        database.close()


async def run(site, case, **death):
    for moment, call in death.items():
        setattr(site.cloud.line, moment, call)
    if case.kind.endswith("-nodes"):
        params = {"controller": UUID, "nodes": {str(site.node_id): "n1.demo.local"}}
        flow_id = site.cloud.start_flow(case.kind, None, **params)
    else:
        flow_id = site.start(case.kind, **case.params)
    await site.cloud.sweep_until_ended(flow_id)
    return site.cloud.flow(flow_id)


def check(site, flow, case, undisturbed=None):
    assert flow.status == ("FAILURE" if case.fails else "SUCCESS"), flow.error
    assert case.holds(site)
    assert sshd.admits(site.system, OURS)
    assert undisturbed is None or flow.result == undisturbed.result or case.fails
    for command in AT_MOST_ONCE:
        assert site.host.count()[command] <= 1


@pytest.mark.parametrize("name", CASES)
async def test_crash_sweep(name, sites):
    """After each call; for calls that change something also before them, and with their answers lost."""
    case = CASES[name]
    site = sites(case)
    undisturbed = await run(site, case)
    check(site, undisturbed, case)
    calls, acts = site.cloud.line.calls, list(site.cloud.line.acts)
    deaths = [("die_after", call) for call in range(1, calls + 1)]
    deaths += [(moment, act) for moment in ("die_before", "lose_answer_of") for act in acts]
    for moment, call in deaths:
        site = sites(case)
        flow = await run(site, case, **{moment: call})
        try:
            check(site, flow, case, undisturbed)
        except AssertionError as problem:
            raise AssertionError(f"{moment} {call}: {problem}") from problem

"""The reference's examples of hosts, servers, aggregates, domains and of this module."""

from dataclasses import replace

import pytest
from sqlalchemy import update

from cloudmanager.api.services import attach
from cloudmanager.models import Audit
from cloudmanager.nova_database import NovaDatabase
from cloudmanager.openstack.records import Aggregate
from tests.api.story import NO_BODY, NOTHING, TASK_ID, end_tasks, play
from tests.api.test_domains import directory, domain  # noqa: F401  # fixtures
from tests.api.test_info import SAID, licence  # noqa: F401  # a fixture
from tests.api.test_system_metadata import Nova

VM = "45bb8680-c070-4080-be45-ec4d2312eda8"
DOMAIN = "4c8cb6a4be6f4b7ea2dd0b62c3a04ab5"
STARTED = {"task_id": TASK_ID}

HOST, OTHER = "mnode1.develop.stand.loc", "mnode2.develop.stand.loc"
MOVING = {"allow_off_vm": True, "allow_evacuate": True}
ANY_WAY = {"allow_live_migrate": True, "allow_migrate": True, "allow_evacuate": True}
HOSTS_STORY = [
    ("POST", f"/v1/hosts/{HOST}/actions/evacuate", None, 202, STARTED),
    end_tasks,
    ("POST", f"/v1/hosts/{HOST}/actions/shutdown", MOVING, 202, STARTED),
    end_tasks,
    ("POST", f"/v1/hosts/{HOST}/actions/decommission", ANY_WAY, 202, STARTED),
    end_tasks,
    ("POST", "/v1/hosts/actions/restart", {"hosts": [HOST, OTHER], **MOVING, "in_sequence": True}, 202, STARTED),
]  # fmt: skip
SERVERS_STORY = [
    ("POST", f"/v1/servers/{VM}/actions/balance", None, 202, NOTHING),
    end_tasks,
    ("POST", f"/v1/servers/{VM}/actions/recover", None, 202, STARTED),
    end_tasks,
    ("POST", f"/v1/servers/{VM}/actions/repair", None, 202, STARTED),
    end_tasks,
    ("POST", f"/v1/servers/{VM}/actions/reset-reboot", {"reboot": True}, 202, NOTHING),
    end_tasks,
    ("POST", f"/v1/servers/{VM}/actions/wakeup", None, 202, NOTHING),
    end_tasks,
    ("POST", f"/v1/servers/{VM}/actions/clone", {"count": 2}, 202, STARTED),
]
METADATA = {
    "image_base_image_ref": "f0576590-ad14-4963-a47d-4fd17b6ddb80",
    "image_container_format": "bare",
    "image_disk_format": "qcow2",
    "image_min_disk": "10",
    "image_min_ram": "0",
}
CHANGED = {**METADATA, "image_min_ram": "1"}
METADATA_STORY = [
    ("GET", f"/v1/system_metadata/{VM}", None, 200, {"metadata": METADATA}),
    ("PUT", f"/v1/system_metadata/{VM}", CHANGED, 204, NOTHING),
    ("GET", f"/v1/system_metadata/{VM}", None, 200, {"metadata": CHANGED}),
    ("DELETE", f"/v1/system_metadata/{VM}/removed/image_min_disk", None, 204, NOTHING),
]


def plan(api):
    """The worker's part: there is an empty plan."""
    end_tasks(api)
    with api.database.transaction() as session:
        told = {"moves": [], "switch_off": [], "switch_on": []}
        session.execute(update(Audit).values(status="DONE", plan=told, planned_at=4e9))


AGGREGATE_STORY = [
    ("POST", "/v1/aggregates/5/actions/execute-audit", NO_BODY, 202, {"audit": {"id": "$audit_id", "status": "NEW"}}),
    plan,
    ("POST", "/v1/aggregates/5/actions/get-audit-status", {"audit_id": "$audit_id"}, 200,
     {"audit": {"id": "$audit_id", "status": "DONE"}}),
    ("POST", "/v1/aggregates/5/actions/get-audit-status", {"audit_id": "1"}, 200, {"audit": {"id": 1, "status": "DONE"}}),
    ("POST", "/v1/aggregates/5/actions/apply-audit", {"audit_id": "$audit_id"}, 202, NOTHING),
    end_tasks,
    ("POST", "/v1/aggregates/5/actions/execute-audit", {"auto_apply": True}, 202,
     {"audit": {"id": "$next_audit_id", "status": "NEW"}}),
]  # fmt: skip
DOMAINS_STORY = [
    ("POST", "/domains/actions/get-store", None, 200, {"store": "file"}),
    ("POST", "/v1/domains/actions/get-store", None, 200, {"store": "file"}),
    ("POST", f"/v1/domains/{DOMAIN}/actions/configure", None, 204, NOTHING),
    ("POST", f"/v1/domains/{DOMAIN}/actions/configure", {"domain_id": DOMAIN}, 204, NOTHING),
    ("GET", "/v1/domains/totp-allowed", None, 200, {"totp_allowed": "false"}),
]
INFO_STORY = [
    ("GET", "/v1/info", None, 200, {"info": {"license": {**SAID, "verified": True}, "version": "$version"}})
]


@pytest.fixture
def vm(nova):
    """A server that runs, with two volumes."""
    nova.add_original(VM, "r1n01")


@pytest.fixture
def rows(vm, api, tmp_path):
    """Nova's table with the metadata of the example."""
    table = Nova(f"sqlite:///{tmp_path / 'nova.db'}")
    for key, value in METADATA.items():
        table.write(VM, key, value)
    database = NovaDatabase(table.url)
    attach(api.app, replace(api.services, nova_database=database))
    yield
    database.close()
    table.engine.dispose()


def test_hosts(api, nova):
    for name in (HOST, OTHER):
        nova.add_host(name, nova.hosts["r1n01"].machine)
    play(api, HOSTS_STORY)


def test_servers(api, vm):
    play(api, SERVERS_STORY)


@pytest.mark.usefixtures("rows")
def test_system_metadata(api):
    play(api, METADATA_STORY)


def test_audits(api, nova):
    nova.host_aggregates = [Aggregate(5, "prod", None, frozenset({"r1n01", "r1n03"}))]
    known = play(api, AGGREGATE_STORY)
    assert type(known["audit_id"]) is int


@pytest.mark.usefixtures("domain")
def test_domains(api):
    play(api, DOMAINS_STORY)


@pytest.mark.usefixtures("licence")
def test_this_module(api):
    assert type(play(api, INFO_STORY)["version"]) is str

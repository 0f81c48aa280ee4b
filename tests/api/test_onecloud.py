"""OneCloud through the API, over a simulated OpenStack: documented fields, tenants, errors."""

from __future__ import annotations

import json
import logging
import re
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import inspect, text

from cloudmanager import config
from cloudmanager.app import create_app
from cloudmanager.errors import Misconfigured
from cloudmanager.models import Node
from cloudmanager.simulators.http_faults import HttpFaults
from tests.keystone import PASSWORD
from tests.onecloud_site import SECRET, OneCloudSite

RECORDED = Path(__file__).parents[1] / "recordings" / "onecloud"
DOCUMENTED = json.loads((RECORDED / "server.json").read_text())
NOBODY = "9d3c1a52-0000-4000-8000-000000000000"
JSON = "application/json; charset=UTF-8"

pytestmark = pytest.mark.filterwarnings("ignore::openstack.warnings._RemovedInSDKWarning")


@pytest.fixture(scope="module")
def site():
    with OneCloudSite() as running:
        yield running


@pytest.fixture
def one(api, site):
    """The application, with the tokens of the site's users."""
    return site.serve(api)


def shown(one, name, site, **options):
    return one.get(f"/onecloud/servers/{site.ids[name]}", **options)["server"]


def names(one, path="/onecloud/servers", **options):
    return [server["name"] for server in one.get(path, **options)["servers"]]


# --- the documented form -----------------------------------------------------------------------------------


def test_every_documented_field_is_there_with_its_kind(one, site):
    server = shown(one, "web", site)
    assert set(server) == {*DOCUMENTED, "rack"}
    for name, value in server.items():
        if value is not None and name != "rack":
            assert type(value) is type(DOCUMENTED[name]), name
    for name in ("disks_info", "nics", "secgroups"):
        assert set(server[name][0]) == set(DOCUMENTED[name][0]), name


def test_fields_are_filled_from_everywhere(one, site):
    server = shown(one, "web", site)
    assert server["status"] == "running"
    assert (server["vcpu_count"], server["vmem_size"]) == (1, 1024)
    assert (server["flavor_id"], server["instance_type"]) == ("1", "m1.small")
    assert (server["project"], server["project_id"]) == ("fleet", site.fleet.id)
    assert (server["project_domain"], server["tenant"]) == ("Default", "fleet")
    assert server["region"] == "RegionOne"
    assert server["metadata"] == {"tier": "front"}
    assert server["description"] == "of fleet"
    assert server["zone"] == "nova"
    assert [disk["size"] for disk in server["disks_info"]] == [1024, 2048]
    assert [disk["id"] for disk in server["disks_info"]] == [None, site.volume_id]
    assert server["disks_info"][0]["image"] == "tiny"
    assert (server["disk"], server["disk_count"]) == (3072, 2)
    assert server["disks"] == "disk0:1024M,disk1:2048M"
    [nic] = server["nics"]
    assert nic["ip_addr"].startswith("10.0.0.")
    assert (nic["network_id"], nic["is_exit"]) == (site.network.id, True)
    assert nic["mac"].startswith("fa:16:3e:")
    assert (server["eip"], server["eip_mode"]) == ("203.0.113.7", "elastic_ip")
    assert nic["ip_addr"] in server["ips"].split(",")
    assert [group["name"] for group in server["secgroups"]] == ["default"]
    assert server["secgrp_id"] == server["secgroups"][0]["id"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", server["created_at"])


def test_an_admin_sees_where_it_runs(one, site):
    host = site.do(site.nova.tables.server, site.ids["web"]).host
    with one.database.transaction() as session:
        session.add(Node(name=host, rack_number=7, inventory_code="R7-01"))
    server = shown(one, "web", site, role="admin")
    assert (server["host"], server["rack"], server["host_sn"]) == (host, 7, "R7-01")
    assert (server["host_status"], server["host_service_status"]) == ("running", "online")
    assert server["hypervisor"]


def test_tenants_do_not_see_where_it_runs(one, site):
    server = shown(one, "web", site, role="member")
    fields = ("host", "host_id", "host_sn", "host_status", "host_service_status", "hypervisor", "rack")
    assert [server[name] for name in fields] == [None] * len(fields)


def test_the_documents_list_pasted(one, site):
    path = "/servers?details=true&with_meta=true&limit=1"
    response = one.ask("GET", path, headers={"Content-Type": "application/json"}, role="member")
    assert response.status_code == 200
    assert response.headers["Content-Type"] == JSON
    assert response.headers["X-Request-Id"] == response.headers["X-Openstack-Request-Id"]
    body = response.json
    assert {key: body[key] for key in ("limit", "offset", "total")} == {"limit": 1, "offset": 0, "total": 1}
    assert body["servers"] == [shown(one, "web", site, role="member")]
    assert set(body) == {"limit", "offset", "total", "servers"}


def test_the_documents_detail_pasted(one, site):
    response = one.ask("GET", f"/servers/{site.ids['web']}", role="member")
    assert (response.status_code, response.headers["Content-Type"]) == (200, JSON)
    assert set(response.json) == {"server"}


def test_errors_are_of_this_form_too(one):
    response = one.ask("GET", f"/servers/{NOBODY}")
    assert response.status_code == 404
    assert response.headers["X-Request-Id"].startswith("req-")


def test_without_details_nobody_but_nova_is_asked(one, site):
    neutron = site.openstack.servers["neutron"].requests
    neutron.clear()
    [server] = one.get("/onecloud/servers", role="member")["servers"]
    assert (server["name"], server["disks_info"], server["nics"], server["metadata"]) == (
        "web",
        None,
        None,
        None,
    )
    assert not neutron
    assert set(server) == {*DOCUMENTED, "rack"}


# --- lists -------------------------------------------------------------------------------------------------


def test_pages(one):
    first = one.get("/onecloud/servers?limit=1", role="admin")
    second = one.get("/onecloud/servers?limit=1&offset=1", role="admin")
    beyond = one.get("/onecloud/servers?limit=1&offset=2", role="admin")
    assert [page["total"] for page in (first, second, beyond)] == [2, 2, 2]
    found = [server["name"] for page in (first, second, beyond) for server in page["servers"]]
    assert sorted(found) == ["theirs", "web"]
    assert one.get("/onecloud/servers", role="admin")["limit"] == 0
    links = [one.ask("GET", f"/servers?limit=1&offset={offset}").headers.get("Link") for offset in range(3)]
    assert links == ['</onecloud/servers?offset=1&limit=1>; rel="next"', None, None]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("name=web", ["web"]),
        ("name=like:%25e%25", ["theirs", "web"]),
        ("name=in:web,none", ["web"]),
        ("status=running", ["theirs", "web"]),
        ("status=ready", []),
        ("zone=nova", ["theirs", "web"]),
    ],
)
def test_filters(one, query, found):
    assert sorted(names(one, f"/onecloud/servers?{query}", role="admin")) == found


@pytest.mark.parametrize("query", ["limit=x", "limit=-1", "offset=1.5", "details=maybe", "colour=red"])
def test_bad_values_are_named(one, query):
    body = one.get(f"/onecloud/servers?{query}", 422)
    assert list(body["error"]["errors"]) == [query.partition("=")[0]]


# --- tenants -----------------------------------------------------------------------------------------------


def test_a_project_bounds_what_is_seen(one):
    assert names(one, role="member") == names(one, role="reader") == ["web"]
    assert names(one, role="other") == ["theirs"]
    assert sorted(names(one, role="admin")) == ["theirs", "web"]


def test_a_filter_leads_to_no_other_project(one, site):
    path = f"/onecloud/servers?project_id={site.other.id}"
    assert names(one, path, role="member") == []
    assert names(one, path, role="admin") == ["theirs"]


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_another_tenants_server_is_as_one_that_is_not(one, site, method):
    answers = []
    for server_id in (site.ids["theirs"], NOBODY):
        body = {"server": {"name": "mine"}} if method == "PUT" else None
        response = one.ask(method, f"/onecloud/servers/{server_id}", body, role="member")
        assert response.status_code == 404
        answers.append(response.json["error"]["message"].replace(server_id, "ID"))
    assert answers[0] == answers[1]
    assert shown(one, "theirs", site, role="other")["name"] == "theirs"


def test_a_token_without_a_project_sees_nothing(one):
    one.get("/onecloud/servers", 403, role="nobody")


def test_a_reader_changes_nothing(one, site):
    path = f"/onecloud/servers/{site.ids['web']}"
    one.put(path, {"server": {"name": "x"}}, 403, role="reader")
    one.delete(path, 403, role="reader")
    one.post("/onecloud/servers", {"server": wish(site)}, 403, role="reader")


@pytest.mark.parametrize("token", [None, "wrong"])
def test_without_a_good_token_nothing_is_told(one, token):
    headers = {"X-Auth-Token": token} if token else {}
    response = one.app.test_client().get("/servers", headers=headers)
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"].startswith("Keystone uri=")


def test_tokens_of_our_own_are_not_for_this(api):
    assert "keystone" in api.get("/onecloud/servers", 501)["error"]["message"]
    api.get(f"/onecloud/servers/{NOBODY}", 501)
    api.post("/onecloud/v3/auth/tokens", {"auth": {"identity": {}}}, 501)


def test_who_asks_too_often_waits_and_nobody_else(api, site):
    one = site.serve(api, {("onecloud", "rate"): 0.01, ("onecloud", "burst"): 2})
    for _ in range(2):
        one.get("/servers", role="member")
    response = one.ask("GET", "/servers", role="member")
    assert response.status_code == 429
    assert int(response.headers["Retry-After"]) > 0
    assert "[onecloud] rate" in response.json["error"]["message"]
    one.get("/servers", role="other")
    for status in (201, 201, 429):
        one.post("/v3/auth/tokens", login(), status)


# --- changes -----------------------------------------------------------------------------------------------


def wish(site, **more):
    return {
        "name": "made",
        "description": "by a test",
        "instance_type": "m1.small",
        "disks_info": [{"image_id": site.image.id}],
        "nics": [{"network_id": site.network.id}],
        "metadata": {"tier": "back"},
        **more,
    }


def test_a_server_is_made_renamed_and_deleted_as_its_owner(one, site):
    response = one.ask("POST", "/servers", {"server": wish(site)}, role="member")
    assert response.status_code == 201, response.text
    made = response.json["server"]
    assert response.headers["Location"] == f"/onecloud/servers/{made['id']}"
    assert (made["name"], made["description"], made["project"]) == ("made", "by a test", "fleet")
    assert made["metadata"] == {"tier": "back"}
    owner = site.do(site.nova.tables.server, made["id"]).user_id
    assert site.identity.users[owner].name == "member"
    path = f"/servers/{made['id']}"
    changed = one.put(path, {"server": {"name": "renamed"}}, role="member")["server"]
    assert (changed["name"], changed["description"]) == ("renamed", "by a test")
    changed = one.put(path, {"server": {"description": ""}}, role="member")["server"]
    assert (changed["name"], changed["description"]) == ("renamed", "")
    one.delete(path, role="member")
    assert "renamed" not in names(one, role="member") or shown_status(one, made["id"]) == "deleting"


def shown_status(one, server_id):
    response = one.ask("GET", f"/servers/{server_id}", role="member")
    return response.json["server"]["status"] if response.status_code == 200 else "deleting"


def test_a_server_is_made_once_with_a_key(one, site):
    for _ in range(2):
        one.post(
            "/servers",
            {"server": wish(site, name="once")},
            role="member",
            headers={"Idempotency-Key": "made-once-by-this-test"},
        )
    found = one.get("/servers?name=once", role="member")
    assert found["total"] == 1
    one.delete(f"/servers/{found['servers'][0]['id']}", role="member")


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ({"instance_type": "m9.huge"}, "m9.huge"),
        ({"instance_type": None, "flavor_id": "777"}, "777"),
        ({"disks_info": [{"image_id": NOBODY}]}, NOBODY),
        ({"nics": [{"network_id": NOBODY}]}, NOBODY),
    ],
    ids=["flavor name", "flavor", "image", "network"],
)
def test_what_is_unknown_is_named(one, site, more, named):
    body = {name: value for name, value in wish(site, **more).items() if value is not None}
    assert named in one.post("/servers", {"server": body}, 400, role="member")["error"]["message"]


def test_a_quota_is_told_with_its_numbers(one, site):
    site.do(site.nova.quotas.change, site.fleet.id, {"instances": 1})
    try:
        error = one.post("/servers", {"server": wish(site)}, 403, role="member")["error"]
    finally:
        site.do(site.nova.quotas.change, site.fleet.id, {"instances": -1})
    assert "already used 1 of 1 instances" in error["message"]


def test_a_program_makes_servers_with_its_credential(one, site):
    """Its tokens must not be exchanged for others."""
    credential = site.identity.add_credential("program", site.user("member"), site.fleet, "s3cret")
    said = {"id": credential.id, "secret": "s3cret"}
    auth = {"identity": {"methods": ["application_credential"], "application_credential": said}}
    one.tokens["program"] = one.ask("POST", "/v3/auth/tokens", {"auth": auth}).headers["X-Subject-Token"]
    made = one.post("/servers", {"server": wish(site, name="by a program")}, role="program")["server"]
    one.delete(f"/servers/{made['id']}", role="program")


def test_an_unknown_key_is_refused_in_novas_words(one, site):
    error = one.post("/servers", {"server": wish(site, keypair="none")}, 400, role="member")["error"]
    assert "key_name" in error["message"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": ""}, "name"),
        ({"colour": "red"}, "colour"),
        ({"flavor_id": "1"}, "flavor_id"),
        ({"instance_type": None}, "flavor_id"),
        ({"disks_info": []}, "disks_info"),
        ({"disks_info": [{"image_id": "no uuid"}]}, "disks_info.0.image_id"),
        ({"metadata": {"a": 1}}, "metadata.a.value"),
    ],
    ids=["blank", "unknown", "two flavors", "no flavor", "no disk", "image", "metadata"],
)
def test_wrong_fields_are_named(one, site, body, field):
    sent = {name: value for name, value in wish(site, **body).items() if value is not None}
    errors = one.post("/servers", {"server": sent}, 422, role="member")["error"]["errors"]
    assert list(errors) == [field]


def test_a_server_that_a_task_works_on_is_not_deleted(one, site):
    task = one.post(f"/v1/servers/{site.ids['web']}/actions/wakeup", None, 202, role="admin")
    assert task is None
    error = one.delete(f"/servers/{site.ids['web']}", 409, role="member")["error"]
    assert error["task_id"] in one.bell.rung
    assert "web" in names(one, role="member")


# --- tokens ------------------------------------------------------------------------------------------------


def login(**user):
    """What the document shows, filled in by somebody who leaves blank what it has no use for."""
    request = json.loads((RECORDED / "token_request.json").read_text())
    blank = _blank(request["auth"])
    blank["identity"]["methods"] = ["password"]
    blank["identity"]["password"]["user"] |= {
        "name": "member",
        "password": PASSWORD,
        "Domain": {"id": "", "name": "Default"},
        **user,
    }
    blank["scope"]["project"] |= {"name": "fleet", "domain": {"id": "", "name": "Default"}}
    blank["context"] = {"ip": "", "source": "console"}
    return {"auth": blank}


def _blank(value):
    if isinstance(value, dict):
        return {name: _blank(inner) for name, inner in value.items()}
    return [] if isinstance(value, list) else ""


def test_the_documents_login_gives_a_token_that_works(one, site):
    response = one.ask("POST", "/v3/auth/tokens", login())
    assert response.status_code == 201, response.text
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["Vary"] == "X-Auth-Token"
    assert response.headers["X-Request-Id"].startswith("req-")
    token = response.headers["X-Subject-Token"]
    assert token not in response.text
    one.tokens["fresh"] = token
    assert "web" in names(one, role="fresh")


def test_the_token_is_told_in_onecloud_spellings(one, site):
    said = one.post("/v3/auth/tokens", login())["token"]
    documented = json.loads((RECORDED / "token.json").read_text())["token"]
    assert set(said) == set(documented)
    for name in ("user", "project"):
        assert set(said[name]) == set(documented[name]), name
    for name in ("catalog", "projects", "role_assignments", "roles"):
        assert set(said[name][0]) == set(documented[name][0]), name
    assert set(said["catalog"][0]["endpoints"][0]) == set(documented["catalog"][0]["endpoints"][0])
    [assignment] = [one for one in said["role_assignments"] if one["role"]["name"] == "member"]
    for name, inner in documented["role_assignments"][0].items():
        if assignment[name] is not None:
            assert set(assignment[name]) == set(inner), name
    assert said["user"]["Name"] == "member"
    assert said["user"]["Domain"]["name"] == "Default"
    assert said["project"] == {"Domain": said["user"]["Domain"], "Id": site.fleet.id, "Name": "fleet"}
    assert said["projects"] == [said["project"]]
    assert "member" in [role["name"] for role in said["roles"]]
    assert said["context"]["source"] == "console"
    for name in ("expires_at", "issued_at"):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", said[name])


def test_keystones_own_form_is_taken_as_well(one):
    user = {"name": "member", "password": PASSWORD, "domain": {"name": "Default"}}
    auth = {"identity": {"methods": ["password"], "password": {"user": user}}}
    said = one.post("/v3/auth/tokens", {"auth": auth})["token"]
    assert (said["project"], said["roles"], said["catalog"]) == (None, [], [])
    assert [project["Name"] for project in said["projects"]] == ["fleet"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (lambda: login(password=SECRET), 401),
        (lambda: login(name="nobody"), 401),
        (lambda: {"auth": {"identity": {"methods": ["cas_ticket"], "cas_ticket": {"id": SECRET}}}}, 401),
        (lambda: {"auth": {"identity": {"methods": []}}}, 400),
        (lambda: {"auth": {"identity": {}}}, 400),
        (lambda: {"auth": {}}, 422),
        (dict, 422),
    ],
    ids=["password", "user", "method", "no method", "nothing", "no identity", "empty"],
)
def test_refusals_of_keystone_are_kept(one, body, status):
    response = one.ask("POST", "/v3/auth/tokens", body())
    assert response.status_code == status, response.text
    assert "X-Subject-Token" not in response.headers
    assert SECRET not in response.text
    assert "[nova]" not in response.text
    if status == 401:
        assert response.headers["WWW-Authenticate"].startswith("Keystone uri=")


def test_a_keystone_that_is_away_is_said_to_be(one, site):
    site.service.faults = HttpFaults(status=503)
    try:
        one.post("/v3/auth/tokens", login(), 504)
    finally:
        site.service.faults = HttpFaults()


def test_neither_passwords_nor_tokens_are_written_down(one, site, capsys, caplog):
    caplog.set_level(logging.DEBUG)
    key = {"Idempotency-Key": "a-key-that-nobody-heeds"}
    tokens = [
        one.ask("POST", "/v3/auth/tokens", login(), headers=key).headers["X-Subject-Token"] for _ in range(2)
    ]
    assert tokens[0] != tokens[1]
    one.ask("POST", "/v3/auth/tokens", login(password=SECRET))
    one.ask("POST", "/v3/auth/tokens", {"auth": {"identity": SECRET}})
    one.ask("GET", "/servers", headers={"X-Auth-Token": tokens[0]})
    with one.database.reading() as session:
        tables = inspect(session.connection()).get_table_names()
        kept = [str(session.execute(text(f"SELECT * FROM {name}")).all()) for name in tables]
    written = "".join([*kept, *capsys.readouterr(), caplog.text])
    assert "create_onecloud_token" in written
    for secret in (PASSWORD, SECRET, *tokens):
        assert secret not in written


# --- where it is -------------------------------------------------------------------------------------------


def test_a_prefix_of_ones_own(api, key_file):
    options = {("onecloud", "prefix"): "/clouds/one"}
    app = create_app(replace(api.services, config=config.load(overrides=options)))
    client = app.test_client()
    assert client.get("/clouds/one/servers").status_code == 401
    assert client.get(f"/clouds/one/servers/{NOBODY}/").status_code == 401
    assert client.post("/clouds/one/v3/auth/tokens", json={"auth": {"identity": {}}}).status_code == 501
    assert client.get("/onecloud/servers").status_code == 401
    assert client.get("/servers").status_code == 404


@pytest.mark.parametrize("prefix", ["clouds", "/a b", "/", "/a/"])
def test_a_prefix_that_is_no_path_stops_the_start(prefix):
    with pytest.raises(Misconfigured, match="regex"):
        config.load(overrides={("onecloud", "prefix"): prefix})

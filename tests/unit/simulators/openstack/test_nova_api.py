"""The simulated Nova by plain HTTP: versions, who may ask what, shapes, pages, refusals."""

import time
from urllib.parse import urlsplit

import httpx
import pytest

from cloudmanager.simulators.http_faults import HttpFaults
from cloudmanager.simulators.openstack.volumes.rows import Volume
from tests.compute_cloud import HOSTS, RunningComputeCloud

NOBODY = "11111111-2222-3333-4444-555555555555"


@pytest.fixture(scope="module")
def cloud():
    with RunningComputeCloud() as running, httpx.Client() as running.http:
        running.tokens = {name: running.token(name) for name in ("admin", "member", "reader")}
        yield running


class Asker:
    """One user who speaks one version."""

    def __init__(self, cloud, name, version="2.96"):
        self.cloud = cloud
        self.headers = {"X-Auth-Token": cloud.tokens[name], "OpenStack-API-Version": f"compute {version}"}

    def __call__(self, method, path, body=None):
        return self.cloud.http.request(
            method, f"{self.cloud.nova_url}/{path}", headers=self.headers, json=body
        )

    def get(self, path):
        answer = self("GET", path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def act(self, server_id, verb, given=None):
        return self("POST", f"servers/{server_id}/action", {verb: given})

    def server(self, server_id):
        return self.get(f"servers/{server_id}")["server"]

    def boot(self, **what):
        wish = {"name": "vm", "flavorRef": "1", "imageRef": self.cloud.image.id, "networks": "none"} | what
        made = self("POST", "servers", {"server": wish})
        assert made.status_code == 202, made.text
        return self.settled(made.json()["server"]["id"])

    def settled(self, server_id, status="ACTIVE"):
        return until(
            lambda: self.server(server_id), lambda s: s["status"] == status and not s["OS-EXT-STS:task_state"]
        )

    def migration(self, server_id, *statuses):
        path = f"os-migrations?instance_uuid={server_id}"
        return until(
            lambda: self.get(path)["migrations"], lambda rows: rows and rows[0]["status"] in statuses
        )[0]


def until(read, good):
    """What is read as soon as it is good."""
    end = time.monotonic() + 10
    while not good(found := read()):
        assert time.monotonic() < end, found
        time.sleep(0.01)
    return found


@pytest.fixture(scope="module")
def admin(cloud):
    return Asker(cloud, "admin")


@pytest.fixture(scope="module")
def member(cloud):
    return Asker(cloud, "member")


@pytest.fixture
def server(member, admin):
    made = member.boot()
    yield admin.server(made["id"])
    admin("DELETE", f"servers/{made['id']}")


@pytest.fixture
def dead(cloud, admin):
    """Cut the power of a host; afterwards it has it again."""
    names = []

    def die(name):
        names.append(name)
        cloud.do(cloud.world.power_off, name)
        until(lambda: service(admin, name), lambda row: row["state"] == "down")

    yield die
    for name in names:
        cloud.do(cloud.world.power_on, name)
        until(lambda name=name: service(admin, name), lambda row: row["state"] == "up")


def service(asker, host):
    [row] = asker.get(f"os-services?binary=nova-compute&host={host}")["services"]
    return row


# --- versions and tokens --------------------------------------------------------------------------------------


def test_versions_are_told_without_a_token(cloud):
    root = cloud.nova_url.removesuffix("/v2.1")
    [listed] = cloud.http.get(f"{root}/").json()["versions"]
    shown = cloud.http.get(f"{cloud.nova_url}/").json()["version"]
    assert (shown["id"], shown["min_version"], shown["version"], shown["status"]) == (
        "v2.1",
        "2.1",
        "2.96",
        "CURRENT",
    )
    assert listed["version"] == "2.96"


def test_without_a_good_token_nothing_is_told(cloud):
    for headers in ({}, {"X-Auth-Token": "bad"}):
        answer = cloud.http.get(f"{cloud.nova_url}/servers", headers=headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Keystone uri=")


@pytest.mark.parametrize(
    ("version", "status"),
    [("2.1", 200), ("2.96", 200), ("latest", 200), ("2.500", 406), ("1.0", 406), ("x", 400)],
)
def test_microversions(cloud, version, status):
    assert Asker(cloud, "admin", version)("GET", "servers").status_code == status


def test_the_older_header_and_what_was_spoken(cloud):
    headers = {"X-Auth-Token": cloud.tokens["admin"], "X-OpenStack-Nova-API-Version": "2.60"}
    answer = cloud.http.get(f"{cloud.nova_url}/servers", headers=headers)
    assert answer.headers["x-openstack-nova-api-version"] == "2.60"
    assert answer.headers["openstack-api-version"] == "compute 2.60"
    answer = cloud.http.get(f"{cloud.nova_url}/servers", headers={"X-Auth-Token": cloud.tokens["admin"]})
    assert answer.headers["openstack-api-version"] == "compute 2.1"


def test_a_project_in_the_path(cloud, admin):
    assert admin("GET", f"{cloud.fleet.id}/servers").status_code == 200


def test_request_ids_lead_to_the_action(admin, server):
    answer = admin.act(server["id"], "os-stop")
    request_id = answer.headers["x-openstack-request-id"]
    assert request_id == answer.headers["x-compute-request-id"]
    assert request_id.startswith("req-")
    admin.settled(server["id"], "SHUTOFF")
    found = admin.get(f"servers/{server['id']}/os-instance-actions/{request_id}")["instanceAction"]
    assert (found["action"], found["request_id"]) == ("stop", request_id)
    assert [event["result"] for event in found["events"]] == ["Success"]
    assert admin("GET", f"servers/{server['id']}/os-instance-actions/req-x").status_code == 404


# --- who may ask what -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "os-services", None),
        ("PUT", f"os-services/{NOBODY}", {"status": "disabled"}),
        ("DELETE", f"os-services/{NOBODY}", None),
        ("GET", "os-hypervisors", None),
        ("GET", "os-hypervisors/detail", None),
        ("GET", "os-aggregates", None),
        ("POST", "os-aggregates", {"aggregate": {"name": "a"}}),
        ("GET", "os-migrations", None),
        ("GET", "servers?all_tenants=1", None),
        ("GET", "os-availability-zone/detail", None),
        ("POST", "flavors", {"flavor": {}}),
        ("POST", "servers/{id}/action", {"os-migrateLive": {"host": None, "block_migration": "auto"}}),
        ("POST", "servers/{id}/action", {"migrate": None}),
        ("POST", "servers/{id}/action", {"evacuate": {}}),
        ("POST", "servers/{id}/action", {"os-resetState": {"state": "active"}}),
        ("GET", "servers/{id}/migrations", None),
        ("GET", "servers/{id}/diagnostics", None),
    ],
)
def test_what_is_for_administrators_alone(member, server, method, path, body):
    answer = member(method, path.format(id=server["id"]), body)
    assert answer.status_code == 403
    assert "Policy doesn't allow" in answer.json()["forbidden"]["message"]


def test_a_reader_changes_nothing(cloud, server):
    reader = Asker(cloud, "reader")
    assert reader.server(server["id"])["name"] == "vm"
    assert reader.act(server["id"], "os-stop").status_code == 403
    assert reader("DELETE", f"servers/{server['id']}").status_code == 403
    wish = {"name": "x", "flavorRef": "1", "imageRef": cloud.image.id, "networks": "none"}
    assert reader("POST", "servers", {"server": wish}).status_code == 403


def test_a_member_sees_no_host_and_no_other_project(cloud, member, admin, server):
    shown = member.server(server["id"])
    assert not [
        key for key in shown if key.startswith("OS-EXT-SRV-ATTR:") and key != "OS-EXT-SRV-ATTR:hostname"
    ]
    assert "host_status" not in shown
    assert len(shown["hostId"]) == 56
    assert server["OS-EXT-SRV-ATTR:host"] in HOSTS
    stranger = cloud.http.get(
        f"{cloud.nova_url}/servers/{server['id']}", headers={"X-Auth-Token": cloud.token("reader", "other")}
    )
    assert stranger.status_code == 404
    assert stranger.json()["itemNotFound"]["code"] == 404


def test_a_lock_stops_a_member_and_not_an_administrator(member, admin, server):
    assert member.act(server["id"], "lock", {"locked_reason": "mine"}).status_code == 202
    shown = member.server(server["id"])
    assert (shown["locked"], shown["locked_reason"]) == (True, "mine")
    admin.act(server["id"], "lock", {"locked_reason": "integrity"})
    refused = member.act(server["id"], "os-stop")
    assert (refused.status_code, "is locked" in refused.text) == (409, True)
    assert member("DELETE", f"servers/{server['id']}").status_code == 409
    assert member.act(server["id"], "unlock").status_code == 403  # an administrator locked it
    assert admin.act(server["id"], "os-stop").status_code == 202
    admin.settled(server["id"], "SHUTOFF")
    assert admin.act(server["id"], "unlock").status_code == 202
    assert member.act(server["id"], "os-start").status_code == 202


# --- shapes ---------------------------------------------------------------------------------------------------


def test_the_flavor_in_a_server(cloud, server):
    old = Asker(cloud, "admin", "2.46").server(server["id"])["flavor"]
    new = Asker(cloud, "admin", "2.47").server(server["id"])["flavor"]
    assert old.keys() == {"id", "links"}
    assert (new["original_name"], new["ram"], new["vcpus"], new["extra_specs"]) == ("m1.small", 1024, 1, {})


@pytest.mark.parametrize(
    ("key", "minor"),
    [
        ("locked", 9),
        ("host_status", 16),
        ("description", 19),
        ("tags", 26),
        ("trusted_image_certificates", 63),
        ("server_groups", 71),
        ("locked_reason", 73),
        ("pinned_availability_zone", 96),
    ],
)
def test_what_came_with_a_version(cloud, server, key, minor):
    assert key not in Asker(cloud, "admin", f"2.{minor - 1}").server(server["id"])
    assert key in Asker(cloud, "admin", f"2.{minor}").server(server["id"])


def test_ids_of_services_and_hypervisors(cloud):
    old, new = Asker(cloud, "admin", "2.52"), Asker(cloud, "admin", "2.53")
    assert isinstance(service(old, "c1")["id"], int)
    assert service(new, "c1")["id"].count("-") == 4
    assert isinstance(old.get("os-hypervisors")["hypervisors"][0]["id"], int)
    assert new.get("os-hypervisors")["hypervisors"][0]["id"].count("-") == 4
    assert old("GET", f"os-hypervisors/{NOBODY}").status_code == 404
    assert new("GET", "os-hypervisors/1").status_code == 400


def test_a_hypervisor_lost_its_sizes_in_2_88(cloud):
    [old, *_] = Asker(cloud, "admin", "2.87").get("os-hypervisors/detail")["hypervisors"]
    [new, *_] = Asker(cloud, "admin", "2.88").get("os-hypervisors/detail")["hypervisors"]
    assert {"vcpus", "memory_mb", "running_vms", "cpu_info"} <= old.keys()
    assert old["cpu_info"]["vendor"] == "Intel"
    assert not {"vcpus", "memory_mb", "running_vms", "cpu_info"} & new.keys()
    assert "uptime" in new
    assert Asker(cloud, "admin", "2.88")("GET", "os-hypervisors/statistics").status_code == 404
    assert (
        Asker(cloud, "admin", "2.87").get("os-hypervisors/statistics")["hypervisor_statistics"]["count"] == 3
    )


def test_a_hypervisor_names_its_servers(admin, server):
    host = server["OS-EXT-SRV-ATTR:host"]
    [row] = admin.get(f"os-hypervisors?with_servers=true&hypervisor_hostname_pattern={host}")["hypervisors"]
    assert {"name": "vm", "uuid": server["id"]} in row["servers"]
    assert admin("GET", "os-hypervisors?hypervisor_hostname_pattern=zz").status_code == 404


# --- lists ----------------------------------------------------------------------------------------------------


def test_pages_of_servers(admin, member):
    made = [member.boot(name=f"page-{number}")["id"] for number in range(5)]
    found, path = [], "servers?name=page&limit=2"
    while path:
        page = admin.get(path)
        assert len(page["servers"]) <= 2
        found += [row["id"] for row in page["servers"]]
        following = page.get("servers_links", [{}])[0].get("href")
        path = f"servers?{urlsplit(following).query}" if following else None
    assert found == made[::-1]
    assert "servers_links" in admin.get("servers?name=page&limit=5")
    assert admin("GET", f"servers?marker={NOBODY}").status_code == 400
    assert admin("GET", "servers?limit=x").status_code == 400
    for server_id in made:
        admin("DELETE", f"servers/{server_id}")


def test_filters_of_servers(cloud, admin, member, server):
    host = server["OS-EXT-SRV-ATTR:host"]

    def found(query, asker=admin):
        return server["id"] in [row["id"] for row in asker.get(f"servers/detail?{query}")["servers"]]

    assert found(f"all_tenants=1&host={host}")
    assert not found(f"all_tenants=1&host={next(name for name in HOSTS if name != host)}")
    assert found("host=nowhere", member)  # ignored for who is no administrator
    assert found("status=ACTIVE")
    assert found("status=ERROR&status=ACTIVE")
    assert not found("status=SHUTOFF")
    assert not found("status=NONSENSE")
    assert found("flavor=1&name=^vm$")
    assert not found("flavor=2")
    assert found("task_state=None")
    assert not found("changes-since=2099-01-01T00:00:00Z")
    assert admin("GET", "servers?changes-since=yesterday").status_code == 400
    assert admin("GET", "servers?name=(").status_code == 400
    admin("DELETE", f"servers/{server['id']}")
    until(lambda: admin("GET", f"servers/{server['id']}").status_code, lambda status: status == 404)
    assert not found("all_tenants=1")
    [gone] = admin.get("servers/detail?all_tenants=1&changes-since=2000-01-01T00:00:00&name=^vm$&limit=1")[
        "servers"
    ]
    assert gone["status"] == "DELETED"
    assert found("deleted=true&all_tenants=1")


# --- making ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "version", "message"),
    [
        ({"flavorRef": "77"}, "2.96", "Flavor 77 could not be found"),
        ({"imageRef": NOBODY}, "2.96", "Can not find requested image"),
        ({"imageRef": ""}, "2.96", "Missing imageRef"),
        ({"networks": None}, "2.37", "'networks' is a required property"),
        ({"networks": [{"uuid": NOBODY}]}, "2.96", "could not be found"),
        ({"key_name": "none"}, "2.96", "Invalid key_name"),
        ({"name": ""}, "2.96", "'name' is a required property"),
        ({"availability_zone": "mars"}, "2.96", "availability zone is not available"),
        ({"host": "c1"}, "2.73", "'host' was unexpected"),
        ({"host": "c9"}, "2.74", "c9 could not be found"),
        ({"min_count": 3, "max_count": 2}, "2.96", "min_count must be <= max_count"),
        ({"min_count": "x"}, "2.96", "min_count"),
        (
            {"block_device_mapping_v2": [{"source_type": "volume", "uuid": NOBODY, "boot_index": 0}]},
            "2.96",
            "failed to get volume",
        ),
    ],
)
def test_what_is_refused_of_a_new_server(cloud, change, version, message):
    wish = {"name": "x", "flavorRef": "1", "imageRef": cloud.image.id, "networks": "none"} | change
    wish = {key: value for key, value in wish.items() if value is not None}
    answer = Asker(cloud, "admin", version)("POST", "servers", {"server": wish})
    assert answer.status_code == 400
    assert message in answer.json()["badRequest"]["message"]


def test_a_member_chooses_no_host(cloud, member, admin):
    wish = {"name": "x", "flavorRef": "1", "imageRef": cloud.image.id, "networks": "none", "host": "c1"}
    assert member("POST", "servers", {"server": wish}).status_code == 403
    made = admin.boot(host="c2", name="chosen")
    assert made["OS-EXT-SRV-ATTR:host"] == "c2"
    forced = admin.boot(availability_zone="nova:c3", name="chosen")
    assert forced["OS-EXT-SRV-ATTR:host"] == "c3"


def test_many_at_once(admin, cloud):
    wish = {"name": "many", "flavorRef": "1", "imageRef": cloud.image.id, "networks": "none", "min_count": 3}
    assert admin("POST", "servers", {"server": wish}).status_code == 202
    names = [row["name"] for row in admin.get("servers?name=^many")["servers"]]
    assert sorted(names) == ["many-1", "many-2", "many-3"]


def test_a_server_with_a_port_takes_it_along(cloud, admin):
    made = admin.boot(name="net", networks=[{"uuid": cloud.network.id}], host="c1")
    [address] = made["addresses"]["fleet"]
    assert address["addr"].startswith("10.0.0.")
    [plug] = admin.get(f"servers/{made['id']}/os-interface")["interfaceAttachments"]
    assert (plug["net_id"], plug["port_state"]) == (cloud.network.id, "ACTIVE")
    port = cloud.openstack.networks.port(plug["port_id"])
    assert (port.host, port.device_id) == ("c1", made["id"])
    admin.act(made["id"], "os-migrateLive", {"host": "c2", "block_migration": "auto"})
    admin.migration(made["id"], "completed")
    assert port.host == "c2"
    admin("DELETE", f"servers/{made['id']}")
    until(lambda: admin("GET", f"servers/{made['id']}").status_code, lambda status: status == 404)
    assert cloud.openstack.networks.ports_of(made["id"]) == []


def test_a_server_from_a_volume_waits_for_it(cloud, admin):
    disk = {"source_type": "image", "uuid": cloud.image.id, "boot_index": 0, "volume_size": 2}
    disk |= {"destination_type": "volume", "delete_on_termination": True}
    made = admin.boot(name="fromvolume", imageRef="", block_device_mapping_v2=[disk])
    [row] = made["os-extended-volumes:volumes_attached"]
    volume = cloud.openstack.volumes.volume(row["id"])
    assert (volume.status, volume.size, row["delete_on_termination"]) == ("in-use", 2, True)
    assert admin("DELETE", f"servers/{made['id']}/os-volume_attachments/{volume.id}").status_code == 400
    admin("DELETE", f"servers/{made['id']}")
    until(lambda: volume.id in {row.id for row in cloud.openstack.volumes.all()}, lambda there: not there)


def test_volumes_come_and_go(cloud, admin, server):
    volume = cloud.do(cloud.openstack.volumes.create, Volume(size=1, name="data", project_id=cloud.fleet.id))
    until(lambda: cloud.openstack.volumes.volume(volume.id).status, lambda status: status == "available")
    path = f"servers/{server['id']}/os-volume_attachments"
    answer = admin("POST", path, {"volumeAttachment": {"volumeId": volume.id}})
    shown = answer.json()["volumeAttachment"]
    assert (answer.status_code, shown["device"], "id" in shown) == (200, "/dev/vdb", False)
    assert (volume.status, cloud.openstack.volumes.attachment(shown["attachment_id"]).server_id) == (
        "in-use",
        server["id"],
    )
    assert admin("POST", path, {"volumeAttachment": {"volumeId": volume.id}}).status_code == 400
    old = Asker(cloud, "admin", "2.60").get(path)["volumeAttachments"][0]
    assert (old["id"], "bdm_uuid" in old) == (volume.id, False)
    assert admin("DELETE", f"{path}/{volume.id}").status_code == 202
    assert volume.status == "available"
    assert admin("DELETE", f"{path}/{volume.id}").status_code == 404


def test_an_image_of_a_server(cloud, admin, server):
    answer = admin.act(server["id"], "createImage", {"name": "copy", "metadata": {"a": "b"}})
    image = cloud.openstack.images.image(answer.json()["image_id"])
    assert (answer.status_code, image.name, image.properties["instance_uuid"]) == (202, "copy", server["id"])
    until(lambda: cloud.openstack.images.image(image.id).status, lambda status: status == "active")
    admin.settled(server["id"])


# --- moves ----------------------------------------------------------------------------------------------------


def test_a_live_migration_by_its_record(cloud, admin, server):
    cloud.nova.faults.add("live_migration", server=server["id"], stall=True, count=1)
    answer = admin.act(server["id"], "os-migrateLive", {"host": None, "block_migration": "auto"})
    assert (answer.status_code, answer.content) == (202, b"")
    row = admin.migration(server["id"], "running")
    assert row["migration_type"] == "live-migration"
    assert row["links"][0]["href"].endswith(f"/servers/{server['id']}/migrations/{row['id']}")
    path = f"servers/{server['id']}/migrations"
    [running] = admin.get(path)["migrations"]
    assert running["memory_total_bytes"] == 1 << 30
    assert running["server_uuid"] == server["id"]
    assert admin.get(f"{path}/{row['id']}")["migration"]["status"] == "running"
    assert admin.server(server["id"])["status"] == "MIGRATING"
    assert admin("DELETE", f"{path}/{row['id']}").status_code == 202
    assert admin.migration(server["id"], "cancelled")["updated_at"]
    assert admin.get(path)["migrations"] == []
    assert admin("GET", f"{path}/{row['id']}").status_code == 404
    cloud.nova.faults.add("live_migration", server=server["id"], stall=True, count=1)
    admin.act(server["id"], "os-migrateLive", {"host": None, "block_migration": "auto"})
    row = admin.migration(server["id"], "running")
    assert admin("POST", f"{path}/{row['id']}/action", {"force_complete": None}).status_code == 202
    assert (
        admin.migration(server["id"], "completed")["dest_compute"]
        == admin.settled(server["id"])["OS-EXT-SRV-ATTR:host"]
    )


def test_before_2_34_a_refusal_is_said_at_once(cloud, admin, server):
    here = server["OS-EXT-SRV-ATTR:host"]
    wanted = {"host": here, "block_migration": "auto"}
    old = Asker(cloud, "admin", "2.30").act(server["id"], "os-migrateLive", wanted)
    assert (old.status_code, "No valid host" in old.text) == (400, True)
    new = admin.act(server["id"], "os-migrateLive", wanted)
    assert new.status_code == 202
    assert admin.migration(server["id"], "error")["source_compute"] == here
    action = admin.get(f"servers/{server['id']}/os-instance-actions/{new.headers['x-openstack-request-id']}")
    assert action["instanceAction"]["message"] == "Error"
    assert "No valid host" in action["instanceAction"]["events"][0]["details"]


def test_lists_of_migrations(cloud, admin, server):
    for _ in range(3):
        admin.act(server["id"], "os-migrateLive", {"host": None, "block_migration": "auto"})
        admin.migration(server["id"], "completed")
        admin.settled(server["id"])
    base = f"os-migrations?instance_uuid={server['id']}"
    rows = admin.get(base)["migrations"]
    assert [row["id"] for row in rows] == sorted((row["id"] for row in rows), reverse=True)
    first = admin.get(f"{base}&limit=2")
    assert [row["id"] for row in first["migrations"]] == [row["id"] for row in rows[:2]]
    following = urlsplit(first["migrations_links"][0]["href"]).query
    assert [row["id"] for row in admin.get(f"os-migrations?{following}")["migrations"]] == [rows[2]["id"]]
    assert admin.get(f"{base}&status=error")["migrations"] == []
    assert (
        len(
            admin.get(f"{base}&migration_type=live-migration&source_compute={rows[0]['source_compute']}")[
                "migrations"
            ]
        )
        >= 1
    )
    assert len(admin.get(f"{base}&host={rows[0]['source_compute']}")["migrations"]) >= 2
    assert admin.get(f"{base}&changes-since=2099-01-01T00:00:00Z")["migrations"] == []
    [old, *_] = Asker(cloud, "admin", "2.22").get(base)["migrations"]
    assert not {"uuid", "migration_type", "user_id"} & old.keys()


@pytest.mark.parametrize(("version", "status"), [("2.94", "ACTIVE"), ("2.95", "SHUTOFF")])
def test_an_evacuation(cloud, admin, dead, version, status):
    made = admin.boot(name="evacuated", host="c1")
    asker = Asker(cloud, "admin", version)
    refused = asker.act(made["id"], "evacuate", {})
    assert (refused.status_code, refused.json()["badRequest"]["message"]) == (
        400,
        "Compute service of c1 is still in use.",
    )
    dead("c1")
    assert admin.server(made["id"])["status"] == "ACTIVE"
    assert admin.server(made["id"])["host_status"] == "UNKNOWN"
    assert asker.act(made["id"], "migrate").status_code == 409
    assert asker.act(made["id"], "evacuate", {"force": True}).status_code == 400
    assert asker.act(made["id"], "evacuate", {}).status_code == 200
    admin.migration(made["id"], "done")
    shown = admin.settled(made["id"], status)
    assert shown["OS-EXT-SRV-ATTR:host"] != "c1"
    cloud.do(cloud.world.power_on, "c1")
    admin.migration(made["id"], "completed")
    admin("DELETE", f"servers/{made['id']}")
    assert cloud.nova.split_brains == []


def test_a_cold_migration(admin, server):
    here = server["OS-EXT-SRV-ATTR:host"]
    assert admin.act(server["id"], "migrate").status_code == 202
    assert admin.settled(server["id"], "VERIFY_RESIZE")["OS-EXT-SRV-ATTR:host"] != here
    assert admin.act(server["id"], "confirmResize").status_code == 204
    assert admin.migration(server["id"], "confirmed")["migration_type"] == "migration"
    refused = admin.act(server["id"], "confirmResize")
    assert refused.json()["conflictingRequest"] == {
        "code": 409,
        "message": f"Cannot 'confirmResize' instance {server['id']} while it is in vm_state active",
    }


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"nonsense": None},
        {"os-stop": None, "os-start": None},
        {"reboot": {}},
        {"reboot": None},
        {"os-migrateLive": {"host": None}},
        {"os-migrateLive": {"host": None, "block_migration": "auto", "force": True}},
        {"os-migrateLive": {"host": "c9", "block_migration": "auto"}},
        {"os-resetState": {"state": "stopped"}},
        {"resize": {"flavorRef": "77"}},
        {"resize": {"flavorRef": "1"}},
        {"migrate": {"host": "c9"}},
        {"createImage": {}},
    ],
)
def test_verbs_that_are_none(admin, server, body):
    assert admin("POST", f"servers/{server['id']}/action", body).status_code == 400
    assert admin.server(server["id"])["status"] == "ACTIVE"


# --- hosts ----------------------------------------------------------------------------------------------------


def test_disabled_and_enabled(cloud, admin):
    key = service(admin, "c1")["id"]
    shown = admin("PUT", f"os-services/{key}", {"status": "disabled", "disabled_reason": "fan"}).json()[
        "service"
    ]
    assert (shown["status"], shown["disabled_reason"], shown["state"]) == ("disabled", "fan", "up")
    assert (
        admin("PUT", f"os-services/{key}", {"status": "enabled", "disabled_reason": "x"}).status_code == 400
    )
    assert service(admin, "c1")["status"] == "disabled"
    shown = admin("PUT", f"os-services/{key}", {"status": "enabled"}).json()["service"]
    assert (shown["status"], shown["disabled_reason"]) == ("enabled", None)
    old = Asker(cloud, "admin", "2.52")
    answer = old(
        "PUT",
        "os-services/disable-log-reason",
        {"host": "c1", "binary": "nova-compute", "disabled_reason": "y"},
    )
    assert answer.json()["service"] == {
        "host": "c1",
        "binary": "nova-compute",
        "status": "disabled",
        "disabled_reason": "y",
    }
    assert old("PUT", "os-services/enable", {"host": "c1", "binary": "nova-compute"}).status_code == 200
    assert old("PUT", "os-services/enable", {"host": "c9", "binary": "nova-compute"}).status_code == 404


@pytest.mark.parametrize(
    ("key", "body", "status"),
    [
        (None, {}, 400),
        (None, {"status": "broken"}, 400),
        (None, {"forced_down": "maybe"}, 400),
        (NOBODY, {"status": "enabled"}, 404),
        ("x", {"status": "enabled"}, 400),
    ],
)
def test_changes_of_a_service_that_are_none(admin, key, body, status):
    assert admin("PUT", f"os-services/{key or service(admin, 'c2')['id']}", body).status_code == status


def test_forced_down_and_back(admin):
    key = service(admin, "c3")["id"]
    down = admin("PUT", f"os-services/{key}", {"forced_down": True}).json()["service"]
    assert (down["state"], down["forced_down"]) == ("down", True)
    up = admin("PUT", f"os-services/{key}", {"forced_down": False}).json()["service"]
    assert (up["state"], up["forced_down"]) == ("up", False)


def test_a_service_with_servers_is_not_deleted(admin):
    made = admin.boot(name="stays", host="c1")
    answer = admin("DELETE", f"os-services/{service(admin, 'c1')['id']}")
    assert (answer.status_code, "hosting instances" in answer.json()["conflictingRequest"]["message"]) == (
        409,
        True,
    )
    admin("DELETE", f"servers/{made['id']}")


def test_aggregates(admin):
    made = admin("POST", "os-aggregates", {"aggregate": {"name": "rack1", "availability_zone": None}})
    path = f"os-aggregates/{made.json()['aggregate']['id']}"
    assert admin("POST", f"{path}/action", {"add_host": {"host": "c1"}}).json()["aggregate"]["hosts"] == [
        "c1"
    ]
    assert admin("POST", f"{path}/action", {"add_host": {"host": "c1"}}).status_code == 409
    assert admin("POST", f"{path}/action", {"add_host": {"host": "c9"}}).status_code == 404
    body = {"set_metadata": {"metadata": {"ssd": "true"}}}
    assert admin("POST", f"{path}/action", body).json()["aggregate"]["metadata"] == {"ssd": "true"}
    assert admin("PUT", path, {"aggregate": {"name": "rack2"}}).json()["aggregate"]["name"] == "rack2"
    assert admin("DELETE", path).status_code == 400
    assert admin("POST", f"{path}/action", {"remove_host": {"host": "c1"}}).json()["aggregate"]["hosts"] == []
    assert admin("POST", f"{path}/action", {"remove_host": {"host": "c1"}}).status_code == 404
    assert admin("DELETE", path).status_code == 200
    assert admin("GET", path).status_code == 404


def test_placement_says_what_is_claimed(cloud, admin, server):
    def ask(path, name="admin"):
        headers = {"X-Auth-Token": cloud.tokens[name], "OpenStack-API-Version": "placement 1.39"}
        return cloud.http.get(f"http://127.0.0.1:{cloud.openstack.ports['placement']}{path}", headers=headers)

    host = server["OS-EXT-SRV-ATTR:host"]
    [provider] = ask(f"/resource_providers?name={host}").json()["resource_providers"]
    [hypervisor] = admin.get(f"os-hypervisors?hypervisor_hostname_pattern={host}")["hypervisors"]
    assert provider["uuid"] == hypervisor["id"]
    base = f"/resource_providers/{provider['uuid']}"
    stock = ask(f"{base}/inventories").json()["inventories"]
    assert (stock["VCPU"]["total"], stock["VCPU"]["allocation_ratio"]) == (16, 4.0)
    assert ask(f"{base}/usages").json()["usages"]["MEMORY_MB"] >= 1024
    claims = ask(f"/allocations/{server['id']}").json()["allocations"]
    assert claims[provider["uuid"]]["resources"] == {"VCPU": 1, "MEMORY_MB": 1024, "DISK_GB": 1}
    assert "COMPUTE_STATUS_DISABLED" not in ask(f"{base}/traits").json()["traits"]
    key = service(admin, host)["id"]
    admin("PUT", f"os-services/{key}", {"status": "disabled"})
    assert "COMPUTE_STATUS_DISABLED" in ask(f"{base}/traits").json()["traits"]
    admin("PUT", f"os-services/{key}", {"status": "enabled"})
    assert ask(f"/resource_providers/{NOBODY}").status_code == 404
    assert ask("/resource_providers", "member").status_code == 403


def test_one_verb_is_broken_and_the_rest_is_not(cloud, admin, server):
    nova = cloud.openstack.servers["nova"]
    nova.faults = HttpFaults(status=503, only="POST */action os-stop")
    try:
        assert admin.act(server["id"], "os-stop").status_code == 503
        assert admin.server(server["id"])["status"] == "ACTIVE"
    finally:
        nova.faults = HttpFaults()


def test_paths_that_are_none(admin):
    assert admin("GET", "nonsense").status_code == 404
    answer = admin("PUT", "servers")
    assert (answer.status_code, answer.json()["itemNotFound"]["code"]) == (404, 404)
    assert (
        admin("GET", f"servers/{NOBODY}").json()["itemNotFound"]["message"]
        == f"Instance {NOBODY} could not be found."
    )


def test_diagnostics_count_what_a_guest_uses_while_it_runs(cloud, admin, server):
    path = f"servers/{server['id']}/diagnostics"
    shown = admin("GET", path).json()
    assert (shown["state"], shown["driver"], shown["num_cpus"]) == ("running", "libvirt", 1)
    assert shown["memory_details"] == {"maximum": 1, "used": 1}
    assert [cpu["utilisation"] for cpu in shown["cpu_details"]] == [None]
    assert shown["num_disks"] == len(shown["disk_details"])
    assert admin("GET", path).json()["cpu_details"][0]["time"] >= shown["cpu_details"][0]["time"]
    admin.act(server["id"], "os-stop")
    admin.settled(server["id"], "SHUTOFF")
    answer = admin("GET", path)
    assert answer.status_code == 409
    assert "while it is in power state shutdown" in answer.json()["conflictingRequest"]["message"]

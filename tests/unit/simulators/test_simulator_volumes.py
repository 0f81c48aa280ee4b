"""The simulated Cinder, asked by openstacksdk and by plain HTTP."""

import json
import time

import httpx
import pytest
from openstack import exceptions

from cloudmanager.simulators.clock import ManualClock
from cloudmanager.simulators.http_faults import HttpFaults
from cloudmanager.simulators.openstack.images import Image
from cloudmanager.simulators.openstack.problems import Invalid, NotThere
from cloudmanager.simulators.openstack.volumes import Volumes
from cloudmanager.simulators.openstack.volumes.rows import Backup, Snapshot, Volume
from tests.storage_cloud import RunningStorageCloud

pytestmark = pytest.mark.filterwarnings("ignore::openstack.warnings._RemovedInSDKWarning")
SERVER = "11111111-2222-3333-4444-555555555555"


@pytest.fixture(scope="module")
def cloud():
    with RunningStorageCloud() as running:
        yield running


@pytest.fixture(autouse=True)
def healthy(cloud):
    yield
    cloud.cinder.faults = HttpFaults()
    cloud.volumes.failing = frozenset()


@pytest.fixture(scope="module")
def admin(cloud):
    return cloud.sdk("admin").block_storage


@pytest.fixture(scope="module")
def member(cloud):
    return cloud.sdk("member").block_storage


@pytest.fixture
def volume(member):
    made = member.create_volume(size=1, name="one")
    yield settled(member.get_volume, made)
    found = member.find_volume(made.id)
    if found and found.status == "available":
        member.delete_volume(made.id, cascade=True)


def ask(cloud, name, method, path, version="3.71", **options):
    headers = {"X-Auth-Token": cloud.token(name), "OpenStack-API-Version": f"volume {version}"}
    return httpx.request(method, f"{cloud.cinder.url}/v3/{path}", headers=headers, **options)


def settled(get, row, status="available"):
    """The row when it has that status; it is asked for anew each time."""
    end = time.monotonic() + 5
    while (found := get(row.id)).status != status:
        assert time.monotonic() < end, f"{found.status} instead of {status}"
        time.sleep(0.05)
    return found


# --- the wire -----------------------------------------------------------------------------------------------


def test_the_client_finds_the_versions(admin):
    [data] = admin.get_all_version_data()["RegionOne"]["public"].values()
    assert [(row["min_microversion"], row["max_microversion"]) for row in data] == [("3.0", "3.71")]


def test_versions_of_the_api_are_negotiated(cloud, volume):
    path = f"volumes/{volume.id}"
    old, new = (ask(cloud, "member", "GET", path, version) for version in ("3.0", "3.71"))
    assert new.headers["OpenStack-API-Version"] == "volume 3.71"
    new_only = {"group_id", "volume_type_id", "shared_targets", "service_uuid", "consumes_quota"}
    assert new.json()["volume"].keys() - old.json()["volume"].keys() == new_only
    as_admin = ask(cloud, "admin", "GET", path).json()["volume"]
    assert as_admin["os-vol-host-attr:host"] in ("storage1@lvm#lvm", "storage2@lvm#lvm")
    assert "os-vol-host-attr:host" not in new.json()["volume"]
    refused = ask(cloud, "member", "GET", path, "3.72")
    assert (refused.status_code, "Maximum" in refused.text or "maximum" in refused.text) == (406, True)
    assert ask(cloud, "member", "GET", path, "three").status_code == 400
    assert ask(cloud, "member", "GET", "attachments", "3.26").status_code == 404


def test_errors_have_cinders_form(cloud):
    missing = ask(cloud, "member", "GET", "volumes/nowhere")
    assert missing.json() == {"itemNotFound": {"code": 404, "message": "Volume nowhere could not be found."}}
    assert missing.headers["X-Openstack-Request-Id"].startswith("req-")
    assert ask(cloud, "member", "GET", "nothing").status_code == 404
    assert ask(cloud, "member", "DELETE", "types").status_code == 405
    assert "badRequest" in ask(cloud, "member", "POST", "volumes", content=b"{").json()
    assert "badRequest" in ask(cloud, "member", "POST", "volumes", json={"volume": {"size": 0}}).json()
    elsewhere = ask(cloud, "member", "GET", f"{cloud.other.id}/volumes")
    assert elsewhere.json()["badRequest"]["message"] == "Malformed request url"
    assert ask(cloud, "member", "GET", f"{cloud.fleet.id}/volumes").status_code == 200
    nobody = httpx.get(f"{cloud.cinder.url}/v3/volumes", headers={"X-Auth-Token": "nonsense"})
    assert nobody.status_code == 401
    assert nobody.headers["WWW-Authenticate"] == f'Keystone uri="{cloud.url}"'


def test_roles(cloud, volume):
    wanted = {"volume": {"size": 1}}
    assert ask(cloud, "reader", "GET", "volumes").status_code == 200
    refused = ask(cloud, "reader", "POST", "volumes", json=wanted)
    assert "Policy doesn't allow volume:create" in refused.json()["forbidden"]["message"]
    for path in ("os-services", "scheduler-stats/get_pools?detail=true"):
        assert ask(cloud, "member", "GET", path).status_code == 403
        assert ask(cloud, "admin", "GET", path).status_code == 200
    elsewhere = cloud.sdk("member", "other").block_storage
    assert elsewhere.find_volume(volume.id) is None
    assert volume.id not in [row.id for row in elsewhere.volumes()]


def test_faults_of_the_service(cloud, member):
    cloud.cinder.faults = HttpFaults(status=503)
    assert ask(cloud, "member", "GET", "volumes").status_code == 503
    cloud.cinder.faults = HttpFaults(down=True)
    with pytest.raises(httpx.RemoteProtocolError):
        ask(cloud, "member", "GET", "volumes")


# --- volumes ------------------------------------------------------------------------------------------------


def test_a_volume_from_its_creation_to_its_end(cloud, member):
    made = member.create_volume(size=2, name="disk", description="d", metadata={"a": "b"})
    assert (made.status, made.size, made.volume_type, made.metadata) == ("creating", 2, "lvm", {"a": "b"})
    assert settled(member.get_volume, made).is_bootable is False
    assert member.update_volume(made.id, name="other").name == "other"
    member.set_volume_bootable_status(made.id, True)
    assert member.get_volume(made.id).is_bootable is True
    member.extend_volume(made.id, 3)
    assert settled(member.get_volume, made).size == 3
    assert [row.name for row in member.volumes(name="other")] == ["other"]
    [group] = [g for g in cloud.volumes.groups.values() if f"volume-{made.id}" in g.logical]
    assert group.logical[f"volume-{made.id}"].extents == 3 * 256
    member.delete_volume(made.id)
    member.wait_for_delete(made, interval=0.1, wait=5)
    assert f"volume-{made.id}" not in group.logical


def test_lists_come_in_pages(cloud, member, volume):
    more = [member.create_volume(size=1, name=f"n{number}") for number in range(4)]
    assert len(list(member.volumes(limit=2))) == len(list(member.volumes())) >= 5
    assert "next" in ask(cloud, "member", "GET", "volumes?limit=1").json()["volumes_links"][0]["rel"]
    assert ask(cloud, "member", "GET", "volumes?marker=nowhere").status_code == 404
    for row in more:
        cloud.volumes.change(cloud.volumes.volume(row.id), "available")
        member.delete_volume(row.id)


def test_an_administrator_sees_all_projects(cloud, admin, volume):
    elsewhere = cloud.sdk("member", "other").block_storage.create_volume(size=1)
    assert elsewhere.id not in {row.id for row in admin.volumes()}
    assert {volume.id, elsewhere.id} <= {row.id for row in admin.volumes(all_projects=True)}


def test_a_volume_of_an_image_can_boot(cloud, member):
    image = Image(name="img", owner=cloud.fleet.id, min_disk=2, disk_format="raw", container_format="bare")
    cloud.images.add(image)
    with pytest.raises(exceptions.BadRequestException, match="not active"):
        member.create_volume(size=2, image_id=image.id)
    cloud.images.upload(image, b"bits")
    with pytest.raises(exceptions.BadRequestException, match="larger than volume size"):
        member.create_volume(size=1, image_id=image.id)
    made = member.create_volume(size=2, image_id=image.id)
    shown = member.get_volume(made.id)
    assert (shown.is_bootable, shown.volume_image_metadata["image_id"]) == (True, image.id)
    with pytest.raises(exceptions.BadRequestException, match="unable to access"):
        member.create_volume(size=2, image_id="nowhere")


def test_what_does_not_fit_ends_in_error(cloud, member):
    made = member.create_volume(size=81)
    settled(member.get_volume, made, "error")
    member.delete_volume(made.id)


@pytest.mark.parametrize(
    ("operation", "status"),
    [("create", "error"), ("delete", "error_deleting"), ("extend", "error_extending")],
)
def test_operations_can_fail(cloud, member, volume, operation, status):
    cloud.volumes.failing = frozenset({operation})
    if operation == "create":
        volume = member.create_volume(size=1)
    elif operation == "delete":
        member.delete_volume(volume.id)
    else:
        member.extend_volume(volume.id, 2)
    settled(member.get_volume, volume, status)
    cloud.volumes.failing = frozenset()
    cloud.volumes.change(cloud.volumes.volume(volume.id), "available")


def test_the_quota_holds(cloud, member, admin):
    admin.update_quota_set(cloud.fleet.id, volumes=0)
    with pytest.raises(exceptions.HttpException, match="VolumeLimitExceeded") as caught:
        member.create_volume(size=1)
    assert caught.value.status_code == 413
    admin.update_quota_set(cloud.fleet.id, volumes=1000, gigabytes=0)
    with pytest.raises(exceptions.HttpException, match="gigabytes"):
        member.create_volume(size=1)
    admin.update_quota_set(cloud.fleet.id, gigabytes=1000)
    assert member.get_limits().absolute.max_total_volumes == 1000
    assert admin.get_quota_set(cloud.fleet.id, usage=True).usage["volumes"] >= 0


def test_the_quota_of_copies_holds(cloud, member, admin):
    volume = settled(member.get_volume, member.create_volume(size=1), "available")
    admin.update_quota_set(cloud.fleet.id, backups=0, snapshots=0)
    with pytest.raises(exceptions.HttpException, match=r"BackupLimitExceeded: .* backups allowed"):
        member.create_backup(volume_id=volume.id, name="b")
    with pytest.raises(exceptions.HttpException, match="SnapshotLimitExceeded"):
        member.create_snapshot(volume_id=volume.id, name="s")
    admin.update_quota_set(cloud.fleet.id, backups=100, snapshots=1000, backup_gigabytes=0)
    with pytest.raises(exceptions.HttpException, match="Requested 1G, quota is 0G and 0G has been consumed"):
        member.create_backup(volume_id=volume.id, name="b")
    assert member.get_volume(volume.id).status == "available"
    admin.update_quota_set(cloud.fleet.id, backup_gigabytes=1000)
    assert member.get_limits().absolute.max_total_backup_gigabytes == 1000


# --- attaching ----------------------------------------------------------------------------------------------


def test_attachments(cloud, member, volume):
    made = member.create_attachment(volume.id, instance=SERVER, connector=None)
    assert (made.status, member.get_volume(volume.id).status) == ("reserved", "reserved")
    updated = member.update_attachment(made.id, connector={"host": "r1n01", "mountpoint": "/dev/vdb"})
    assert updated.connection_info["target_iqn"].endswith(volume.id)
    assert member.get_volume(volume.id).status == "attaching"
    member.complete_attachment(made.id)
    shown = member.get_volume(volume.id)
    assert (shown.status, [row["server_id"] for row in shown.attachments]) == ("in-use", [SERVER])
    assert [row["device"] for row in shown.attachments] == ["/dev/vdb"]
    with pytest.raises(exceptions.BadRequestException, match="must be available"):
        member.create_attachment(volume.id, instance="another", connector=None)
    with pytest.raises(exceptions.BadRequestException, match="attached"):
        member.delete_volume(volume.id)
    # the same server may have it on two hosts: it migrates
    second = member.create_attachment(volume.id, instance=SERVER, connector={"host": "r1n02"})
    assert len(list(member.attachments())) == 2
    with pytest.raises(exceptions.ConflictException, match="Compute API"):
        member.delete_attachment(made.id)
    cloud.volumes.detach(cloud.volumes.attachment(made.id))
    member.delete_attachment(second.id)
    assert member.get_volume(volume.id).status == "available"


def test_the_older_actions(cloud, volume):
    def act(name, action, **options):
        body = {action: options or None}
        return ask(cloud, name, "POST", f"volumes/{volume.id}/action", json=body).status_code

    def status():
        return cloud.volumes.volume(volume.id).status

    assert (act("member", "os-reserve"), status()) == (202, "reserved")
    assert (act("member", "os-unreserve"), status()) == (202, "available")
    assert (act("member", "os-attach", instance_uuid=SERVER, mountpoint="/dev/vdb"), status()) == (
        202,
        "in-use",
    )
    assert act("member", "os-attach", instance_uuid=SERVER, mountpoint="/dev/vdb") == 400
    assert (act("member", "os-begin_detaching"), status()) == (202, "detaching")
    assert (act("member", "os-roll_detaching"), status()) == (202, "in-use")
    assert act("member", "os-detach") == 409  # for Nova alone, which is a service
    service = {"X-Service-Token": cloud.token("nova", "service"), "X-Auth-Token": cloud.token("member")}
    path = f"{cloud.cinder.url}/v3/volumes/{volume.id}/action"
    assert httpx.post(path, headers=service, json={"os-detach": {}}).status_code == 202
    assert status() == "available"
    assert act("member", "os-reset_status", status="error") == 403
    assert (act("admin", "os-reset_status", status="error"), status()) == (202, "error")
    assert act("admin", "os-reset_status", status="broken") == 400
    assert (act("admin", "os-reset_status", status="available"), status()) == (202, "available")
    assert act("member", "os-nonsense") == 400


# --- copies -------------------------------------------------------------------------------------------------


def test_snapshots(cloud, member, volume):
    snapshot = settled(member.get_snapshot, member.create_snapshot(volume_id=volume.id, name="s"))
    with pytest.raises(exceptions.BadRequestException, match="have snapshots"):
        member.delete_volume(volume.id)
    copy = member.create_volume(snapshot_id=snapshot.id, name="copy")
    assert (copy.size, copy.snapshot_id) == (volume.size, snapshot.id)
    assert cloud.volumes.volume(copy.id).host == cloud.volumes.volume(volume.id).host
    unforced = {"snapshot": {"volume_id": volume.id, "force": False}}
    assert "since microversion 3.66" in ask(cloud, "member", "POST", "snapshots", json=unforced).text
    cloud.volumes.change(cloud.volumes.volume(volume.id), "in-use")
    for version, force in (("3.65", None), ("3.65", False)):
        body = {"snapshot": {"volume_id": volume.id, **({} if force is None else {"force": force})}}
        assert ask(cloud, "member", "POST", "snapshots", version, json=body).status_code == 400
    answer = ask(cloud, "member", "POST", "snapshots", json={"snapshot": {"volume_id": volume.id}})
    second = settled(member.get_snapshot, member.get_snapshot(answer.json()["snapshot"]["id"]))
    cloud.volumes.change(cloud.volumes.volume(volume.id), "available")
    assert {row.id for row in member.snapshots(volume_id=volume.id)} == {snapshot.id, second.id}
    assert member.get_snapshot(snapshot.id).progress == "100%"
    for row in (snapshot, second):
        member.delete_snapshot(row.id)
        member.wait_for_delete(row, interval=0.1, wait=5)


def test_a_copy_is_not_smaller_than_its_source(member):
    source = settled(member.get_volume, member.create_volume(size=2))
    with pytest.raises(exceptions.BadRequestException, match="cannot be smaller"):
        member.create_volume(size=1, source_volume_id=source.id)
    copy = member.create_volume(size=2, source_volume_id=source.id)
    with pytest.raises(exceptions.BadRequestException, match="status is creating"):
        member.create_volume(size=2, source_volume_id=copy.id)
    for row in (source, settled(member.get_volume, copy)):
        member.delete_volume(row.id)


def test_backups(cloud, member, volume):
    backup = member.create_backup(volume_id=volume.id, name="b")
    settled(member.get_backup, backup)
    settled(member.get_volume, volume)
    member.restore_backup(backup.id, volume_id=volume.id)
    assert member.get_volume(volume.id).status == "restoring-backup"
    settled(member.get_volume, volume)
    answer = ask(cloud, "member", "POST", f"backups/{backup.id}/restore", json={"restore": {"name": "again"}})
    restored = answer.json()["restore"]
    assert member.get_volume(restored["volume_id"]).name == "again"
    assert [row.name for row in member.backups()] == ["b"]
    member.delete_backup(settled(member.get_backup, backup).id)
    member.wait_for_delete(backup, interval=0.1, wait=5)


# --- administration -----------------------------------------------------------------------------------------


def test_types(admin, member):
    made = admin.create_type(name="fast", extra_specs={"volume_backend_name": "nowhere"})
    assert {row.name for row in member.types()} == {"lvm", "fast"}
    assert member.find_type("fast").extra_specs == {}
    assert admin.find_type("fast").extra_specs == {"volume_backend_name": "nowhere"}
    with pytest.raises(exceptions.ConflictException):
        admin.create_type(name="fast")
    homeless = member.create_volume(size=1, volume_type="fast")
    settled(member.get_volume, homeless, "error")
    with pytest.raises(exceptions.BadRequestException, match="in use"):
        admin.delete_type(made.id)
    member.delete_volume(homeless.id)
    member.wait_for_delete(homeless, interval=0.1, wait=5)
    admin.delete_type(made.id)
    with pytest.raises(exceptions.BadRequestException, match="default"):
        admin.delete_type(admin.find_type("lvm").id)


def test_services_and_pools(cloud, admin, member):
    services = {(row.binary, row.host): row for row in admin.services()}
    assert ("cinder-volume", "storage1@lvm") in services
    assert {row.state for row in services.values()} == {"up"}
    pools = {pool.name: pool.capabilities for pool in admin.backend_pools()}
    assert pools["storage2@lvm#lvm"]["volume_backend_name"] == "lvm"
    assert 79 < pools["storage2@lvm#lvm"]["total_capacity_gb"] < 80
    disabled = admin.disable_service(services["cinder-volume", "storage1@lvm"], reason="work")
    assert disabled.disabled_reason == "work"
    placed = member.create_volume(size=1)
    assert cloud.volumes.volume(placed.id).host == "storage2@lvm#lvm"
    assert [pool.name for pool in admin.backend_pools()] == ["storage2@lvm#lvm"]
    admin.enable_service(services["cinder-volume", "storage1@lvm"])
    assert len(list(admin.backend_pools())) == 2


# --- without a socket ---------------------------------------------------------------------------------------


@pytest.fixture
def truth():
    volumes = Volumes(ManualClock())
    volumes.add_backend("storage1", "lvm", "vg", {"/dev/sdb": 3, "/dev/sdc": 10})
    volumes.add_type("lvm", backend="lvm")
    return volumes


def test_a_large_volume_lies_on_several_disks(truth):
    made = truth.create(Volume(size=4, type_id=truth.default_type))
    group = truth.groups[made.host]
    assert group.logical[f"volume-{made.id}"].segments == [("/dev/sdb", 767), ("/dev/sdc", 257)]
    truth.clock.advance(1)
    truth.extend(truth.volume(made.id), 5)
    assert group.logical[f"volume-{made.id}"].segments == [("/dev/sdb", 767), ("/dev/sdc", 513)]
    assert group.free_on("/dev/sdc") == 2559 - 513


def test_everything_survives_a_restart_even_what_was_under_way(truth):
    made = truth.create(Volume(size=1, type_id=truth.default_type))
    truth.clock.advance(1)
    truth.take_snapshot(Snapshot(volume_id=made.id, size=1))
    truth.make_backup(Backup(volume_id=made.id, size=1))
    truth.quotas["p"] = {"volumes": 3}
    kept = json.loads(json.dumps(truth.to_dict()))
    again = Volumes.from_dict(kept, truth.clock)
    assert again.to_dict() == truth.to_dict()
    truth.clock.advance(1)
    assert [row.status for row in (*again.all(), *again.all_snapshots(), *again.all_backups())] == [
        "available"
    ] * 3


def test_a_volume_that_is_being_made_can_be_used_by_nobody(truth):
    made = truth.create(Volume(size=1))
    with pytest.raises(Invalid, match="creating"):
        truth.reserve(made)
    truth.clock.advance(1)
    truth.delete(truth.volume(made.id))
    assert truth.volume(made.id).status == "deleting"
    truth.clock.advance(1)
    with pytest.raises(NotThere):
        truth.volume(made.id)

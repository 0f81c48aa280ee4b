"""The simulated Glance, asked by openstacksdk and by plain HTTP."""

import json

import httpx
import pytest
from openstack import exceptions

from cloudmanager.simulators.clock import ManualClock
from cloudmanager.simulators.openstack.images import Image, Images
from cloudmanager.simulators.openstack.images.images import LARGEST
from tests.storage_cloud import RunningStorageCloud

pytestmark = pytest.mark.filterwarnings("ignore::openstack.warnings._RemovedInSDKWarning")


@pytest.fixture(scope="module")
def cloud():
    with RunningStorageCloud() as running:
        yield running


@pytest.fixture(autouse=True)
def empty(cloud):
    yield
    cloud.images.images.clear()
    cloud.images.failing = frozenset()


@pytest.fixture(scope="module")
def admin(cloud):
    return cloud.sdk("admin").image


@pytest.fixture(scope="module")
def member(cloud):
    return cloud.sdk("member").image


def ask(cloud, name, method, path, **options):
    headers = {"X-Auth-Token": cloud.token(name), **options.pop("headers", {})}
    return httpx.request(method, f"{cloud.glance.url}/v2/{path}", headers=headers, **options)


def test_an_image_from_its_creation_to_its_end(cloud, member):
    made = member.create_image(name="tiny", disk_format="raw", container_format="bare", allow_duplicates=True)
    assert (made.status, made.visibility, made.owner_id) == ("queued", "shared", cloud.fleet.id)
    path = f"images/{made.id}/file"
    assert ask(cloud, "member", "GET", path).status_code == 204
    assert ask(cloud, "member", "PUT", path, content=b"bits").status_code == 204
    found = member.get_image(made.id)
    assert (found.status, found.size, found.hash_algo) == ("active", 4, "sha512")
    assert member.download_image(found).content == b"bits"
    assert ask(cloud, "member", "PUT", path, content=b"bits").status_code == 409
    changed = member.update_image(found, name="small", os_distro="debian")
    assert (changed.name, member.get_image(made.id).os_distro) == ("small", "debian")
    member.add_tag(made.id, "blessed")
    assert [row.id for row in member.images(tag="blessed")] == [made.id]
    member.delete_image(made.id)
    with pytest.raises(exceptions.NotFoundException):
        member.get_image(made.id)


def test_who_sees_which_image(cloud, admin, member):
    elsewhere = cloud.sdk("member", "other").image
    for visibility in ("public", "private", "shared", "community"):
        cloud.images.add(Image(name=visibility, visibility=visibility, owner=cloud.fleet.id, status="active"))
    assert {row.name for row in member.images()} == {"public", "private", "shared", "community"}
    assert {row.name for row in elsewhere.images()} == {"public"}
    assert [row.name for row in elsewhere.images(visibility="community")] == ["community"]
    assert {row.name for row in admin.images(owner=cloud.fleet.id, visibility="private")} == {"private"}
    [public] = elsewhere.images()
    refused = ask(cloud, "member", "POST", "images", json={"name": "mine", "visibility": "public"})
    assert "not authorized to complete publicize_image" in refused.text
    with pytest.raises(exceptions.ForbiddenException, match="delete_image"):
        elsewhere.delete_image(public.id)


def test_a_protected_image_stays(cloud, member):
    image = cloud.images.add(Image(name="p", owner=cloud.fleet.id, protected=True))
    assert ask(cloud, "member", "DELETE", f"images/{image.id}").status_code == 403
    member.update_image(image.id, is_protected=False)
    assert ask(cloud, "member", "DELETE", f"images/{image.id}").status_code == 204


def test_refusals_have_webobs_form(cloud):
    html = ask(cloud, "member", "GET", "images/nowhere", headers={"Accept": "*/*"})
    assert html.status_code == 404
    assert html.headers["Content-Type"].startswith("text/html")
    assert "<h1>404 Not Found</h1>" in html.text
    assert "No image found with ID nowhere" in html.text
    shown = ask(cloud, "member", "GET", "images/nowhere", headers={"Accept": "application/json"}).json()
    assert (shown["code"], shown["title"]) == ("404 Not Found", "Not Found")
    assert ask(cloud, "reader", "POST", "images", json={"name": "x"}).status_code == 403
    assert ask(cloud, "member", "POST", "images", content=b"[").status_code == 400
    assert ask(cloud, "member", "POST", "images", json={"size": 1}).status_code == 403
    assert ask(cloud, "member", "POST", "images", json={"property": 1}).status_code == 400
    nobody = httpx.get(f"{cloud.glance.url}/v2/images")
    assert nobody.json()["error"]["title"] == "Unauthorized"


def test_lists_come_in_pages(cloud, member):
    for number in range(30):
        cloud.images.add(Image(name=f"i{number}", owner=cloud.fleet.id))
    first = ask(cloud, "member", "GET", "images").json()
    assert (len(first["images"]), "marker=" in first["next"]) == (25, True)
    assert {row.name for row in member.images()} == {f"i{number}" for number in range(30)}


def test_large_data_are_refused_and_uploads_can_be_lost(cloud):
    image = cloud.images.add(Image(name="i", owner=cloud.fleet.id))
    path = f"images/{image.id}/file"
    assert ask(cloud, "member", "PUT", path, content=b"x" * (LARGEST + 1)).status_code == 413
    cloud.images.failing = frozenset({"upload"})
    ask(cloud, "member", "PUT", path, content=b"x")
    assert cloud.images.image(image.id).status == "killed"


def test_an_image_is_shared_with_a_project(cloud, member):
    image = cloud.images.add(Image(name="i", owner=cloud.fleet.id))
    elsewhere = cloud.sdk("member", "other").image
    with pytest.raises(exceptions.NotFoundException):
        elsewhere.get_image(image.id)
    added = member.add_member(image.id, member=cloud.other.id)
    assert (added.member_id, added.status) == (cloud.other.id, "pending")
    with pytest.raises(exceptions.ConflictException, match="duplicated"):
        member.add_member(image.id, member=cloud.other.id)

    assert elsewhere.get_image(image.id).name == "i"
    assert list(elsewhere.images()) == []  # until it is accepted
    assert [row.id for row in elsewhere.images(member_status="pending")] == [image.id]
    elsewhere.update_member(cloud.other.id, image.id, status="accepted")
    assert [row.id for row in elsewhere.images()] == [image.id]
    assert [row.status for row in member.members(image.id)] == ["accepted"]
    with pytest.raises(exceptions.ForbiddenException):
        member.update_member(cloud.other.id, image.id, status="rejected")
    with pytest.raises(exceptions.ForbiddenException):
        elsewhere.add_member(image.id, member=cloud.fleet.id)
    with pytest.raises(exceptions.ForbiddenException):
        elsewhere.delete_image(image.id)

    kept = Images.from_dict(json.loads(json.dumps(cloud.images.to_dict())), cloud.images.clock)
    assert kept.image(image.id).members == image.members
    member.remove_member(cloud.other.id, image.id)
    with pytest.raises(exceptions.NotFoundException):
        elsewhere.get_image(image.id)


def test_only_shared_images_have_members(cloud, member):
    image = cloud.images.add(Image(name="i", owner=cloud.fleet.id, visibility="private"))
    with pytest.raises(exceptions.ForbiddenException, match="Only shared images"):
        member.add_member(image.id, member=cloud.other.id)
    with pytest.raises(exceptions.NotFoundException):
        member.get_member(cloud.other.id, image.id)


def test_a_copy_of_a_disk_takes_its_time_and_survives_a_restart():
    images = Images(ManualClock())
    made = images.copy_disk(Image(name="snapshot", owner="p"), 5 << 30, 2.0)
    images.failing = frozenset({"copy"})
    lost = images.copy_disk(Image(name="lost", owner="p"), 5 << 30, 2.0)
    again = Images.from_dict(json.loads(json.dumps(images.to_dict())), images.clock)
    assert (again.image(made.id).status, again.image(made.id).size) == ("saving", 5 << 30)
    images.clock.advance(2.0)
    assert (again.image(made.id).status, again.image(lost.id).status) == ("active", "killed")
    assert again.data(again.image(made.id)) == b""

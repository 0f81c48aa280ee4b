"""Boot files through the API: what is assigned, changed or deleted is what the TFTP server has."""

from __future__ import annotations

import os
import threading
from dataclasses import replace

import pytest

from cloudmanager import drivers
from cloudmanager.api.services import attach
from cloudmanager.config import load
from cloudmanager.models import FlowRow
from cloudmanager.pxe import BootFiles

MAC, OTHER = "52:54:00:0a:4c:07", "52:54:00:0a:4c:08"
MENU = "default sys\nlabel sys\nkernel vmlinuz\nappend initrd=initrd.img console=ttyS0\n"


def files_of(mac):
    dashes = mac.replace(":", "-")
    return {f"pxelinux.cfg/01-{dashes}", f"grub.cfg-01-{dashes}", f"{mac}.ipxe"}


DEFAULTS = {"pxelinux.cfg/default", "grub.cfg", "default.ipxe"}


class Site:
    """The API with a TFTP root of its own."""

    def __init__(self, api, root):
        self.api, self.root = api, root
        self.configure()

    def configure(self, **options):
        given = {"enabled": True, "tftp_root": str(self.root), **options}
        config = load(overrides={("pxe", name): value for name, value in given.items()})
        self.api.services = replace(self.api.services, config=config)
        attach(self.api.app, self.api.services)

    def image(self, name="compute", file_data=MENU):
        body = {"node_image": {"image_name": name, "file_data": file_data}}
        return self.api.post("/v1/node-images/", body)["node_image"]["id"]

    def assign(self, node_id, image_id, status=204, **more):
        return self.api.post(
            f"/v1/nodes/{node_id}/actions/assign-image", {"image_id": image_id, **more}, status
        )

    @property
    def files(self):
        found = (path for path in self.root.rglob("*") if path.is_file())
        return {str(path.relative_to(self.root)) for path in found} - {".cloudmanager.lock"}

    def read(self, path):
        return (self.root / path).read_text()


@pytest.fixture
def site(api, tmp_path):
    root = tmp_path / "tftp"
    root.mkdir()
    return Site(api, root)


@pytest.fixture
def node_id(api):
    return api.node(name="r1n01", mac_address=MAC)["id"]


def test_assigning_writes_a_file_for_each_loader(site, node_id):
    site.assign(node_id, site.image())
    assert site.files == files_of(MAC)
    assert MENU in site.read("pxelinux.cfg/01-52-54-00-0a-4c-07")
    assert "linux /vmlinuz console=ttyS0\n  initrd /initrd.img\n" in site.read(
        "grub.cfg-01-52-54-00-0a-4c-07"
    )
    assert "kernel vmlinuz initrd=initrd.img console=ttyS0\ninitrd initrd.img\nboot\n" in site.read(
        f"{MAC}.ipxe"
    )
    for path in site.files:
        assert (site.root / path).stat().st_mode & 0o777 == 0o644


def test_every_address_of_a_node_has_files(site, api):
    node_id = api.node(mac_address=f"{MAC},{OTHER}")["id"]
    site.assign(node_id, site.image())
    assert site.files == files_of(MAC) | files_of(OTHER)


def test_the_default_image_takes_the_files_away(site, node_id):
    image = site.image()
    site.assign(node_id, image)
    site.assign(node_id, 1)
    assert site.files == set()


def test_another_image_replaces_the_files(site, node_id):
    site.assign(node_id, site.image())
    site.assign(node_id, site.image("second", "default other\nlabel other\nkernel other\n"))
    assert "kernel other" in site.read("pxelinux.cfg/01-52-54-00-0a-4c-07")
    assert "linux /other" in site.read("grub.cfg-01-52-54-00-0a-4c-07")


@pytest.mark.parametrize("new", [OTHER, None])
def test_an_address_that_changes_takes_its_files_along(site, api, node_id, new):
    site.assign(node_id, site.image())
    api.put(f"/v1/nodes/{node_id}", {"node": {"mac_address": new}})
    assert site.files == (files_of(new) if new else set())


def test_a_node_that_is_deleted_leaves_nothing(site, api, node_id):
    site.assign(node_id, site.image())
    api.delete(f"/v1/nodes/{node_id}")
    assert site.files == set()


def test_a_node_that_is_kept_keeps_its_files(site, api, node_id):
    site.assign(node_id, site.image())
    with api.database.transaction() as session:
        session.add(_open_flow(node_id))
    api.delete(f"/v1/nodes/{node_id}", 409)
    assert site.files == files_of(MAC)


def _open_flow(node_id):
    from cloudmanager.flows.opening import new_row

    return FlowRow(**new_row("f", "power-on", f"node:{node_id}", {}, 0.0))


def test_nodes_created_or_changed_with_an_image_have_files(site, api):
    image = site.image()
    api.post("/v1/nodes/", {"nodes": [{"mac_address": MAC, "image_id": image}, {"mac_address": OTHER}]})
    assert site.files == files_of(MAC)
    node_id = api.get("/v1/nodes/?mac_address=" + OTHER)["nodes"][0]["id"]
    api.put(f"/v1/nodes/{node_id}", {"node": {"image_id": image}})
    assert site.files == files_of(MAC) | files_of(OTHER)


def test_the_image_named_default_is_for_all_others(site, api):
    api.delete("/v1/node-images/1")
    image = site.image("default", MENU)
    assert site.files == DEFAULTS
    assert "linux /vmlinuz" in site.read("grub.cfg")
    api.delete(f"/v1/node-images/{image}")
    assert site.files == set()


def test_a_node_without_address_is_refused(site, api):
    node_id = api.node()["id"]
    said = site.assign(node_id, site.image(), 409)["error"]["message"]
    assert "no MAC address" in said
    assert api.get(f"/v1/nodes/{node_id}")["node"]["image"]["name"] == "default"


def test_an_address_that_another_node_boots_something_else_by(site, api, node_id):
    site.assign(node_id, site.image())
    twin = api.node(name="r1n02", mac_address=f"{OTHER},{MAC}")["id"]
    said = site.assign(twin, site.image("second"), 409)["error"]["message"]
    assert "r1n01" in said
    assert MAC in said
    assert site.files == files_of(MAC)


def test_a_file_of_somebody_else_is_not_touched(site, api, node_id):
    own = site.root / "grub.cfg-01-52-54-00-0a-4c-07"
    own.write_text("set timeout=5\n")
    said = site.assign(node_id, site.image(), 409)["error"]["message"]
    assert own.name in said
    assert api.get(f"/v1/nodes/{node_id}")["node"]["image"]["name"] == "default"
    assert site.files == {own.name}
    assert own.read_text() == "set timeout=5\n"


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{{ image.kernel }}", "pxelinux.j2, line 1"),
        ("first\n{% if %}", "pxelinux.j2, line 2"),
        ("{{ 1 // 0 }}", "division"),
        ("{{ ''.__class__.__mro__ }}", "unsafe"),
    ],
)
def test_a_broken_template_is_said(site, node_id, tmp_path, template, said):
    (tmp_path / "pxelinux.j2").write_text(template)
    site.configure(template_directory=str(tmp_path))
    error = site.assign(node_id, site.image(), 422)["error"]
    assert said in error["message"]
    assert error["errors"]["image_id"]
    assert site.api.get(f"/v1/nodes/{node_id}")["node"]["image"]["name"] == "default"
    assert site.files == set()


def test_the_sites_own_template(site, node_id, tmp_path):
    (tmp_path / "pxelinux.j2").write_text("{{ image.file_data }}# {{ node }} {{ mac }} {{ image.name }}\n")
    site.configure(template_directory=str(tmp_path))
    site.assign(node_id, site.image())
    assert site.read("pxelinux.cfg/01-52-54-00-0a-4c-07").endswith(f"# r1n01 {MAC} compute\n")
    assert "linux /vmlinuz" in site.read("grub.cfg-01-52-54-00-0a-4c-07")


def test_without_its_directory_nothing_is_assigned(site, api, node_id):
    site.configure(tftp_root=str(site.root / "none"))
    said = site.assign(node_id, site.image(), 503)["error"]["message"]
    assert "none: No such file or directory" in said
    assert api.get(f"/v1/nodes/{node_id}")["node"]["image"]["name"] == "default"


def test_a_disk_that_is_full_is_told_and_the_next_sync_makes_it_good(site, api, node_id, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    image = site.image()
    monkeypatch.setattr(os, "fsync", full)
    said = site.assign(node_id, image, 503)["error"]["message"]
    assert "No space left on device" in said
    assert "is assigned" in said
    assert api.get(f"/v1/nodes/{node_id}")["node"]["image"]["name"] == "compute"
    assert site.files == set(), "not even half a file"
    monkeypatch.undo()
    BootFiles(api.database, str(site.root), "").sync()
    assert site.files == files_of(MAC) | DEFAULTS


def test_a_change_stands_when_its_files_cannot_follow(site, api, node_id):
    site.assign(node_id, site.image())
    site.configure(tftp_root=str(site.root / "none"))
    api.delete(f"/v1/nodes/{node_id}")
    assert site.files == files_of(MAC)


@pytest.mark.parametrize("options", [{"enabled": False}, {"tftp_root": ""}])
def test_a_process_without_tftp_root_only_keeps_the_assignment(site, api, node_id, options):
    site.configure(**options)
    site.assign(node_id, site.image())
    assert api.get(f"/v1/nodes/{node_id}")["node"]["image"]["name"] == "compute"
    assert site.files == set()


def test_assignments_at_the_same_time_end_with_the_newest(site, api, node_id):
    images = [site.image(f"i{number}", f"label {number}\nkernel k{number}\n") for number in range(4)]
    threads = [threading.Thread(target=site.assign, args=(node_id, image)) for image in images]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    name = api.get(f"/v1/nodes/{node_id}")["node"]["image"]["name"]
    assert f"kernel k{name[1:]}\n" in site.read("pxelinux.cfg/01-52-54-00-0a-4c-07")


class TestNextBoot:
    @pytest.fixture
    def powered(self, site, api, monkeypatch):
        monkeypatch.setattr(drivers.DRIVERS[0], "boots_from_network", True)
        return api.powered_node(mac_address=MAC)

    def test_a_task_tells_the_default_control(self, site, api, powered):
        path = f"/v1/nodes/{powered}/actions/assign-image"
        response = api.ask("POST", path, {"image_id": site.image()})
        assert (response.status_code, response.data) == (202, b"")
        task = api.get(response.headers["Location"])
        assert task["name"] == "boot-from-network"
        assert api.bell.rung == [task["id"]]
        assert site.files == files_of(MAC)

    def test_only_where_it_is_wished(self, site, api, powered):
        site.assign(powered, site.image(), next_boot=False)
        site.configure(enabled=False)
        site.assign(powered, 1)
        assert api.bell.rung == []

    def test_a_default_control_that_cannot_is_left_alone(self, site, api, powered):
        relay = api.control(control_type="ET7067", protocol_type="modbus", port_number=502)["id"]
        api.assign(powered, relay, is_default=True)
        site.assign(powered, site.image())
        assert api.bell.rung == []

    def test_a_node_that_a_task_holds_is_not_assigned(self, site, api, powered):
        api.post(f"/v1/nodes/{powered}/actions/power-on", status=202)
        error = site.assign(powered, site.image(), 409)["error"]
        assert error["task_id"]
        assert site.files == set()
        assert api.get(f"/v1/nodes/{powered}")["node"]["image"]["name"] == "default"

"""The tree below the TFTP root: brought in line, never half, never outside, never what is not ours."""

from __future__ import annotations

import asyncio
import os
import threading

import pytest
from click.testing import CliRunner

from cloudmanager import pxe
from cloudmanager.cli import main
from cloudmanager.config import load
from cloudmanager.errors import Unavailable
from cloudmanager.models import Node, NodeImage
from cloudmanager.monitor.pxe_sync import PxeSync, boot_files_beside
from cloudmanager.pxe import BootFiles, Change, Kind, tree

MACS = ["52:54:00:0a:4c:07", "52:54:00:0a:4c:08"]
DEFAULTS = ["default.ipxe", "grub.cfg", "pxelinux.cfg/default"]


def paths(mac):
    dashes = mac.replace(":", "-")
    return sorted([f"{mac}.ipxe", f"grub.cfg-01-{dashes}", f"pxelinux.cfg/01-{dashes}"])


class Site:
    def __init__(self, database, root):
        self.database, self.root = database, root
        root.mkdir()
        self.files = BootFiles(database, str(root), "")
        with database.transaction() as session:
            image = NodeImage(image_name="compute", file_data="label a\nkernel vmlinuz\n")
            session.add(image)
            session.flush()
            self.image_id = image.id

    def node(self, mac_address, image_id=None, **values):
        with self.database.transaction() as session:
            node = Node(mac_address=mac_address, image_id=image_id or self.image_id, **values)
            session.add(node)
            session.flush()
            return node.id

    def change(self, node_id, **values):
        with self.database.transaction() as session:
            node = session.get(Node, node_id)
            for name, value in values.items():
                setattr(node, name, value)

    @property
    def present(self):
        found = (str(path.relative_to(self.root)) for path in self.root.rglob("*") if not path.is_dir())
        return sorted(path for path in found if path != ".cloudmanager.lock")


@pytest.fixture
def site(database, tmp_path):
    return Site(database, tmp_path / "tftp")


def test_sync_brings_everything_in_line(site):
    first, second = (site.node(mac) for mac in MACS)
    assert {change.kind for change in site.files.sync()} == {Kind.WRITE}
    assert site.present == sorted([*paths(MACS[0]), *paths(MACS[1]), *DEFAULTS])
    site.change(first, image_id=1)
    site.change(second, mac_address="52:54:00:0a:4c:09")
    (site.root / "grub.cfg").write_text("# Written by CloudManager\nbroken")
    expected = sorted(
        [Change(path, Kind.REMOVE) for mac in MACS for path in paths(mac)]
        + [Change(path, Kind.WRITE) for path in paths("52:54:00:0a:4c:09")]
        + [Change("grub.cfg", Kind.CHANGE)]
    )
    assert site.files.diff() == expected
    assert site.files.sync() == expected
    assert site.files.diff() == []
    assert site.present == sorted([*paths("52:54:00:0a:4c:09"), *DEFAULTS])


def test_a_diff_touches_nothing(site):
    site.node(MACS[0])
    before = site.root.stat().st_mtime_ns
    assert len(site.files.diff()) == 6
    assert list(site.root.iterdir()) == []
    assert site.root.stat().st_mtime_ns == before


def test_foreign_files_stay(site):
    site.node(MACS[0])
    (site.root / "pxelinux.cfg").mkdir()
    own = {
        "pxelinux.cfg/default": "mine",
        "grub.cfg-01-52-54-00-00-00-01": "mine",
        "pxelinux.cfg/other": "mine",
    }
    for path, content in own.items():
        (site.root / path).write_text(content)
    done = site.files.sync()
    assert [change.path for change in done if change.kind is Kind.FOREIGN] == ["pxelinux.cfg/default"]
    assert {path: (site.root / path).read_text() for path in own} == own
    assert site.files.diff() == [Change("pxelinux.cfg/default", Kind.FOREIGN)]


@pytest.mark.parametrize("kind", ["link", "dangling", "directory", "pipe"])
def test_what_is_no_plain_file_is_foreign(site, tmp_path, kind):
    site.node(MACS[0])
    place, outside = site.root / paths(MACS[0])[0], tmp_path / "outside"
    outside.write_text("# Written by CloudManager\n")
    make = {
        "link": lambda: place.symlink_to(outside),
        "dangling": lambda: place.symlink_to(tmp_path / "none"),
        "directory": place.mkdir,
        "pipe": lambda: os.mkfifo(place),
    }
    make[kind]()
    done = site.files.sync()
    assert [change.path for change in done if change.kind is Kind.FOREIGN] == [place.name]
    assert outside.read_text() == "# Written by CloudManager\n"
    assert not (tmp_path / "none").exists()


def test_a_directory_that_leads_elsewhere_is_refused(site, tmp_path):
    site.node(MACS[0])
    (tmp_path / "elsewhere").mkdir()
    (site.root / "pxelinux.cfg").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Unavailable, match=r"pxelinux\.cfg: Not a directory"):
        site.files.sync()
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_hostile_addresses_in_the_database_lead_nowhere(site, tmp_path):
    site.node("../../outside,52:54:00:0a:4c:07/../x,\n")
    site.files.sync()
    assert site.present == DEFAULTS
    assert sorted(path.name for path in tmp_path.iterdir() if not path.name.startswith("test.db")) == ["tftp"]


def test_a_writer_that_dies_leaves_the_old_file_and_nothing_for_long(site, monkeypatch):
    class Killed(BaseException):
        pass

    def die(*_, **__):
        raise Killed

    node_id = site.node(MACS[0], name="one")
    site.files.sync()
    before = {path: (site.root / path).read_bytes() for path in site.present}
    site.change(node_id, image_id=_image(site, "second"))
    with monkeypatch.context() as patched:
        patched.setattr(os, "rename", die)
        patched.setattr(os, "unlink", die)
        with pytest.raises(Killed):
            site.files.renew([MACS[0]])
    left = set(site.present) - set(before)
    assert len(left) == 1, "the temporary file of the dead"
    assert {path: (site.root / path).read_bytes() for path in before} == before
    site.files.sync()
    assert site.present == sorted(before)
    assert b"second" in (site.root / paths(MACS[0])[2]).read_bytes()


def _image(site, name):
    with site.database.transaction() as session:
        image = NodeImage(image_name=name, file_data=f"label {name}\nkernel {name}\n")
        session.add(image)
        session.flush()
        return image.id


def test_modes_do_not_depend_on_the_umask(site):
    former = os.umask(0o077)
    try:
        site.node(MACS[0])
        site.files.sync()
    finally:
        os.umask(former)
    assert (site.root / "pxelinux.cfg").stat().st_mode & 0o777 == 0o755
    assert {(site.root / path).stat().st_mode & 0o777 for path in site.present} == {0o644}


def test_a_writer_waits_for_another_and_then_sees_what_is_newest(site):
    node_id = site.node(MACS[0])
    with tree.locked(str(site.root)):
        waiting = threading.Thread(target=site.files.renew, args=([MACS[0]],))
        waiting.start()
        waiting.join(0.3)
        assert waiting.is_alive()
        assert site.present == []
        site.change(node_id, image_id=_image(site, "newest"))
    waiting.join(10)
    assert b"kernel newest" in (site.root / paths(MACS[0])[2]).read_bytes()


def test_an_address_of_two_nodes_belongs_to_the_first(site):
    first, second = site.node(MACS[0]), site.node(",".join(MACS), image_id=_image(site, "second"))
    site.files.sync()
    assert b"kernel vmlinuz" in (site.root / paths(MACS[0])[2]).read_bytes()
    assert b"kernel second" in (site.root / paths(MACS[1])[2]).read_bytes()
    assert site.files.shared() == {MACS[0]: [first, second]}


def test_many_addresses_at_once(site):
    macs = [f"52:54:00:00:{number // 256:02x}:{number % 256:02x}" for number in range(100)]
    for mac in macs:
        site.node(mac)
    assert len(site.files.renew(macs)) == 300
    assert site.files.renew(macs) == []


# --- the command and the monitor ---------------------------------------------------------------------------


@pytest.fixture
def run(site, tmp_path):
    def run(command, code=0, **options):
        given = {"enabled": True, "tftp_root": site.root, **options}
        lines = [f"[database]\nconnection = {site.database.engine.url}", "[pxe]"]
        lines += [f"{name} = {value}" for name, value in given.items()]
        (tmp_path / "cm.conf").write_text("\n".join(lines))
        result = CliRunner().invoke(main, ["pxe", command, "--config", str(tmp_path / "cm.conf")])
        assert result.exit_code == code, result.output
        return result.output

    return run


def test_the_command_says_what_it_does(site, run):
    site.node(MACS[0])
    site.node(MACS[0])
    (site.root / "grub.cfg").write_text("mine")
    lines = run("diff", 1).splitlines()
    assert f"write    {MACS[0]}.ipxe" in lines
    assert "foreign  grub.cfg  is not ours and stays as it is: move it away" in lines
    assert f"shared   {MACS[0]} by nodes 1, 2: the first has it" in lines
    assert run("sync").splitlines() == lines
    assert len(run("diff", 1).splitlines()) == 2
    (site.root / "grub.cfg").unlink()
    run("sync")
    assert run("diff").splitlines()[-1] == "the files are what the inventory says"


@pytest.mark.parametrize("options", [{"enabled": False}, {"tftp_root": ""}])
def test_the_command_where_there_are_no_boot_files(run, options):
    assert "this machine has no boot files" in run("sync", 2, **options)


def test_the_command_without_the_directory(run, tmp_path):
    assert "none: No such file or directory" in run("sync", 2, tftp_root=tmp_path / "none")


async def test_the_monitor_syncs_and_goes_on_after_a_failure(site, monkeypatch):
    site.node(MACS[0])
    rounds = PxeSync(site.files, 0.01)
    site.root.rename(site.root.parent / "away")
    await rounds.round()
    site.root.mkdir()
    running = asyncio.create_task(rounds.run())
    async with asyncio.timeout(20):
        while not set(paths(MACS[0])) <= set(site.present):
            await asyncio.sleep(0.01)
        (site.root / paths(MACS[0])[0]).unlink()
        while not set(paths(MACS[0])) <= set(site.present):
            await asyncio.sleep(0.01)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


@pytest.mark.parametrize(
    ("options", "is_on"),
    [({}, True), ({"enabled": False}, False), ({"tftp_root": ""}, False), ({"sync_interval": 0}, False)],
)
def test_when_the_monitor_syncs(site, options, is_on):
    given = {"enabled": True, "tftp_root": str(site.root), **options}
    config = load(overrides={("pxe", name): value for name, value in given.items()})
    assert (boot_files_beside(config, site.database, "m") is not None) == is_on
    assert pxe.boot_files(site.database, load()) is None

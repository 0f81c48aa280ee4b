"""Boot files as others see them: fetched by TFTP clients from a TFTP server, read by GRUB's own parser."""

from __future__ import annotations

import itertools
import subprocess
import threading

import pytest

from cloudmanager.models import Node, NodeImage
from cloudmanager.pxe import BootFiles
from cloudmanager.pxe.rendering import MARK
from tests.peers.programs import program
from tests.peers.sockets import HOST
from tests.peers.tftpd import Tftpd

pytestmark = pytest.mark.peer

MAC = "52:54:00:0a:4c:07"
DASHES = MAC.replace(":", "-")
MENU = """default vesamenu.c32
timeout 30
label ubuntu 14.04
menu label CENTER COMPUTE NODE DEFAULT
kernel vmlinuz
append initrd=dracut root=192.168.100.1:/mnt/rootfs bond=bond0:eth0,eth1:mode=6 ds=nocloud;s=http://a/b ro
label disk
localboot 0
"""
HOSTILE = "label }; reboot #\nmenu label '$(reboot)' `x` \"y\" \\ ; {\nkernel /a b';c\nappend initrd=x',$y a=$z;w {|}&<>\n"


@pytest.fixture
def boot_files(database, tmp_path):
    root = tmp_path / "tftp"
    root.mkdir()
    root.chmod(0o755)  # whatever umask another test has left
    with database.transaction() as session:
        session.add(NodeImage(image_name="compute", file_data=MENU))
        session.flush()
        image = session.query(NodeImage).filter_by(image_name="compute").one()
        session.add(Node(name="r1n01", mac_address=MAC, image_id=image.id))
    files = BootFiles(database, str(root), "")
    files.root = root
    files.sync()
    return files


@pytest.fixture
def tftpd(boot_files, tmp_path):
    server = Tftpd(boot_files.root, tmp_path / "tftpd.log")
    server.start()
    yield server
    server.stop()


def curl(server, path):
    command = [program("curl"), "--silent", "--show-error", "--max-time", "10"]
    done = subprocess.run(
        [*command, f"tftp://{HOST}:{server.port}/{path}"], capture_output=True, timeout=20, check=False
    )
    return done.returncode, done.stdout.decode()


def tftp(server, path, into):
    command = [program("tftp"), "-m", "binary", HOST, str(server.port), "-c", "get", path, str(into)]
    subprocess.run(command, capture_output=True, timeout=20, check=True)
    return into.read_text() if into.exists() else None


PATHS = [
    f"pxelinux.cfg/01-{DASHES}",
    f"grub.cfg-01-{DASHES}",
    f"{MAC}.ipxe",
    "pxelinux.cfg/default",
    "grub.cfg",
    "default.ipxe",
]


@pytest.mark.parametrize("path", PATHS)
def test_every_file_is_served(boot_files, tftpd, tmp_path, path):
    written = (boot_files.root / path).read_text()
    assert written.count("\n") > 2
    assert curl(tftpd, path) == (0, written)
    if ":" not in path:  # what that client takes for the name of a host
        assert tftp(tftpd, path, tmp_path / "fetched") == written


def test_a_link_to_the_root_serves_loaders_that_look_in_a_directory(boot_files, tftpd):
    (boot_files.root / "grub").symlink_to(".")
    code, fetched = curl(tftpd, f"grub/grub.cfg-01-{DASHES}")
    assert code == 0
    assert "linux /vmlinuz" in fetched
    assert boot_files.diff() == []


def test_what_is_no_longer_assigned_is_no_longer_served(boot_files, tftpd, database):
    assert curl(tftpd, PATHS[0])[0] == 0
    with database.transaction() as session:
        session.query(Node).one().image_id = 1
    boot_files.renew([MAC])
    assert curl(tftpd, PATHS[0])[0] == 68  # CURLE_TFTP_NOTFOUND
    assert curl(tftpd, "pxelinux.cfg/default")[0] == 0


def test_a_client_sees_the_old_file_or_the_new_one(boot_files, tftpd, database):
    """Never half of one, never none, however often it changes meanwhile."""
    stop, written = threading.Event(), {(boot_files.root / PATHS[0]).read_text()}

    def change():
        for number in itertools.count():
            if stop.is_set():
                return
            text = f"label {number}\nkernel k{number}\n" + f"# {'x' * 40}\n" * (number % 7 * 100)
            with database.transaction() as session:
                session.query(NodeImage).filter_by(image_name="compute").one().file_data = text
            written.add(f"{MARK.decode()}: what is changed here does not stay.\n{text}")
            boot_files.renew([MAC])

    writer = threading.Thread(target=change)
    writer.start()
    try:
        fetched = [curl(tftpd, PATHS[0]) for _ in range(30)]
    finally:
        stop.set()
        writer.join()
    assert {code for code, _ in fetched} == {0}
    assert {text for _, text in fetched} <= written
    assert len({text for _, text in fetched}) > 5


@pytest.mark.parametrize("text", [MENU, HOSTILE, "root=test", "#!ipxe\nboot", MENU.replace("timeout 30", "")])
def test_grub_can_parse_what_is_written_for_it(boot_files, database, text):
    with database.transaction() as session:
        session.query(NodeImage).filter_by(image_name="compute").one().file_data = text
    boot_files.renew([MAC])
    path = boot_files.root / f"grub.cfg-01-{DASHES}"
    done = subprocess.run(
        [program("grub-script-check"), "--verbose", str(path)],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    entries = [line for line in path.read_text().splitlines() if line.startswith("menuentry")]
    assert len(entries) == (2 if text.startswith("default") else text.startswith("label"))

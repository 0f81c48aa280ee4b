"""What stands in the files of each loader."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudmanager.pxe.loaders import LOADERS, is_mac
from cloudmanager.pxe.rendering import Image, grub_path, grub_word, renderer_for
from cloudmanager.pxe.tree import is_ours

PXELINUX, GRUB, IPXE = LOADERS
MAC = "52:54:00:0a:4c:07"


def render(loader, text, directory=""):
    return renderer_for(directory).render(loader, Image(2, "compute", text), MAC, "r1n01").decode()


@pytest.mark.parametrize("loader", LOADERS, ids=lambda loader: loader.template)
@pytest.mark.parametrize(
    "text", ["root=test", "label a\nkernel x", "#!ipxe\nboot", "menuentry a {\nlinux /x\n}", ""]
)
def test_every_file_is_known_to_be_ours(loader, text):
    written = render(loader, text)
    assert is_ours(written.encode())
    assert written.endswith("\n")
    assert (loader is IPXE) == written.startswith("#!ipxe\n")


@pytest.mark.parametrize(
    ("loader", "text"),
    [(PXELINUX, "root=test\r\nx"), (GRUB, "menuentry a {\nlinux /x\n}"), (IPXE, "#!ipxe\necho ${mac}\nboot")],
    ids=["pxelinux", "grub", "ipxe"],
)
def test_a_loader_gets_its_own_language_as_it_is(loader, text):
    written = render(loader, text)
    assert all(line in written.splitlines() for line in text.splitlines())
    assert "\r" not in written


def test_several_entries_for_ipxe():
    written = render(IPXE, "timeout 50\ndefault b\nlabel a\nkernel x\nlabel b\nmenu label ^Bee\nlocalboot 0")
    assert (
        "item e0 a\nitem e1 Bee\nchoose --default e1 --timeout 5000 chosen || exit\ngoto ${chosen}\n"
        in written
    )
    assert written.endswith(":e0\nkernel x \nboot\n:e1\nexit\n")


def test_several_entries_for_grub_wait_without_a_timeout():
    written = render(GRUB, "default b\nlabel a\nkernel x\nlabel b\nkernel y")
    assert "set default=1\nset timeout=-1\n" in written


@pytest.mark.parametrize("loader", [GRUB, IPXE], ids=["grub", "ipxe"])
def test_an_image_without_kernel_goes_on_to_the_next_device(loader):
    assert render(loader, "root=test").endswith("\nexit\n")


@given(st.text(st.characters(exclude_characters="\0\n\r", codec="utf-8"), min_size=1))
def test_a_word_for_grub_is_one_word(text):
    assert shlex.split(grub_word(text)) == [text]


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("vmlinuz", "/vmlinuz"),
        ("/images/vmlinuz", "/images/vmlinuz"),
        ("http://10.0.0.1/vmlinuz", "'(http,10.0.0.1)/vmlinuz'"),
        ("a b", "'/a b'"),
    ],
)
def test_paths_for_grub(path, told):
    assert grub_path(path) == told


HOSTILE = [
    "../../etc/passwd",
    "52:54:00:0a:4c:07/..",
    "",
    "52:54:00:0a:4c:0",
    "52-54-00-0a-4c-07",
    f"{MAC}\n",
    "52:54:00:0A:4C:07",
]


@pytest.mark.parametrize("mac", HOSTILE)
@pytest.mark.parametrize("loader", LOADERS, ids=lambda loader: loader.template)
def test_nothing_but_an_address_gets_into_a_path(loader, mac):
    assert not is_mac(mac)
    with pytest.raises(ValueError, match="not a MAC address"):
        loader.path(mac)


@pytest.mark.parametrize("loader", LOADERS, ids=lambda loader: loader.template)
def test_a_loader_knows_its_files(loader):
    assert loader.owns(loader.path(MAC))
    assert loader.owns(loader.default)
    assert not any(other.owns(loader.path(MAC)) for other in LOADERS if other is not loader)
    assert not loader.owns("vmlinuz")
    assert not loader.owns(loader.path(MAC) + ".old")

"""What an image offers to start."""

from __future__ import annotations

import pytest

from cloudmanager.pxe.boot_menu import Entry, Language, parse

REFERENCE = (
    "default vesamenu.c32\naprompt 1\ntimeout 30\nlabel ubuntu 14.04\nmenu label CENTER COMPUTE NODE DEFAULT\n"
    "kernel vmlinuz\nappend initrd=dracut root=192.168.100.1:/mnt/rootfs biosdevname=0 ip=bond0:dhcp ro"
)


def test_the_image_of_the_reference():
    menu = parse(REFERENCE)
    assert menu.language is Language.PXELINUX
    assert (menu.default, menu.seconds) == (0, 3.0)
    assert menu.entries == (
        Entry(
            "ubuntu 14.04",
            title="CENTER COMPUTE NODE DEFAULT",
            kernel="vmlinuz",
            initrds=("dracut",),
            arguments="root=192.168.100.1:/mnt/rootfs biosdevname=0 ip=bond0:dhcp ro",
        ),
    )


@pytest.mark.parametrize(
    ("text", "default"),
    [
        ("default b\nlabel a\nkernel x\nlabel b\nkernel y", 1),
        ("label a\nkernel x\nlabel b\nmenu default\nkernel y", 1),
        ("default a\nlabel a\nkernel x\nlabel b\nmenu default\nkernel y", 1),
        ("label menu\nkernel menu.c32\nlabel b\nkernel y\nlabel c\nkernel z\ndefault c", 1),
        ("default nobody\nlabel a\nkernel x", 0),
    ],
)
def test_which_entry_is_the_default(text, default):
    assert parse(text).default == default


def test_initial_ram_disks_come_from_both_places():
    (entry,) = parse("LABEL a\n\tLINUX x\n\tINITRD one,two\n\tAPPEND quiet initrd=three,four splash").entries
    assert entry.initrds == ("one", "two", "three", "four")
    assert entry.arguments == "quiet splash"


def test_arguments_for_all_entries_hold_where_none_are_given():
    text = "append console=ttyS0\nlabel a\nkernel x\nlabel b\nkernel x\nappend own\nlabel c\nkernel x\nappend -\n"
    assert [entry.arguments for entry in parse(text).entries] == ["console=ttyS0", "own", ""]


def test_modules_of_syslinux_are_nothing_for_others():
    text = "label a\nkernel memdisk.c32\nlabel b\nlocalboot 0\nlabel c\nlocalboot -1\n"
    assert [(entry.label, entry.is_local) for entry in parse(text).entries] == [("b", True)]


@pytest.mark.parametrize("timeout", ["0", "", "soon", "-3", "²"])
def test_without_a_timeout_it_waits(timeout):
    assert parse(f"timeout {timeout}\nlabel a\nkernel x").seconds is None


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("root=test", Language.PXELINUX),
        ("", Language.PXELINUX),
        ("\n#!ipxe\nkernel x\nlabel y", Language.IPXE),
        ("menuentry 'a' {\n linux /x\n}", Language.GRUB),
        ("set root=x\nlinux /x", Language.GRUB),
        ("label a\nlinux x", Language.PXELINUX),
    ],
)
def test_for_which_loader_it_is_written(text, language):
    menu = parse(text)
    assert menu.language is language
    assert bool(menu.entries) == ("label a" in text)

"""Digests of definitions: what changes them, and what does not."""

import pytest

from cloudmanager.sign.definition import Unreadable, read

UUID = "bdfe7b89-4d44-4edb-af5a-de8733aa3eba"
XML = f"""<domain type='kvm' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>instance-00000068</name>
  <uuid>{UUID}</uuid>
  <metadata>
    <nova:instance xmlns:nova="http://openstack.org/xmlns/libvirt/nova/1.1">
      <nova:package version="33.0.2"/>
      <nova:creationTime>2024-06-03 10:45:30</nova:creationTime>
    </nova:instance>
  </metadata>
  <memory unit='KiB'>524288</memory>
  <vcpu placement='static' cpuset='0-3'>1</vcpu>
  <cputune><shares>1024</shares></cputune>
  <os>
    <type arch='x86_64' machine='pc-q35-7.2'>hvm</type>
    <loader readonly='yes' type='pflash'>/usr/share/OVMF/OVMF_CODE.fd</loader>
    <nvram template='/usr/share/OVMF/OVMF_VARS.fd'>/var/lib/libvirt/qemu/nvram/instance-00000068_VARS.fd</nvram>
    <boot dev='hd'/>
  </os>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2' cache='none'/>
      <source file='/var/lib/nova/instances/{UUID}/disk'/>
      <target dev='vda' bus='virtio'/>
    </disk>
    <disk type='block' device='disk'>
      <source dev='/dev/dm-4'/>
      <target dev='vdb' bus='virtio'/>
      <serial>5a2f1c1e-64b3-4d9d-8f5c-30d4f9f0a111</serial>
    </disk>
    <interface type='bridge'>
      <mac address='fa:16:3e:11:22:33'/>
      <source bridge='br-int'/>
      <target dev='tap5a2f1c1e-64'/>
    </interface>
    <serial type='tcp'>
      <source mode='bind' host='10.0.0.7' service='10000'/>
    </serial>
    <graphics type='vnc' port='-1' autoport='yes' listen='10.0.0.7'>
      <listen type='address' address='10.0.0.7'/>
    </graphics>
    <hostdev mode='subsystem' type='pci'>
      <source><address domain='0x0000' bus='0x81' slot='0x00' function='0x1'/></source>
    </hostdev>
  </devices>
  <seclabel type='dynamic' model='apparmor' relabel='yes'/>
  <qemu:commandline><qemu:arg value='-s'/></qemu:commandline>
</domain>
"""
BEFORE = read(XML)


def changed(old, new):
    assert XML.count(old) >= 1, old
    return read(XML.replace(old, new))


def test_what_it_says():
    assert (BEFORE.uuid, BEFORE.name) == (UUID, "instance-00000068")
    assert BEFORE.firmware == ("/usr/share/OVMF/OVMF_CODE.fd",)
    assert BEFORE.own == ("/var/lib/libvirt/qemu/nvram/instance-00000068_VARS.fd",)


def test_the_digest_of_this_version_stays_what_it_is():
    """Who changes this number makes all signatures unknown: raise `VERSION`."""
    assert BEFORE.strict == "1:5af71f2d05932236556ac06b8da523a0c4ee97e0111e92c56924486c266135d5"
    assert BEFORE.portable == "1:23735f6ae53dda82b0e2c20f0e2e0c32ef7843b5daaca1c1651e18004d88927e"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("<domain type='kvm'", "<domain id='7' type='kvm'"),
        ("<nova:creationTime>2024-06-03 10:45:30", "<nova:creationTime>2025-01-01 00:00:00"),
        ('version="33.0.2"', 'version="34.0.0"'),
        ("port='-1' autoport='yes'", "port='5903' websocket='5703' autoport='yes'"),
        ("<target dev='vda' bus='virtio'/>", "<target dev='vda' bus='virtio'/><alias name='virtio-disk0'/>"),
        (
            "relabel='yes'/>",
            "relabel='yes'><label>libvirt-1</label><imagelabel>libvirt-1</imagelabel></seclabel>",
        ),
        ("<disk type='file' device='disk'>", '<disk device="disk" type="file">'),
        ("  <devices>", "\n\n<!-- a comment --><devices>"),
        ("qemu:", "q:"),
    ],
    ids=["id", "creation", "package", "port", "alias", "label", "order", "comment", "prefix"],
)
def test_what_changes_by_itself_does_not_count(old, new):
    after = (
        read(XML.replace("xmlns:qemu", "xmlns:q").replace(old, new)) if old == "qemu:" else changed(old, new)
    )
    assert (after.strict, after.portable) == (BEFORE.strict, BEFORE.portable)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("address='10.0.0.7'/>", "address='0.0.0.0'/>"),
        ("listen='10.0.0.7'", "listen='0.0.0.0'"),
        ("host='10.0.0.7' service='10000'", "host='10.0.0.8' service='10001'"),
        ("cpuset='0-3'", "cpuset='4-7'"),
        ("<shares>1024</shares>", "<shares>1024</shares><vcpupin vcpu='0' cpuset='2'/>"),
        ("/dev/dm-4", "/dev/dm-9"),
        ("/usr/bin/qemu-system-x86_64", "/usr/libexec/qemu-kvm"),
        ("bus='0x81'", "bus='0x03'"),
    ],
    ids=["listen", "listen-old", "console", "cpuset", "pin", "block", "emulator", "pci"],
)
def test_what_belongs_to_the_host_counts_there_alone(old, new):
    after = changed(old, new)
    assert after.strict != BEFORE.strict
    assert after.portable == BEFORE.portable


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("524288", "1048576"),
        (f"/var/lib/nova/instances/{UUID}/disk", "/tmp/evil"),
        ("<serial>5a2f1c1e-64b3-4d9d-8f5c-30d4f9f0a111</serial>", "<serial>other</serial>"),
        ("/usr/share/OVMF/OVMF_CODE.fd", "/tmp/evil.fd"),
        ("fa:16:3e:11:22:33", "fa:16:3e:11:22:34"),
        ("br-int", "br-ex"),
        ("value='-s'", "value='-S'"),
        ("<seclabel type='dynamic' model='apparmor' relabel='yes'/>", "<seclabel type='none'/>"),
        ("dev='hd'", "dev='network'"),
        ("<boot dev='hd'/>", "<boot dev='hd'/><cmdline>init=/bin/sh</cmdline>"),
        ("<target dev='vda' bus='virtio'/>", "<target dev='vda' bus='virtio'/><alias name='ua-mine'/>"),
        ("instance-00000068</name>", "instance-00000069</name>"),
        ("</devices>", "<watchdog model='i6300esb' action='none'/></devices>"),
    ],
    ids=[
        "memory",
        "disk",
        "volume",
        "loader",
        "mac",
        "bridge",
        "qemu",
        "seclabel",
        "boot",
        "cmdline",
        "user-alias",
        "name",
        "device",
    ],
)
def test_everything_else_counts(old, new):
    after = changed(old, new)
    assert after.strict != BEFORE.strict
    assert after.portable != BEFORE.portable


def test_a_block_device_without_a_serial_is_its_path_everywhere():
    plain = XML.replace("<serial>5a2f1c1e-64b3-4d9d-8f5c-30d4f9f0a111</serial>", "")
    assert read(plain).portable != read(plain.replace("/dev/dm-4", "/dev/dm-9")).portable


def test_newer_libvirt_names_a_file_below_the_element():
    after = read(
        XML.replace(
            ">/var/lib/libvirt/qemu/nvram/instance-00000068_VARS.fd<", " type='file'><source file='/n'/><"
        )
    )
    assert after.own == ("/n",)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "error: failed to get domain",
        "<domain><name>a</name></domain>",
        "<network><name>a</name><uuid>b</uuid></network>",
        XML[:-20],
        f"<!DOCTYPE d [<!ENTITY a 'b'>]>{XML}",
        XML.replace("524288", "&e;"),
    ],
    ids=["empty", "words", "no-uuid", "network", "cut", "entities", "undeclared"],
)
def test_what_is_no_definition(text):
    with pytest.raises(Unreadable):
        read(text)

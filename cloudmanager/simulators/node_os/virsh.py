"""`virsh`, as far as it tells the definitions of the servers on a node; its words are those of virsh 9.0.

libvirt keeps a definition in /etc/libvirt/qemu. Until somebody writes that file, it is as Nova made it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmanager.simulators.node_os.firmware import LOADER, VARIABLES, nvram_of
from cloudmanager.simulators.ssh.answer import Failed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cloudmanager.simulators.node_os.system import System
    from cloudmanager.simulators.openstack.compute.rows import Host, Server

DEFINITION = "/etc/libvirt/qemu/{}.xml"

_XML = """\
<domain type='kvm'>
  <name>{name}</name>
  <uuid>{server.id}</uuid>
  <metadata>
    <nova:instance xmlns:nova="http://openstack.org/xmlns/libvirt/nova/1.1">
      <nova:name>{title}</nova:name>
    </nova:instance>
  </metadata>
  <memory unit='KiB'>{kib}</memory>
  <currentMemory unit='KiB'>{kib}</currentMemory>
  <vcpu placement='static'>{server.flavor.vcpus}</vcpu>
  <os>
    <type arch='x86_64' machine='pc-q35-7.2'>hvm</type>
    <loader readonly='yes' type='pflash'>{loader}</loader>
    <nvram template='{variables}'>{nvram}</nvram>
    <boot dev='hd'/>
  </os>
  <features><acpi/><apic/></features>
  <on_poweroff>destroy</on_poweroff>
  <on_reboot>restart</on_reboot>
  <on_crash>destroy</on_crash>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2' cache='none'/>
      <source file='/var/lib/nova/instances/{server.id}/disk'/>
      <target dev='vda' bus='virtio'/>
    </disk>
    <graphics type='vnc' port='-1' autoport='yes' listen='{host.ip}'>
      <listen type='address' address='{host.ip}'/>
    </graphics>
  </devices>
</domain>
"""


def virsh(system: System, words: Sequence[str], _stdin: bytes) -> str:
    """`virsh [--connect URI] [--readonly] dumpxml --inactive SERVER` and `list --all --name`."""
    rest = [word for word in words if word not in ("--readonly", "-r")]
    if rest[:1] in (["--connect"], ["-c"]):
        rest = rest[2:]
    match rest:
        case ["list", "--all", "--name"]:
            return "".join(f"{name_of(server)}\n" for _, server in guests(system)) + "\n"
        case ["dumpxml", "--inactive", wanted]:
            return _definition(system, wanted)
    raise Failed(f"error: unknown command: '{' '.join(rest)}'")


def guests(system: System) -> Iterator[tuple[Host, Server]]:
    """The servers that are in the hypervisor of this node, whatever Nova's records say."""
    tables = system.cloud.compute.tables if system.cloud else None
    host = tables.hosts.get(system.node.name) if tables else None
    if tables is not None and host is not None:
        yield from ((host, tables.servers[key]) for key in host.guests if key in tables.servers)


def name_of(server: Server) -> str:
    """What libvirt calls a server."""
    return f"instance-{server.number:08x}"


def _definition(system: System, wanted: str) -> str:
    for host, server in guests(system):
        if wanted in (server.id, name_of(server)):
            return system.files.get(DEFINITION.format(name_of(server))) or _made_by_nova(host, server)
    raise Failed(f"error: failed to get domain '{wanted}'")


def _made_by_nova(host: Host, server: Server) -> str:
    name = name_of(server)
    title = server.name.replace("&", "&amp;").replace("<", "&lt;")
    return _XML.format(
        name=name,
        title=title,
        server=server,
        host=host,
        kib=server.flavor.ram * 1024,
        loader=LOADER,
        variables=VARIABLES,
        nvram=nvram_of(name),
    )

"""Calls about what is plugged into a server: volumes, interfaces, security groups; and its diagnostics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloudmanager.simulators.http import Answer
from cloudmanager.simulators.openstack.compute.building import must_be_free
from cloudmanager.simulators.openstack.compute.rows import RUNNING
from cloudmanager.simulators.openstack.compute.states import check, wrong_state
from cloudmanager.simulators.openstack.nova.servers import find_server, origin_of
from cloudmanager.simulators.openstack.nova.tenancy import must_see_plugs, must_see_volume
from cloudmanager.simulators.openstack.nova.versions import has
from cloudmanager.simulators.openstack.problems import Conflict, Invalid, NotThere, Problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloudmanager.simulators.openstack.compute import Compute
    from cloudmanager.simulators.openstack.compute.rows import Server
    from cloudmanager.simulators.openstack.networks.rows import Port
    from cloudmanager.simulators.openstack.rest import Call

_POWER = {0: "pending", 1: "running", 3: "paused", 4: "shutdown", 6: "crashed", 7: "suspended"}

_NO_DISK = dict.fromkeys(("read_bytes", "read_requests", "write_bytes", "write_requests", "errors_count"), 0)


class Devices:
    """Answers for devices."""

    def __init__(self, compute: Compute) -> None:
        self._compute = compute

    def routes(self) -> dict[str, Callable[[Call], Answer]]:
        """Its calls."""
        return {
            "GET servers/*/os-volume_attachments": self._volumes,
            "POST servers/*/os-volume_attachments": self._attach,
            "GET servers/*/os-volume_attachments/*": self._volume,
            "DELETE servers/*/os-volume_attachments/*": self._detach,
            "GET servers/*/os-interface": self._interfaces,
            "POST servers/*/os-interface": self._plug,
            "DELETE servers/*/os-interface/*": self._unplug,
            "GET servers/*/os-security-groups": self._groups,
            "GET servers/*/diagnostics": self._diagnostics,
        }

    # --- volumes --------------------------------------------------------------------------------------------

    def _volumes(self, call: Call) -> Answer:
        server = find_server(self._compute, call)
        return Answer(200, {"volumeAttachments": [_attachment(call, server, row) for row in server.volumes]})

    def _volume(self, call: Call) -> Answer:
        server = find_server(self._compute, call)
        row = self._compute.attachments.one(server, call.names[1])
        return Answer(200, {"volumeAttachment": _attachment(call, server, row)})

    def _attach(self, call: Call) -> Answer:
        server = self._changeable(call, "attach_volume")
        wanted = call.wanted("volumeAttachment")
        if not isinstance(wanted.get("volumeId"), str):
            raise Invalid(
                "Invalid input for field/attribute volumeAttachment. 'volumeId' is a required property"
            )
        must_see_volume(self._compute, call, wanted["volumeId"])
        row = self._compute.attachments.attach(
            server,
            wanted["volumeId"],
            device=wanted.get("device"),
            tag=wanted.get("tag"),
            delete_on_termination=wanted.get("delete_on_termination"),
        )
        self._note(call, server, "attach_volume")
        return Answer(200, {"volumeAttachment": _attachment(call, server, row)})

    def _detach(self, call: Call) -> Answer:
        server = self._changeable(call, "detach_volume")
        self._compute.attachments.detach(server, call.names[1])
        self._note(call, server, "detach_volume")
        return Answer(202)

    # --- interfaces -----------------------------------------------------------------------------------------

    def _interfaces(self, call: Call) -> Answer:
        server = find_server(self._compute, call)
        ports = self._compute.plugs.of(server)
        return Answer(200, {"interfaceAttachments": [_interface(port) for port in ports]})

    def _plug(self, call: Call) -> Answer:
        server = self._changeable(call, "attach_interface")
        wanted = call.wanted("interfaceAttachment")
        fixed = wanted.get("fixed_ips") or [{}]
        plug = {
            "net_id": wanted.get("net_id"),
            "port_id": wanted.get("port_id"),
            "address": fixed[0].get("ip_address"),
        }
        if not plug["net_id"] and not plug["port_id"]:
            raise Invalid("Must input network_id or port_id")
        self._compute.plugs.check([plug])
        must_see_plugs(self._compute, call, [plug])
        server.ports.append(plug)
        port = self._compute.plugs.add(server, plug)
        self._note(call, server, "attach_interface")
        return Answer(200, {"interfaceAttachment": _interface(port)})

    def _unplug(self, call: Call) -> Answer:
        server = self._changeable(call, "detach_interface")
        for port in self._compute.plugs.of(server):
            if port.id == call.names[1]:
                self._compute.plugs.remove(server, port)
                self._note(call, server, "detach_interface")
                return Answer(202)
        raise NotThere(f"Instance {server.id} does not have a port with id {call.names[1]}")

    def _groups(self, call: Call) -> Answer:
        server = find_server(self._compute, call)
        networks = self._compute.networks
        ids = {key: None for port in self._compute.plugs.of(server) for key in port.groups}
        rows = [networks.group(key) for key in ids] if networks is not None else []
        shown = [
            {
                "id": row.id,
                "name": row.name,
                "description": row.description,
                "tenant_id": row.project_id,
                "rules": [],
            }
            for row in rows
        ]
        return Answer(200, {"security_groups": shown})

    # --- the rest -------------------------------------------------------------------------------------------

    def _diagnostics(self, call: Call) -> Answer:
        """As Nova 33 with libvirt, whose 500 for a nova-compute that is silent comes a minute later."""
        server = find_server(self._compute, call)
        call.caller.must_have("admin", "os_compute_api:os-server-diagnostics")
        if server.host is None:
            raise Conflict(f"Instance {server.id} is not ready")
        if self._compute.hosts.reach(server.host) is None:
            raise Problem("Unexpected API Error. <class 'oslo_messaging.exceptions.MessagingTimeout'>")
        power = self._compute.tables.hosts[server.host].guests.get(server.id, 0)
        if power != RUNNING:
            raise wrong_state(server, "get_diagnostics", "power state", _POWER[power])
        shown = _counted if has(call, 48) else _counted_before_2_48
        return Answer(200, shown(self._compute, server))

    def _changeable(self, call: Call, asked: str) -> Server:
        server = find_server(self._compute, call)
        call.caller.must_have("member", f"os_compute_api:{asked}")
        must_be_free(server, call.caller.is_admin)
        check(server, asked)
        return server

    def _note(self, call: Call, server: Server, action: str) -> None:
        """Write down what was done at once."""
        origin = origin_of(call)
        self._compute.actions.begin(server, action, origin)
        self._compute.actions.ended(server.id, origin.request_id, f"compute_{action}", host=server.host)


def _counted(compute: Compute, server: Server) -> dict[str, Any]:
    """What is not counted is null. Memory is in whole GiB, as libvirt's driver reckons it, not in MiB."""
    counters, vcpus = compute.usage.counters(server), server.flavor.vcpus
    disks = len(server.volumes) + bool(server.image_id)
    ports = compute.plugs.of(server)
    memory = server.flavor.ram // 1024
    return {
        "state": "running",
        "driver": "libvirt",
        "hypervisor": "kvm",
        "hypervisor_os": "linux",
        "uptime": int(compute.clock.now() - (server.launched_at or server.created_at)),
        "config_drive": bool(server.config_drive),
        "num_cpus": vcpus,
        "num_nics": len(ports),
        "num_disks": disks,
        "memory_details": {"maximum": memory, "used": memory},
        "cpu_details": [
            {"id": number, "time": counters.cpu_ns // vcpus, "utilisation": None} for number in range(vcpus)
        ],
        "disk_details": [_NO_DISK] * disks,
        "nic_details": [
            _nic(port.mac, *((counters.received, counters.sent) if port is ports[0] else (0, 0)))
            for port in ports
        ],
    }


def _counted_before_2_48(compute: Compute, server: Server) -> dict[str, Any]:
    """The form of libvirt: names of the vCPUs stand in the keys."""
    each = compute.usage.counters(server).cpu_ns // server.flavor.vcpus
    times = {f"cpu{number}_time": each for number in range(server.flavor.vcpus)}
    return {**times, "memory": server.flavor.ram * 1024, "vda_read": 0, "vda_write": 0}


def _nic(mac: str, received: int, sent: int) -> dict[str, Any]:
    names = ("rx_errors", "rx_drop", "rx_packets", "tx_errors", "tx_drop", "tx_packets")
    counted = {"rx_octets": received, "tx_octets": sent, "rx_rate": None, "tx_rate": None}
    return {"mac_address": mac, **dict.fromkeys(names, 0), **counted}


def _attachment(call: Call, server: Server, row: dict[str, Any]) -> dict[str, Any]:
    shown = {"volumeId": row["volume_id"], "serverId": server.id, "device": row["device"]}
    if not has(call, 89):
        shown["id"] = row["volume_id"]
    if has(call, 70):
        shown["tag"] = row["tag"]
    if has(call, 79):
        shown["delete_on_termination"] = row["delete_on_termination"]
    if has(call, 89):
        shown |= {"attachment_id": row["attachment_id"], "bdm_uuid": row["bdm_uuid"]}
    return shown


def _interface(port: Port) -> dict[str, Any]:
    return {
        "port_id": port.id,
        "net_id": port.network_id,
        "mac_addr": port.mac,
        "port_state": port.status,
        "fixed_ips": port.addresses,
    }

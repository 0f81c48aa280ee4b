"""The ports of servers. Where there is a simulated Neutron they are its; else servers have no network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloudmanager.simulators.openstack.problems import Conflict, Invalid, NotThere

if TYPE_CHECKING:
    from cloudmanager.simulators.openstack.compute.compute import Compute
    from cloudmanager.simulators.openstack.compute.rows import Server
    from cloudmanager.simulators.openstack.networks.rows import Port

_OWNER = "compute:{}"


class Plugs:
    """Plugs servers in. What was asked for is in a server's `ports`, as {"net_id", "port_id", "address"}."""

    def __init__(self, compute: Compute) -> None:
        self._compute = compute

    def check(self, wanted: list[dict[str, Any]]) -> None:
        """`Invalid` when a network or port that is asked for is not there."""
        networks = self._compute.networks
        if networks is None:
            if wanted:
                raise Invalid(
                    f"Network {wanted[0].get('net_id') or wanted[0].get('port_id')} could not be found."
                )
            return
        for plug in wanted:
            try:
                if plug.get("port_id"):
                    port = networks.port(plug["port_id"])
                    if port.device_id:
                        raise Conflict(f"Port {port.id} is still in use.")
                else:
                    networks.network(plug["net_id"])
            except NotThere as problem:
                raise Invalid(str(problem)) from None

    def any_network(self, project_id: str) -> list[dict[str, Any]]:
        """What a server gets that asks for `auto`: the only network there is, or none."""
        networks = self._compute.networks
        if networks is None:
            return []
        seen = [row for row in networks.networks.values() if row.project_id == project_id or row.shared]
        usable = [row for row in seen if not row.external]
        if len(usable) > 1:
            raise Conflict("Multiple possible networks found, use a Network ID to be more specific.")
        return [{"net_id": row.id} for row in usable]

    def plug_in(self, server: Server) -> None:
        """Make or take the ports that a server was asked to have."""
        for plug in server.ports:
            self.add(server, plug)

    def add(self, server: Server, plug: dict[str, Any]) -> Port:
        """Give a server one more port; the network has to be there."""
        networks = self._compute.networks
        if networks is None:
            raise Invalid("there is no network service")
        owner = _OWNER.format(self._compute.hosts.zone_of(server.host) if server.host else "nova")
        if plug.get("port_id"):
            port = networks.port(plug["port_id"])
            plug["kept"] = True  # it was there before the server, and will be after it
            port.device_id, port.device_owner, port.host = server.id, owner, server.host or ""
            networks.touch(port)
            return port
        return networks.create_port(
            plug["net_id"],
            server.project_id,
            address=plug.get("address"),
            device_id=server.id,
            device_owner=owner,
            host=server.host or "",
            groups=self._group_ids(server),
        )

    def remove(self, server: Server, port: Port) -> None:
        """Take a port away; one that was there before is only unplugged."""
        networks = self._compute.networks
        if networks is None:
            return
        if any(plug.get("kept") and plug.get("port_id") == port.id for plug in server.ports):
            port.device_id = port.device_owner = port.host = ""
            networks.touch(port)
        else:
            networks.delete_port(port)

    def unplug(self, server: Server) -> None:
        """A server is deleted."""
        for port in self.of(server):
            self.remove(server, port)

    def moved(self, server: Server) -> None:
        """A server is on another host now, with its ports."""
        for port in self.of(server):
            port.host = server.host or ""

    # --- asking ---------------------------------------------------------------------------------------------

    def of(self, server: Server) -> list[Port]:
        """The ports of a server."""
        networks = self._compute.networks
        return networks.ports_of(server.id) if networks is not None else []

    def addresses(self, server: Server) -> dict[str, list[dict[str, Any]]]:
        """The addresses of a server by the name of the network, floating ones too."""
        networks = self._compute.networks
        found: dict[str, list[dict[str, Any]]] = {}
        if networks is None:
            return found
        for port in self.of(server):
            rows = [(a["ip_address"], "fixed") for a in port.addresses]
            rows += [(f.address, "floating") for f in networks.floating.values() if f.port_id == port.id]
            found.setdefault(networks.network(port.network_id).name, []).extend(
                {
                    "version": 6 if ":" in address else 4,
                    "addr": address,
                    "OS-EXT-IPS:type": kind,
                    "OS-EXT-IPS-MAC:mac_addr": port.mac,
                }
                for address, kind in rows
            )
        return found

    def ips(self, server: Server) -> list[str]:
        """All addresses of a server."""
        return [a["addr"] for rows in self.addresses(server).values() for a in rows]

    def groups(self, server: Server) -> list[str]:
        """The names of a server's security groups, as its ports have them."""
        networks = self._compute.networks
        if networks is None:
            return server.security_groups
        names = [networks.group(key).name for port in self.of(server) for key in port.groups]
        return list(dict.fromkeys(names))

    def add_group(self, server: Server, wanted: str) -> None:
        """Put a security group on all ports of a server."""
        for port in self.of(server):
            group = self._find_group(server, wanted)
            if group not in port.groups:
                port.groups.append(group)

    def remove_group(self, server: Server, wanted: str) -> None:
        """Take a security group from all ports of a server."""
        group = self._find_group(server, wanted)
        ports = [port for port in self.of(server) if group in port.groups]
        if not ports:
            raise NotThere(f"Security group {wanted} not associated with the instance {server.id}")
        for port in ports:
            port.groups.remove(group)

    def _group_ids(self, server: Server) -> list[str] | None:
        """The groups that a server was asked to be in; None is the project's default."""
        if not server.security_groups:
            return None
        return [self._find_group(server, wanted) for wanted in server.security_groups]

    def _find_group(self, server: Server, wanted: str) -> str:
        """The id of a security group, by its id or its name in the project."""
        networks = self._compute.networks
        if networks is not None:
            if wanted == "default":
                return networks.default_group(server.project_id).id
            for row in networks.groups.values():
                if wanted == row.id or (wanted == row.name and row.project_id == server.project_id):
                    return row.id
        raise NotThere(f"Security group {wanted} not found.")

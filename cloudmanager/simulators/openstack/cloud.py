"""A whole simulated cloud: the truth of each service, their servers, and the catalogue that names them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from cloudmanager.simulators.keycloak import Keycloak, Realm
from cloudmanager.simulators.keystone import Identity, Keystone
from cloudmanager.simulators.openstack import faults
from cloudmanager.simulators.openstack.compute import Compute
from cloudmanager.simulators.openstack.images import Glance, Images
from cloudmanager.simulators.openstack.networks import Networks, Neutron
from cloudmanager.simulators.openstack.nova import Nova
from cloudmanager.simulators.openstack.placement import Placement
from cloudmanager.simulators.openstack.rest import RestService
from cloudmanager.simulators.openstack.volumes import Cinder, Volumes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cloudmanager.simulators.world import World

LOG = logging.getLogger(__name__)

Server = Keystone | Keycloak | RestService
"""What answers for one service; Keycloak is the tenants' side of the cloud, and in no catalogue."""


class OpenStack:
    """A cloud on the nodes of a world.

    `servers` are what answers, by the name of the service; each keeps its port in `ports`.
    """

    def __init__(
        self,
        world: World,
        *,
        identity: Identity | None = None,
        compute: Compute | None = None,
        volumes: Volumes | None = None,
        images: Images | None = None,
        networks: Networks | None = None,
        realm: Realm | None = None,
    ) -> None:
        self.world = world
        self.identity = identity or Identity(world.clock)
        self.compute = compute or Compute(world)
        self.volumes = volumes or Volumes(world.clock)
        self.images = images or Images(world.clock)
        self.networks = networks or Networks(world.clock)
        self.realm = realm or Realm(world.clock)
        self.compute.volumes = self.volumes
        self.compute.images, self.compute.networks = self.images, self.networks
        self.ports: dict[str, int] = {}
        self.servers: dict[str, Server] = {
            "keystone": Keystone(self.identity),
            "nova": Nova(self.compute, self.identity),
            "placement": Placement(self.compute, self.identity),
            "cinder": Cinder(self.volumes, self.images, self.identity),
            "glance": Glance(self.images, self.identity),
            "neutron": Neutron(self.networks, self.identity),
            "keycloak": Keycloak(self.realm),
        }
        self._running: dict[str, Server] = {}
        self._resumed = False

    async def start(self, host: str) -> None:
        """Start the servers that do not run yet, on the ports they had; take up the work that was left."""
        if not self._resumed:
            self._resumed = True
            self.compute.resume()
        for name, server in self.servers.items():
            if name not in self._running:
                self.ports[name] = await self._listen(host, name, server)
                self._running[name] = server

    async def stop(self) -> None:
        """Stop all servers."""
        while self._running:
            _, server = self._running.popitem()
            await server.stop()

    def watch(self, watcher: Callable[[], object]) -> None:
        """Tell `watcher` whenever something may have changed; the last one counts."""
        self.compute.work.done = watcher
        for server in self.servers.values():
            if isinstance(server, RestService | Keycloak):
                server.changed = watcher

    async def _listen(self, host: str, name: str, server: Server) -> int:
        """Start on the port that it had; if that is taken now, on another, and say so."""
        wanted = self.ports.get(name, 0)
        try:
            return await server.start(host, wanted)
        except OSError as problem:
            if wanted == 0:
                raise
            port = await server.start(host, 0)
            LOG.warning("%s: port %d is not free (%s); it is %d now", name, wanted, problem, port)
            return port

    # --- keeping --------------------------------------------------------------------------------------------

    def status(self) -> list[dict[str, Any]]:
        """Its services: where they are, what is wrong with them, how often they were asked."""
        return [
            {
                "name": name,
                "port": self.ports.get(name, 0),
                "running": name in self._running,
                "faults": faults.shown(self, name),
                "requests": self.servers[name].asked,
            }
            for name in self.servers
        ]

    def to_dict(self) -> dict[str, Any]:
        """Everything that a restart must find again, in values that JSON can hold."""
        parts = {name: getattr(self, name).to_dict() for name in ("identity", "compute", *_PARTS)}
        wire = {name: server.faults.to_dict() for name, server in self.servers.items()}
        return {**parts, "ports": self.ports, "faults": wire}

    @classmethod
    def from_dict(cls, kept: dict[str, Any], world: World, *, database: Path | None = None) -> OpenStack:
        """Build what `to_dict` described."""
        parts: dict[str, Any] = {
            name: kind.from_dict(kept[name], world.clock) for name, kind in _PARTS.items() if name in kept
        }
        identity = Identity.from_dict(kept["identity"], world.clock)
        compute = Compute.from_dict(kept["compute"], world, database=database)
        cloud = cls(world, identity=identity, compute=compute, **parts)
        cloud.ports = dict(kept["ports"])
        for name, server in cloud.servers.items():
            server.faults = server.faults.changed(**kept["faults"].get(name, {}))
        return cloud


_PARTS: dict[str, Any] = {"volumes": Volumes, "images": Images, "networks": Networks, "realm": Realm}

"""A whole simulated cloud: the truth of each service, their servers, and the catalogue that names them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from cloudmanager.simulators.keystone import Identity, Keystone
from cloudmanager.simulators.openstack.compute import Compute

if TYPE_CHECKING:
    from cloudmanager.simulators.world import World


class CloudServer(Protocol):
    """What answers for one service of the cloud."""

    async def start(self, host: str, port: int) -> int:
        """Listen, put itself into the catalogue, and answer the real port."""
        ...

    async def stop(self) -> None:
        """Listen no more."""
        ...


class OpenStack:
    """A cloud on the nodes of a world. `volumes`, `images` and `networks` are there when somebody adds them.

    `servers` are what answers, by the name of the service: keystone first, and each keeps its port in `ports`.
    """

    def __init__(
        self, world: World, *, identity: Identity | None = None, compute: Compute | None = None
    ) -> None:
        self.world = world
        self.identity = identity or Identity(world.clock)
        self.compute = compute or Compute(world)
        self.volumes: Any = None
        self.images: Any = None
        self.networks: Any = None
        self.ports: dict[str, int] = {}
        self.servers: dict[str, CloudServer] = {"keystone": Keystone(self.identity)}
        self._running: list[CloudServer] = []

    async def start(self, host: str) -> None:
        """Start the servers that do not run yet, on the ports they had."""
        for name, server in self.servers.items():
            if server not in self._running:
                self.ports[name] = await server.start(host, self.ports.get(name, 0))
                self._running.append(server)

    async def stop(self) -> None:
        """Stop all servers."""
        while self._running:
            await self._running.pop().stop()

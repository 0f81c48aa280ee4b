"""The truth of a simulated Nova: its records, its processes, and the guests that really run in the world.

Behaviours are those of Nova 33 (2026.1), as observed on a control plane with fake hypervisors.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from cloudmanager.simulators.openstack.compute.actions import Actions
from cloudmanager.simulators.openstack.compute.aggregates import Aggregates
from cloudmanager.simulators.openstack.compute.attachments import Attachments
from cloudmanager.simulators.openstack.compute.building import Building
from cloudmanager.simulators.openstack.compute.cold import ColdMigrations
from cloudmanager.simulators.openstack.compute.evacuations import Evacuations
from cloudmanager.simulators.openstack.compute.faults import ComputeFaults
from cloudmanager.simulators.openstack.compute.hosts import Hosts
from cloudmanager.simulators.openstack.compute.live import LiveMigrations
from cloudmanager.simulators.openstack.compute.migrations import Migrations
from cloudmanager.simulators.openstack.compute.plugs import Plugs
from cloudmanager.simulators.openstack.compute.power import Power
from cloudmanager.simulators.openstack.compute.quotas import Quotas
from cloudmanager.simulators.openstack.compute.returns import Returns
from cloudmanager.simulators.openstack.compute.rows import Flavor, ServerGroup
from cloudmanager.simulators.openstack.compute.scheduler import Scheduler
from cloudmanager.simulators.openstack.compute.system_metadata import SystemMetadata
from cloudmanager.simulators.openstack.compute.tables import Tables
from cloudmanager.simulators.openstack.compute.timings import Timings
from cloudmanager.simulators.openstack.compute.usage import Usage
from cloudmanager.simulators.openstack.compute.work import Work

if TYPE_CHECKING:
    from pathlib import Path

    from cloudmanager.simulators.openstack.compute.rows import Host, Server, SplitBrain
    from cloudmanager.simulators.openstack.images import Image, Images
    from cloudmanager.simulators.openstack.networks import Networks
    from cloudmanager.simulators.openstack.volumes import Volumes
    from cloudmanager.simulators.world import World


class Compute:
    """Everything that Nova is, in parts that share one set of tables. Time is the world's.

    `volumes`, `images` and `networks` are the truths of the other services, where there are any.
    """

    def __init__(
        self,
        world: World,
        *,
        timings: Timings | None = None,
        tables: Tables | None = None,
        database: Path | None = None,
    ) -> None:
        self.world = world
        self.clock = world.clock
        self.timings = timings or Timings()
        self.tables = tables or Tables()
        self.faults = ComputeFaults()
        self.controller = "controller"
        self.resume_guests_state_on_host_boot = False
        self.volumes: Volumes | None = None
        self.images: Images | None = None
        self.networks: Networks | None = None
        self.metadata = SystemMetadata(database, self.image_of)
        self.hosts = Hosts(self)
        self.work = Work(self.clock, self.tables, self.hosts.reach)
        self.actions = Actions(self.clock, self.tables)
        self.migrations = Migrations(self)
        self.scheduler = Scheduler(self)
        self.quotas = Quotas(self.tables)
        self.attachments = Attachments(self)
        self.plugs = Plugs(self)
        self.building = Building(self)
        self.power = Power(self)
        self.live = LiveMigrations(self)
        self.cold = ColdMigrations(self)
        self.evacuations = Evacuations(self)
        self.returns = Returns(self)
        self.aggregates = Aggregates(self)
        self.usage = Usage(self)

    @property
    def split_brains(self) -> list[SplitBrain]:
        """Every time that a guest ran on several hosts."""
        return self.tables.split_brains

    # --- building -------------------------------------------------------------------------------------------

    def add_host(self, name: str, **size: Any) -> Host:
        """Make a node of the world a compute node."""
        return self.hosts.add(name, **size)

    def add_flavor(self, name: str, *, vcpus: int, ram: int, disk: int, **more: Any) -> Flavor:
        """Make a flavor."""
        flavor = Flavor(name=name, vcpus=vcpus, ram=ram, disk=disk, **more)
        self.tables.flavors[flavor.id] = flavor
        return flavor

    def add_group(
        self, name: str, policy: str, project_id: str, user_id: str = "", **more: Any
    ) -> ServerGroup:
        """Make a server group."""
        group = ServerGroup(name=name, policy=policy, project_id=project_id, user_id=user_id, **more)
        self.tables.groups[group.id] = group
        return group

    def image_of(self, server: Server) -> Image | None:
        """What a server is made of; None where Glance does not know it."""
        return self.images.images.get(server.image_id) if self.images is not None else None

    # --- what all parts do with a server --------------------------------------------------------------------

    def set_task(self, server: Server, task: str | None) -> None:
        """Say what is being done with a server."""
        server.task_state = task
        server.updated_at = self.clock.now()

    def place(self, server: Server, host: str | None) -> None:
        """Say that a server is on another host now, with its volumes and the power that it has there."""
        self.tables.place(server, host)
        server.updated_at = self.clock.now()
        if host is not None:
            server.power_state = self.tables.hosts[host].guests.get(server.id, server.power_state)
            self.attachments.moved(server)
            self.plugs.moved(server)

    def fail(self, server: Server, message: str) -> None:
        """Leave a server in ERROR with a fault."""
        server.vm_state = "error"
        server.fault = {"code": 500, "message": message, "created": self.clock.now()}
        self.set_task(server, None)

    # --- keeping --------------------------------------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        """Everything that a restart must find again, in values that JSON can hold."""
        return {
            "tables": self.tables.to_dict(),
            "timings": asdict(self.timings),
            "faults": self.faults.to_dict(),
            "ratios": dict(self.scheduler.ratios),
            "resume_guests_state_on_host_boot": self.resume_guests_state_on_host_boot,
            "database": str(self.metadata.path) if self.metadata.path else None,
        }

    @classmethod
    def from_dict(cls, kept: dict[str, Any], world: World, *, database: Path | None = None) -> Compute:
        """Build what `to_dict` described. `resume` takes up its work."""
        tables = Tables.from_dict(kept["tables"])
        compute = cls(world, timings=Timings(**kept["timings"]), tables=tables, database=database)
        compute.faults = ComputeFaults.from_dict(kept["faults"])
        compute.scheduler.ratios = dict(kept["ratios"])
        compute.resume_guests_state_on_host_boot = kept["resume_guests_state_on_host_boot"]
        return compute

    def resume(self) -> None:
        """Take up the work that was in hand when it was kept."""
        self.work.resume()
        self.hosts.resume()

"""The cloud of the demo: two tenants, their servers on the nodes of the first racks, and what those need."""

from __future__ import annotations

import random
import string
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloudmanager.simulators.openstack.compute.rows import RUNNING, SHUTDOWN, Server
from cloudmanager.simulators.openstack.images import Image
from cloudmanager.simulators.openstack.networks.rows import Network, Subnet
from cloudmanager.simulators.openstack.volumes.rows import Volume

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloudmanager.simulators.keystone.identity import Identity
    from cloudmanager.simulators.keystone.people import Project, Token, User
    from cloudmanager.simulators.openstack.cloud import OpenStack
    from cloudmanager.simulators.openstack.compute.rows import Flavor, ServerGroup

ADMIN, READER, OURS = "admin", "reader", "cloudmanager"
"""The users that the demo makes credentials for: two people, and the daemon itself."""

PROJECT = "admin"
PORTAL_CLIENT, PORTAL_AUDIENCE = "portal-web", "compute-portal"
PORTAL_TOKEN_SECONDS = 1800
LASTING_SECONDS = 365 * 86_400.0
STORAGE_HOSTS = ("storage1.demo.local", "storage2.demo.local")
BACKEND, VOLUME_GROUP = "lvm", "cinder-volumes"
_DISKS = {"/dev/mapper/mpathb": 3072, "/dev/mapper/mpathc": 3072, "/dev/mapper/mpathd": 3072}  # GiB
_FLAVORS = {
    "m1.small": (1, 2048, 20),
    "m1.medium": (2, 4096, 40),
    "m1.large": (4, 8192, 80),
    "m1.xlarge": (8, 16384, 160),
}
_FIRST_FLAVOR = 2  # the id of m1.small where DevStack has made the flavors
_TENANTS_QUOTA = {"instances": 1000, "cores": 4000, "ram": 8_000_000}
_IMAGES = {"debian-13": 10, "ubuntu-24.04": 10, "cirros-0.6": 1}  # with their smallest disk in GiB
_TENANTS = {"shop": "10.10.0.0/22", "lab": "10.30.0.0/22"}
_SERVERS_PER_NODE = 10
_EVERY_NTH_STOPPED = 20
_EVERY_NTH_WITH_DATA = 3
_EVERY_NTH_FROM_VOLUME = 10
_DATA_GIB = 10
_NODES_PER_GROUP = 6  # for so many nodes there is one group of each policy


@dataclass(frozen=True, slots=True)
class Role:
    """What a kind of server is for; some are more urgent to bring back than others."""

    name: str
    tenant: str
    flavor: str
    image: str
    share: int
    priority: int | None = None


_ROLES = (
    Role("web", "shop", "m1.small", "debian-13", 4),
    Role("app", "shop", "m1.medium", "debian-13", 3),
    Role("db", "shop", "m1.xlarge", "ubuntu-24.04", 1, priority=10),
    Role("build", "lab", "m1.large", "ubuntu-24.04", 2, priority=1),
    Role("test", "lab", "m1.small", "cirros-0.6", 2),
)


def seed_cloud(cloud: OpenStack, nodes: Sequence[str]) -> None:
    """Make these nodes compute nodes, and fill those that are on."""
    _Seeding(cloud, nodes).run()


def administrators_token(identity: Identity, known: str = "") -> Token:
    """A token of the demo's administrator that lasts; the known one if it is theirs."""
    user = identity.user_named(ADMIN)
    project = next(row for row in identity.projects.values() if row.name == PROJECT)
    return identity.lasting_token(user, project, LASTING_SECONDS, known)


class _Seeding:
    def __init__(self, cloud: OpenStack, nodes: Sequence[str]) -> None:
        self._cloud = cloud
        self._nodes = nodes
        self._chance = random.Random(f"{cloud.world.seed} cloud")
        self._projects: dict[str, Project] = {}
        self._users: dict[str, User] = {}
        self._flavors: dict[str, Flavor] = {}
        self._networks: dict[str, Network] = {}
        self._images: dict[str, Image] = {}

    def run(self) -> None:
        """One thing after another: later ones need earlier ones."""
        self._make_people()
        self._make_storage()
        self._make_images()
        self._make_networks()
        self._make_hosts()
        self._fill()
        self._make_realm()

    # --- what servers need ----------------------------------------------------------------------------------

    def _make_people(self) -> None:
        identity = self._cloud.identity
        for name in (PROJECT, "service", *_TENANTS):
            self._projects[name] = identity.add_project(name)
        for name in (ADMIN, READER, OURS, "nova", *(f"{tenant}-owner" for tenant in _TENANTS)):
            self._users[name] = identity.add_user(name, self._password())
        for name in (PROJECT, *_TENANTS):
            identity.grant(self._users[ADMIN], self._projects[name], "admin")
            identity.grant(self._users[READER], self._projects[name], "reader")
        identity.grant(self._users[OURS], self._projects["service"], "admin", "service")
        identity.grant(self._users["nova"], self._projects["service"], "service")
        for tenant in _TENANTS:
            identity.grant(self._users[f"{tenant}-owner"], self._projects[tenant], "member")
            identity.grant(self._users[OURS], self._projects[tenant], "member")

    def _make_storage(self) -> None:
        volumes = self._cloud.volumes
        volumes.add_controller("controller.demo.local")
        for host in STORAGE_HOSTS:
            volumes.add_backend(host, BACKEND, VOLUME_GROUP, _DISKS)
        volumes.add_type(BACKEND, backend=BACKEND)

    def _make_images(self) -> None:
        images = self._cloud.images
        for name, disk in _IMAGES.items():
            image = Image(
                name=name,
                owner=self._projects[PROJECT].id,
                visibility="public",
                disk_format="qcow2",
                container_format="bare",
                min_disk=disk,
                properties={"os_distro": name.partition("-")[0]},
            )
            self._images[name] = images.add(image)
            images.upload(image, f"not really {name}".encode())

    def _make_networks(self) -> None:
        networks = self._cloud.networks
        for tenant, cidr in _TENANTS.items():
            project = self._projects[tenant].id
            made = networks.add_network(Network(name=f"{tenant}-net", project_id=project))
            self._networks[tenant] = made
            networks.add_subnet(
                Subnet(name=f"{tenant}-subnet", network_id=made.id, cidr=cidr, project_id=project)
            )
        admin = self._projects[PROJECT].id
        outside = networks.add_network(Network(name="public", project_id=admin, external=True, kind="flat"))
        networks.add_subnet(
            Subnet(name="public", network_id=outside.id, cidr="203.0.113.0/24", project_id=admin)
        )
        self._networks["public"] = outside
        for tenant in _TENANTS:
            project, [inside] = self._projects[tenant].id, networks.subnets_of(self._networks[tenant].id)
            networks.routing.plug(networks.routing.add(f"{tenant}-router", project, outside=outside), inside)

    def _make_hosts(self) -> None:
        compute = self._cloud.compute
        for number, (name, (vcpus, ram, disk)) in enumerate(_FLAVORS.items(), start=_FIRST_FLAVOR):
            self._flavors[name] = compute.add_flavor(name, vcpus=vcpus, ram=ram, disk=disk, id=str(number))
        for tenant in _TENANTS:
            compute.quotas.change(self._projects[tenant].id, dict(_TENANTS_QUOTA))
        for name in self._nodes:
            compute.add_host(name)
        racks = sorted({self._cloud.world.node(name).rack for name in self._nodes})
        for rack in racks:
            aggregate = compute.aggregates.create(f"rack{rack}")
            compute.aggregates.set_metadata(aggregate, {"rack": str(rack)})
            for name in self._nodes:
                if self._cloud.world.node(name).rack == rack:
                    compute.aggregates.add_host(aggregate, name)

    # --- servers --------------------------------------------------------------------------------------------

    def _fill(self) -> None:
        """Servers of all roles in turn; the first of each tenant are in groups."""
        turns = [role for role in _ROLES for _ in range(role.share)]
        groups = self._groups()
        up = [name for name in self._nodes if self._cloud.world.is_on(name)]
        weights = [self._chance.uniform(0.5, 1.5) for _ in up]
        counts: dict[str, int] = {}
        made = []
        for number in range(_SERVERS_PER_NODE * len(self._nodes)):
            role = turns[number % len(turns)]
            counts[role.name] = counts.get(role.name, 0) + 1
            waiting = groups[role.tenant]
            group = waiting.pop() if waiting else None
            server = self._server(role, f"{role.name}-{counts[role.name]:03}", group)
            if server.group_id:
                host = self._cloud.compute.scheduler.choose(server).name
            else:
                host = self._chance.choices(up, weights)[0]
            self._put(server, host, number)
            made.append(server)
        self._cloud.compute.metadata.write_new(*made)

    def _groups(self) -> dict[str, list[ServerGroup]]:
        """For each tenant the groups that its first servers are in, each as often as it has members."""
        found: dict[str, list[ServerGroup]] = {}
        for tenant in _TENANTS:
            project, user = self._projects[tenant].id, self._users[f"{tenant}-owner"].id
            found[tenant] = []
            for number in range(1, max(1, len(self._nodes) // _NODES_PER_GROUP) + 1):
                together = "affinity" if number == 1 else "soft-affinity"  # few bind a host as hard as that
                for policy, members in ((together, 2), ("anti-affinity", 3)):
                    group = self._cloud.compute.add_group(
                        f"{tenant}-{policy}-{number}", policy, project, user
                    )
                    found[tenant] += [group] * members
        return found

    def _server(self, role: Role, name: str, group: ServerGroup | None) -> Server:
        tenant = role.tenant
        now = self._cloud.world.clock.now()
        server = Server(
            name=name,
            number=self._cloud.compute.tables.next_number("server"),
            project_id=self._projects[tenant].id,
            user_id=self._users[f"{tenant}-owner"].id,
            flavor=self._flavors[role.flavor],
            image_id=self._images[role.image].id,
            metadata={} if role.priority is None else {"recovery_priority": str(role.priority)},
            group_id=group.id if group else None,
            created_at=now,
            updated_at=now,
            launched_at=now,
            ports=[{"net_id": self._networks[tenant].id}],
        )
        if group:
            group.members.append(server.id)
        return server

    def _put(self, server: Server, host: str, number: int) -> None:
        """Let a server run on a host, or be there and not run."""
        compute = self._cloud.compute
        if number % _EVERY_NTH_FROM_VOLUME == 0:
            self._add_volume(
                server, server.flavor.disk, "/dev/vda", image=self._cloud.images.image(server.image_id)
            )
            server.image_id = ""
        if number % _EVERY_NTH_WITH_DATA == 0:
            self._add_volume(server, _DATA_GIB, "/dev/vdb")
        compute.tables.add_server(server)
        compute.place(server, host)
        compute.plugs.plug_in(server)
        compute.attachments.attach_all(server)
        is_stopped = number % _EVERY_NTH_STOPPED == _EVERY_NTH_STOPPED - 1
        server.power_state = SHUTDOWN if is_stopped else RUNNING
        server.vm_state, server.task_state = "stopped" if is_stopped else "active", None
        compute.hosts.put_guest(host, server.id, server.power_state)

    def _add_volume(self, server: Server, gib: int, device: str, image: Image | None = None) -> None:
        volumes = self._cloud.volumes
        volume = volumes.create(
            Volume(
                name=f"{server.name}-{'root' if image else 'data'}",
                size=gib,
                project_id=server.project_id,
                user_id=server.user_id,
                type_id=volumes.default_type,
                bootable=image is not None,
                image={"image_id": image.id, "image_name": image.name or ""} if image else {},
            )
        )
        volumes.change(volume, "available")
        server.volumes.append(
            {
                "volume_id": volume.id,
                "device": device,
                "bdm_uuid": volume.id,
                "attachment_id": "",
                "delete_on_termination": False,
                "boot_index": 0 if image else None,
                "tag": None,
            }
        )

    # --- the portal's side ----------------------------------------------------------------------------------

    def _make_realm(self) -> None:
        """An owner of each tenant, and a program of each, whose tokens lead to its project."""
        realm = self._cloud.realm
        realm.token_seconds = PORTAL_TOKEN_SECONDS
        realm.add_client(PORTAL_CLIENT, PORTAL_AUDIENCE)
        for tenant in _TENANTS:
            whose = {
                "claims": {"project_id": self._projects[tenant].id},
                "roles": ["member"],
                "groups": [f"/tenants/{tenant}"],
            }
            realm.add_person(f"{tenant}-owner", self._password(), **whose)
            realm.add_client(f"{tenant}-robot", PORTAL_AUDIENCE, secret=self._password(), **whose)

    def _password(self) -> str:
        return "".join(self._chance.choices(string.ascii_letters + string.digits, k=20))

"""Tenants' clouds in memory: everything takes its time, is counted by its marker, and fails on request."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime

from cloudmanager.errors import CloudRefused, CloudUnreachable, Conflict, Forbidden, NotFound
from cloudmanager.openstack.definitions import Image, Made, Volume
from cloudmanager.openstack.records import Accepted, Flavor, Server
from cloudmanager.openstack.tenant_records import (
    Allowance,
    AttachedDisk,
    Backup,
    Console,
    Deed,
    FloatingIp,
    Keypair,
    Network,
    Port,
    SecurityGroup,
    Size,
)

from .fake_copies import TAKES, Store

SIZES = (Size("1", "m1.small", 1, 1024, 10), Size("2", "m1.large", 4, 8192, 40))


class PlainVault:
    """Opens by taking away what sealing has put before it."""

    def open(self, sealed):
        assert sealed.startswith("sealed ")
        return sealed.removeprefix("sealed ")


class FakeNames:
    """Name servers: `records` is {name: address}."""

    def __init__(self, line):
        self.line, self.records, self.refuses = line, {}, False

    async def publish(self, name, address, project_id):
        def act():
            if self.refuses:
                raise Conflict(f"{name} is somebody else's")
            self.records[name] = address

        self.line.call(f"publish {name}", act, changes=True)
        return True

    async def withdraw(self, name, address, project_id):
        def act():
            if self.records.get(name) == address:
                del self.records[name]

        self.line.call(f"withdraw {name}", act, changes=True)
        return True


class FakeTenants:
    """All projects; those that are not there do not let our user in."""

    def __init__(self, line, clock, *names):
        self.projects = {name: FakeTenant(name, line, clock) for name in names}

    def of(self, project_id):
        if project_id not in self.projects:
            raise Forbidden(f"Keystone does not let the daemon into project {project_id}")
        return self.projects[project_id]

    async def close(self):
        pass


class FakeTenant:
    """One project, with an image, two networks of which one is external, and the default security group."""

    def __init__(self, name, line, clock):
        self.name, self.line, self.clock = name, line, clock
        self.volume_store, self.image_store = Store(clock, "available"), Store(clock, "active")
        self.backup_store = Store(clock, "available")
        self.guests, self.tags, self.due, self.dying = {}, {}, {}, {}
        self.made = Counter()
        self.groups = {f"{name}-default": SecurityGroup(f"{name}-default", "default", "")}
        self.rules = Counter()
        self.addresses, self.keys, self.new = {}, {}, {}
        self.failing_servers = 0
        self.groups_are_used = False
        self.on_create = lambda: None
        self.limits = {"instances": 10, "cores": 20, "ram_mb": 51200, "volumes": 10, "gigabytes": 1000}
        self.limits |= {"backups": 10, "floating_ips": 50}
        self.numbers = itertools.count(1)
        image = Image(f"{name}-image", "Ubuntu", "active", 1, {"owner": name})
        self.image_store.things[image.id] = image
        self.nets = [Network(f"{name}-net", "fleet", False), Network("public-net", "public", True)]

    # --- the line -------------------------------------------------------------------------------------------

    def _call(self, what, act, *, changes=False):
        def settled():
            self._settle()
            return act()

        return self.line.call(what, settled, lost=CloudUnreachable, changes=changes)

    def _do(self, what, act):
        answer = self._call(what, act, changes=True)
        return Accepted(f"req-{what}") if answer is None else answer

    def _settle(self):
        now = self.clock.now()
        for store in (self.volume_store, self.image_store, self.backup_store):
            store.settle()
        for key in [key for key, due in self.due.items() if now >= due]:
            del self.due[key]
            built = {"status": "ACTIVE", "vm_state": "active"}
            if self.failing_servers:
                self.failing_servers -= 1
                built = {"status": "ERROR", "vm_state": "error", "fault": "No valid host was found."}
            self.guests[key] = replace(self.guests[key], task_state=None, **built)
        for key in [key for key, due in self.dying.items() if now >= due]:
            del self.dying[key]
            self._vanish(key)

    def _vanish(self, key):
        del self.guests[key]
        self.due.pop(key, None)
        for volume_id, volume in self.volume_store.things.items():
            if key in volume.servers:
                self.volume_store.things[volume_id] = replace(volume, status="available", servers=())
        for address_id, address in self.addresses.items():
            if address.port_id == f"port-{key}":
                self.addresses[address_id] = replace(address, port_id=None)

    def add_server(self, **state):
        """A server that runs."""
        number = next(self.numbers)
        key = f"00000000-0000-4000-8000-{sum(map(ord, self.name)):06d}{number:06d}"
        flavor = Flavor("m1.small", 1, 1024, 10)
        values = {
            "status": "ACTIVE",
            "vm_state": "active",
            "task_state": None,
            "host": None,
            "flavor": flavor,
        }
        values |= {"created_at": datetime.fromtimestamp(self.clock.now(), UTC), "project_id": self.name}
        self.guests[key] = Server(id=key, **{"name": f"vm{number}", **values, **state})
        return self.guests[key]

    def add_volume(self, key, **state):
        values = {"name": key, "status": "available", "size_gb": 5, "type": None, "bootable": False}
        values |= {"zone": None, "project_id": self.name, "snapshot_id": None, "servers": ()}
        self.volume_store.things[key] = volume = Volume(id=key, **{**values, **state})
        return volume

    def _guest(self, key):
        if key not in self.guests:
            raise NotFound(f"there is no instance {key}")
        return self.guests[key]

    # --- servers --------------------------------------------------------------------------------------------

    async def sizes(self):
        return self._call("sizes", lambda: SIZES)

    async def servers(self):
        return self._call("servers", lambda: tuple(self.guests.values()))

    async def server(self, server_id):
        return self._call(f"server {server_id}", lambda: self._guest(server_id))

    async def find_servers(self, marker):
        def found():
            return tuple(
                guest
                for key, guest in self.guests.items()
                if marker.items() <= self.tags.get(key, {}).items()
            )

        return self._call("find servers", found)

    async def create_server(self, new):
        def made():
            self.made["server", tuple(sorted(new.marker.items()))] += 1
            guest = self.add_server(
                name=new.name,
                status="BUILD",
                vm_state="building",
                task_state="spawning",
                metadata=new.metadata,
            )
            self.tags[guest.id], self.new[guest.id] = dict(new.marker), new
            self.due[guest.id] = self.clock.now() + TAKES
            for attachment in new.attachments:
                volume = self.volume_store.one(attachment.volume_id)
                assert volume.status == "available"
                self.volume_store.things[volume.id] = replace(volume, status="in-use", servers=(guest.id,))
            self.on_create()
            return Made(guest.id, f"req-{guest.id}")

        return self._do(f"create {new.name}", made)

    async def delete_server(self, server_id):
        def act():
            if server_id in self.guests and server_id not in self.dying:
                self.guests[server_id] = replace(self.guests[server_id], task_state="deleting")
                self.dying[server_id] = self.clock.now() + TAKES

        return self._do(f"delete {server_id}", act)

    async def console(self, server_id, kind):
        def found():
            if self._guest(server_id).status != "ACTIVE":
                raise CloudRefused("Nova: the instance is not ready", status=409)
            return Console("vnc", kind, f"http://console.example/?token={server_id}")

        return self._call("console", found)

    async def console_log(self, server_id, lines):
        return self._call("log", lambda: f"{self._guest(server_id).name}: the last {lines}")

    async def deeds(self, server_id):
        when = datetime(2024, 3, 5, 10, 12, 40, tzinfo=UTC)
        return self._call("deeds", lambda: (Deed("create", "req-1", when, None),))

    async def disks(self, server_id):
        def found():
            return tuple(
                AttachedDisk(one.id, one.id, "/dev/vdb")
                for one in self.volume_store.things.values()
                if server_id in one.servers
            )

        return self._call("disks", found)

    async def attach_volume(self, server_id, volume_id, device=None):
        def act():
            volume = self.volume_store.one(volume_id)
            self.volume_store.things[volume_id] = replace(volume, status="in-use", servers=(server_id,))

        return self._do("attach", act)

    async def create_image(self, server_id, name, marker):
        def made():
            properties = {**marker, "image_type": "snapshot", "owner": self.name, "instance_uuid": server_id}
            when = datetime.fromtimestamp(self.clock.now(), UTC)
            image = Image(f"image{next(self.numbers)}", name, "queued", 1, properties, when)
            return self.image_store.add(image, marker)

        return self._do("create image", made)

    # --- keypairs -------------------------------------------------------------------------------------------

    def keypair_in_nova(self, name):
        return f"{self.name} {name}"

    async def keypairs(self):
        return self._call("keypairs", lambda: tuple(self.keys.values()))

    async def create_keypair(self, name, public_key):
        def made():
            if name in self.keys:
                raise CloudRefused(f"Nova: Key pair '{name}' already exists.", status=409)
            self.keys[name] = Keypair(name, "aa:bb", public_key)
            return self.keys[name]

        return self._do("create keypair", made)

    async def delete_keypair(self, name):
        def act():
            if self.keys.pop(name, None) is None:
                raise NotFound(f"there is no keypair {name!r}")

        return self._do("delete keypair", act)

    # --- storage --------------------------------------------------------------------------------------------

    async def volume(self, volume_id):
        return self._call("volume", lambda: self.volume_store.one(volume_id))

    async def find_volumes(self, marker):
        return self._call(
            "find volumes", lambda: self.volume_store.found(marker, lambda volume: volume.metadata)
        )

    async def create_volume(self, name, size_gb, marker):
        def made():
            volume = self.add_volume(
                f"volume{next(self.numbers)}", name=name, status="creating", size_gb=size_gb, metadata=marker
            )
            return self.volume_store.add(volume, marker)

        return self._do("create volume", made)

    async def delete_volume(self, volume_id):
        return self._do("delete volume", lambda: self.volume_store.delete(volume_id))

    async def image(self, image_id):
        return self._call("image", lambda: self.image_store.one(image_id))

    async def snapshots(self):
        def found():
            return [one for one in self.image_store.things.values() if "image_type" in one.properties]

        return self._call("snapshots", found)

    async def find_images(self, marker):
        return self._call("find images", lambda: self.image_store.found(marker, lambda one: one.properties))

    async def delete_image(self, image_id):
        return self._do("delete image", lambda: self.image_store.things.pop(image_id, None) and None)

    async def backups(self):
        return self._call("backups", lambda: list(self.backup_store.things.values()))

    async def create_backup(self, volume_id, name, mark):
        def made():
            when = datetime.fromtimestamp(self.clock.now(), UTC)
            backup = Backup(f"backup{next(self.numbers)}", name, "creating", volume_id, 5, mark, when)
            return self.backup_store.add(backup, {"mark": mark})

        return self._do("create backup", made)

    async def delete_backup(self, backup_id):
        return self._do("delete backup", lambda: self.backup_store.delete(backup_id))

    # --- networks -------------------------------------------------------------------------------------------

    async def networks(self):
        return self._call("networks", lambda: self.nets)

    async def security_groups(self):
        return self._call("security groups", lambda: list(self.groups.values()))

    async def create_security_group(self, name, mark):
        def made():
            key = f"group{next(self.numbers)}"
            self.made["group", mark] += 1
            self.groups[key] = SecurityGroup(key, name, mark)
            return Made(key, None)

        return self._do("create group", made)

    async def let_in(self, group_id, port, source):
        def act():
            self.rules[group_id, port, source] = 1

        return self._do("let in", act)

    async def delete_security_group(self, group_id):
        def act():
            if self.groups_are_used:
                raise CloudRefused("Neutron: in use", status=409)
            self.groups.pop(group_id, None)

        return self._do("delete group", act)

    async def ports(self, server_id):
        def found():
            here = server_id in self.guests
            return [Port(f"port-{server_id}", self.nets[0].id, ("10.0.0.5",))] if here and self.nets else []

        return self._call("ports", found)

    async def floating_ips(self):
        return self._call("floating ips", lambda: list(self.addresses.values()))

    async def create_floating_ip(self, network_id, port_id, mark):
        def made():
            number = next(self.numbers)
            self.made["address", mark] += 1
            self.addresses[f"fip{number}"] = one = FloatingIp(
                f"fip{number}", f"192.0.2.{number}", port_id, mark
            )
            return one

        return self._do("create address", made)

    async def delete_floating_ip(self, floating_ip_id):
        return self._do("delete address", lambda: self.addresses.pop(floating_ip_id, None) and None)

    async def unplug_floating_ip(self, floating_ip_id):
        def act():
            self.addresses[floating_ip_id] = replace(self.addresses[floating_ip_id], port_id=None)

        return self._do("unplug", act)

    # --- quotas ---------------------------------------------------------------------------------------------

    def _allowance(self, name, used):
        return Allowance(self.limits[name], used)

    async def compute_allowances(self):
        def found():
            flavors = [guest.flavor for guest in self.guests.values()]
            return {
                "instances": self._allowance("instances", len(flavors)),
                "cores": self._allowance("cores", sum(one.vcpus for one in flavors)),
                "ram_mb": self._allowance("ram_mb", sum(one.ram_mb for one in flavors)),
            }

        return self._call("compute allowances", found)

    async def storage_allowances(self):
        def found():
            volumes = self.volume_store.things.values()
            return {
                "volumes": self._allowance("volumes", len(volumes)),
                "gigabytes": self._allowance("gigabytes", sum(one.size_gb for one in volumes)),
                "volume_snapshots": Allowance(None, 0),
                "backups": self._allowance("backups", len(self.backup_store.things)),
            }

        return self._call("storage allowances", found)

    async def network_allowances(self):
        return self._call(
            "network allowances",
            lambda: {"floating_ips": self._allowance("floating_ips", len(self.addresses))},
        )

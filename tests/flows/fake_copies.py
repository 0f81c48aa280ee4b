"""Volumes, snapshots, images and new servers of the cloud in memory: all of them take their time."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from cloudmanager.errors import CloudRefused, NotFound
from cloudmanager.openstack.definitions import (
    Attachment,
    Image,
    Made,
    ServerDefinition,
    Snapshot,
    StoragePool,
    Volume,
)
from cloudmanager.openstack.records import Flavor, Server

TAKES = 2.0
"""Seconds that anything takes to be made or deleted."""


class Store:
    """Things of one kind: each becomes `ready` when it is due, or is gone."""

    def __init__(self, clock, ready):
        self.clock, self.ready = clock, ready
        self.things, self.due = {}, {}
        self.made = Counter()
        """How often something was made with this marker."""
        self.fails = 0
        """So many of the next ones end in error."""

    def settle(self):
        for key in [key for key, due in self.due.items() if self.clock.now() >= due]:
            del self.due[key]
            thing = self.things[key]
            if thing.status == "deleting":
                del self.things[key]
            elif self.fails:
                self.fails -= 1
                self.things[key] = replace(thing, status="error")
            else:
                self.things[key] = replace(thing, status=self.ready)

    def add(self, thing, marker):
        self.made[tuple(sorted(marker.items()))] += 1
        self.things[thing.id] = thing
        self.due[thing.id] = self.clock.now() + TAKES
        return Made(thing.id, f"req-{thing.id}")

    def one(self, key):
        if key not in self.things:
            raise NotFound(f"there is no {key}")
        return self.things[key]

    def delete(self, key):
        if key not in self.things or self.things[key].status == "deleting":
            return
        if self.things[key].status not in (self.ready, "error"):
            raise CloudRefused(f"{key} is {self.things[key].status}", status=400)
        self.things[key] = replace(self.things[key], status="deleting")
        self.due[key] = self.clock.now() + TAKES

    def found(self, marker, texts):
        return [one for one in self.things.values() if marker.items() <= texts(one).items()]


def _metadata(thing):
    return thing.metadata


class Copies:
    """What a fake cloud has besides hosts and servers; it is mixed into `FakeCloud`."""

    def _prepare_copies(self):
        self.volumes = Store(self.clock, "available")
        self.pools: list[StoragePool] = []
        self.snapshots = Store(self.clock, "available")
        self.images = Store(self.clock, "active")
        self.definitions: dict[str, ServerDefinition] = {}
        self.markers: dict[str, dict[str, str]] = {}
        self.new_servers = Counter()
        self.failing_servers = 0
        self._being_made: dict[str, float] = {}
        self._being_deleted: dict[str, float] = {}

    # --- building -------------------------------------------------------------------------------------------

    def add_original(self, server_id, host, *, volumes=2, image=True, vm_state="active"):
        """A server with volumes, the first of which it boots from when it has no image."""
        attachments = []
        for number in range(volumes):
            boots = number == 0 and not image
            volume = Volume(
                f"{server_id}-v{number}", None, "in-use", 1, None, boots, "nova", "p", None, (server_id,)
            )
            self.volumes.things[volume.id] = volume
            device = f"/dev/vd{'abc'[number]}"
            attachments.append(Attachment(volume.id, device, 0 if boots else None, boots))
        self.definitions[server_id] = ServerDefinition(
            id=server_id,
            name=f"vm-{server_id}",
            project_id="p",
            user_id="u",
            flavor_id="f1",
            image_id="i0" if image else None,
            networks=("n2", "n1"),
            security_groups=("web",),
            key_name="key",
            metadata={"tier": "front"},
            user_data="IyE=",
            attachments=tuple(attachments),
            config_drive=True,
            zone="az1",
        )
        return self.add_server(server_id, host, vm_state=vm_state)

    # --- the port -------------------------------------------------------------------------------------------

    async def server_definition(self, server_id):
        def found():
            self._guest(server_id)
            return self.definitions[server_id]

        return self._call(f"definition {server_id}", found)

    async def find_servers(self, marker):
        def found():
            return [
                guest.record
                for server_id, guest in self.guests.items()
                if marker.items() <= self.markers.get(server_id, {}).items()
            ]

        return self._call("find servers", found)

    async def create_server(self, new):
        return self._make(f"create {new.name}", lambda: self._create(new))

    async def delete_server(self, server_id):
        return self._do(f"delete server {server_id}", lambda: self._delete_server(server_id))

    async def volume(self, volume_id):
        return self._call(f"volume {volume_id}", lambda: self.volumes.one(volume_id))

    async def all_volumes(self):
        return self._call("all volumes", lambda: list(self.volumes.things.values()))

    async def storage_pools(self):
        return self._call("storage pools", lambda: list(self.pools))

    async def find_volumes(self, marker):
        return self._call("find volumes", lambda: self.volumes.found(marker, _metadata))

    async def create_volume_from_snapshot(self, snapshot_id, name, marker, *, volume_type=None):
        def make():
            snapshot = self.snapshots.one(snapshot_id)
            if snapshot.status != "available":
                raise CloudRefused("the snapshot is not available", status=400)
            source = self.volumes.one(snapshot.volume_id)
            key = f"volume-{next(self._ids)}"
            volume = Volume(
                key, name, "creating", 1, None, source.bootable, "nova", "p", snapshot_id, (), dict(marker)
            )
            return self.volumes.add(volume, marker)

        return self._make(f"volume of {snapshot_id}", make)

    async def delete_volume(self, volume_id):
        return self._do(f"delete {volume_id}", lambda: self.volumes.delete(volume_id))

    async def find_snapshots(self, marker):
        return self._call("find snapshots", lambda: self.snapshots.found(marker, _metadata))

    async def snapshot_volume(self, volume_id, name, marker):
        def make():
            key = f"snapshot-{next(self._ids)}"
            return self.snapshots.add(Snapshot(key, name, "creating", volume_id, 1, dict(marker)), marker)

        return self._make(f"snapshot {volume_id}", make)

    async def delete_snapshot(self, snapshot_id):
        return self._do(f"delete {snapshot_id}", lambda: self.snapshots.delete(snapshot_id))

    async def create_image(self, server_id, name, marker):
        def make():
            key = f"image-{next(self._ids)}"
            return self.images.add(Image(key, name, "queued", None, dict(marker)), marker)

        return self._make(f"image of {server_id}", make)

    async def image(self, image_id):
        return self._call(f"image {image_id}", lambda: self.images.one(image_id))

    async def find_images(self, marker):
        return self._call("find images", lambda: self.images.found(marker, lambda image: image.properties))

    async def delete_image(self, image_id):
        return self._do(f"delete {image_id}", lambda: self.images.things.pop(image_id, None))

    # --- how it works ---------------------------------------------------------------------------------------

    def _make(self, what, make):
        def asked():
            self.asked.append(what)
            return make()

        return self._call(what, asked, changes=True)

    def _create(self, new):
        for attachment in new.attachments:
            volume = self.volumes.one(attachment.volume_id)
            if volume.status != "available":
                raise CloudRefused(f"volume {volume.id} is {volume.status}", status=400)
        if new.image_id and self.images.one(new.image_id).status != "active":
            raise CloudRefused("the image is not active", status=400)
        key = f"server-{next(self._ids)}"
        record = Server(key, new.name, "BUILD", "building", "spawning", None, flavor=Flavor("m1", 1, 1024, 0))
        self.guests[key] = self._guest_of(record)
        self.markers[key] = dict(new.marker)
        self.new_servers[tuple(sorted(new.marker.items()))] += 1
        self.definitions[key] = new
        self._being_made[key] = self.clock.now() + TAKES
        for attachment in new.attachments:
            self._set_volume(attachment.volume_id, "in-use", (key,))
        return Made(key, f"req-{key}")

    def _delete_server(self, server_id):
        if server_id in self.guests and server_id not in self._being_deleted:
            self._change(self.guests[server_id], task_state="deleting")
            self._being_deleted[server_id] = self.clock.now() + TAKES

    def _set_volume(self, volume_id, status, servers):
        self.volumes.things[volume_id] = replace(
            self.volumes.things[volume_id], status=status, servers=servers
        )

    def _settle_copies(self):
        for store in (self.volumes, self.snapshots, self.images):
            store.settle()
        for key in [key for key, due in self._being_made.items() if self.clock.now() >= due]:
            del self._being_made[key]
            if self.failing_servers:
                self.failing_servers -= 1
                built = {"vm_state": "error", "status": "ERROR", "fault": "No valid host was found."}
            else:
                built = {"vm_state": "active", "status": "ACTIVE", "host": next(iter(self.hosts))}
            self._change(self.guests[key], task_state=None, **built)
        for key in [key for key, due in self._being_deleted.items() if self.clock.now() >= due]:
            del self._being_deleted[key], self.guests[key]
            self._being_made.pop(key, None)
            for attachment in self.definitions[key].attachments:
                self._set_volume(attachment.volume_id, "available", ())
                if attachment.delete_on_termination:
                    del self.volumes.things[attachment.volume_id]

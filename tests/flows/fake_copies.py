"""Volumes, snapshots, images and new servers of the cloud in memory: all of them take their time."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from cloudmanager.errors import CloudRefused, NotFound
from cloudmanager.openstack.definitions import (
    Attachment,
    Made,
    ServerDefinition,
    StoragePool,
    Volume,
)
from cloudmanager.openstack.records import AttachedVolume

TAKES = 2.0
"""Seconds that anything takes to be made or deleted."""


class Store:
    """Things of one kind: each becomes `ready` when it is due, or is gone."""

    def __init__(self, clock, ready):
        self.clock, self.ready = clock, ready
        self.things, self.due = {}, {}
        self.made = Counter()
        """How often something was made with this marker."""
        self.owners = {}
        """{id: project}, where there are several."""
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

    def add(self, thing, marker, owner=None):
        self.owners[thing.id] = owner
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


class Copies:
    """What a fake cloud has besides hosts and servers; it is mixed into `FakeCloud`.

    Things are made by `fake_projects`, for they belong to a project.
    """

    def _prepare_copies(self):
        self.volumes = Store(self.clock, "available")
        self.pools: list[StoragePool] = []
        self.snapshots = Store(self.clock, "available")
        self.images = Store(self.clock, "active")
        self.definitions: dict[str, ServerDefinition] = {}
        self.markers: dict[str, dict[str, str]] = {}
        self.new_servers = Counter()
        self.failing_servers = 0
        self.keys = {("u", "key"), ("us", "key")}
        """(user, name) of key pairs; those of `us` are the daemon's."""
        self._being_made: dict[str, float] = {}
        self._being_deleted: dict[str, float] = {}

    # --- building -------------------------------------------------------------------------------------------

    def add_original(self, server_id, host, *, volumes=2, image=True, vm_state="active", project="p"):
        """A server of a project with volumes, the first of which it boots from when it has no image."""
        attachments = []
        for number in range(volumes):
            boots = number == 0 and not image
            volume = Volume(
                f"{server_id}-v{number}", None, "in-use", 1, None, boots, "nova", project, None, (server_id,)
            )
            self.volumes.things[volume.id] = volume
            self.volumes.owners[volume.id] = project
            device = f"/dev/vd{'abc'[number]}"
            attachments.append(Attachment(volume.id, device, 0 if boots else None, boots))
        self.definitions[server_id] = ServerDefinition(
            id=server_id,
            name=f"vm-{server_id}",
            project_id=project,
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
        volumes = tuple(AttachedVolume(one.volume_id) for one in attachments)
        return self.add_server(server_id, host, vm_state=vm_state, project_id=project, volumes=volumes)

    # --- the port -------------------------------------------------------------------------------------------

    async def server_definition(self, server_id):
        def found():
            self._guest(server_id)
            return self.definitions[server_id]

        return self._call(f"definition {server_id}", found)

    async def has_key(self, name, user_id):
        return self._call(f"key {name}", lambda: {("us", name), (user_id, name)} <= self.keys)

    async def volume(self, volume_id):
        return self._call(f"volume {volume_id}", lambda: self.volumes.one(volume_id))

    async def all_volumes(self):
        return self._call("all volumes", lambda: list(self.volumes.things.values()))

    async def storage_pools(self):
        return self._call("storage pools", lambda: list(self.pools))

    # --- how it works ---------------------------------------------------------------------------------------

    def _make(self, what, make):
        def asked():
            self.asked.append(what)
            return make()

        return self._call(what, asked, changes=True)

    def new_id(self, kind):
        return f"{kind}-{next(self._ids)}"

    def add_guest(self, record, new):
        """A server that begins to be made as `new` says."""
        self.guests[record.id] = self._guest_of(record)
        self.markers[record.id] = dict(new.marker)
        self.new_servers[tuple(sorted(new.marker.items()))] += 1
        self.definitions[record.id] = new
        self._being_made[record.id] = self.clock.now() + TAKES
        for attachment in new.attachments:
            self._set_volume(attachment.volume_id, "in-use", (record.id,))

    def delete_guest(self, server_id):
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

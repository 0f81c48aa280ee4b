"""The projects of a fake cloud: who is logged in to one sees what belongs to it, and makes things for it."""

from __future__ import annotations

from cloudmanager.errors import CloudRefused, Forbidden, NotFound
from cloudmanager.openstack.definitions import Image, Made, Snapshot, Volume
from cloudmanager.openstack.records import Flavor, Server


class FakeProjects:
    """Keeps the promise of `TenantClouds` over a `FakeCloud`, as far as clones need it."""

    def __init__(self, cloud):
        self.cloud = cloud
        self.closed: set[str] = set()
        """Those in which our user has no role."""
        self.allowances = {}
        """Of any kind, of each of them."""
        self._known = {}

    def of(self, project_id):
        return self._known.setdefault(project_id, FakeProject(self, project_id))

    async def close(self):
        pass


class FakeProject:
    """One of them."""

    def __init__(self, projects, project_id):
        self.projects, self.cloud, self.id = projects, projects.cloud, project_id

    async def log_in(self):
        return self._ask(f"log in to {self.id}", lambda: None)

    # --- servers --------------------------------------------------------------------------------------------

    async def find_servers(self, marker):
        def found():
            return [
                guest.record
                for server_id, guest in self.cloud.guests.items()
                if guest.record.project_id == self.id
                and marker.items() <= self.cloud.markers.get(server_id, {}).items()
            ]

        return self._ask("find servers", found)

    async def create_server(self, new):
        return self._make(f"create {new.name}", lambda: self._create(new))

    async def delete_server(self, server_id):
        def act():
            if server_id in self.cloud.guests:
                self.cloud.delete_guest(self._server(server_id))

        return self._do(f"delete server {server_id}", act)

    async def compute_allowances(self):
        return self._ask("compute allowances", lambda: self.projects.allowances)

    async def storage_allowances(self):
        return self._ask("storage allowances", lambda: self.projects.allowances)

    # --- volumes and images ---------------------------------------------------------------------------------

    async def volume(self, volume_id):
        return self._ask(f"volume {volume_id}", lambda: self._own(self.cloud.volumes, volume_id))

    async def find_volumes(self, marker):
        return self._ask("find volumes", lambda: self._found(self.cloud.volumes, marker))

    async def create_volume_from_snapshot(self, snapshot_id, name, marker):
        def make():
            snapshot = self._own(self.cloud.snapshots, snapshot_id)
            if snapshot.status != "available":
                raise CloudRefused("the snapshot is not available", status=400)
            source, key = self.cloud.volumes.one(snapshot.volume_id), self.cloud.new_id("volume")
            volume = Volume(
                key,
                name,
                "creating",
                1,
                None,
                source.bootable,
                "nova",
                self.id,
                snapshot_id,
                (),
                dict(marker),
            )
            return self.cloud.volumes.add(volume, marker, self.id)

        return self._make(f"volume of {snapshot_id}", make)

    async def delete_volume(self, volume_id):
        return self._delete(self.cloud.volumes, volume_id)

    async def find_snapshots(self, marker):
        return self._ask("find snapshots", lambda: self._found(self.cloud.snapshots, marker))

    async def snapshot_volume(self, volume_id, name, marker):
        def make():
            volume, key = self._own(self.cloud.volumes, volume_id), self.cloud.new_id("snapshot")
            snapshot = Snapshot(key, name, "creating", volume.id, 1, dict(marker))
            return self.cloud.snapshots.add(snapshot, marker, self.id)

        return self._make(f"snapshot {volume_id}", make)

    async def delete_snapshot(self, snapshot_id):
        return self._delete(self.cloud.snapshots, snapshot_id)

    async def create_image(self, server_id, name, marker):
        def make():
            key = self.cloud.new_id("image")
            image = Image(key, name, "queued", None, {**marker, "instance_uuid": self._server(server_id)})
            return self.cloud.images.add(image, marker, self.id)

        return self._make(f"image of {server_id}", make)

    async def image(self, image_id):
        return self._ask(f"image {image_id}", lambda: self._own(self.cloud.images, image_id))

    async def find_images(self, marker):
        def found():
            return self._owned(self.cloud.images, self.cloud.images.found(marker, lambda one: one.properties))

        return self._ask("find images", found)

    async def delete_image(self, image_id):
        def act():
            if image_id in self.cloud.images.things:
                self._own(self.cloud.images, image_id)
                del self.cloud.images.things[image_id]

        return self._do(f"delete {image_id}", act)

    # --- how it works ---------------------------------------------------------------------------------------

    def _let_in(self, act):
        def asked():
            if self.id in self.projects.closed:
                raise Forbidden(f"Keystone does not let the daemon into project {self.id}")
            return act()

        return asked

    def _ask(self, what, answer):
        return self.cloud._call(what, self._let_in(answer))

    def _make(self, what, make):
        return self.cloud._make(what, self._let_in(make))

    def _do(self, what, act):
        return self.cloud._do(what, self._let_in(act))

    def _own(self, store, key):
        thing = store.one(key)
        if store.owners[key] != self.id:
            raise NotFound(f"project {self.id} has no {key}")
        return thing

    def _owned(self, store, things):
        return [one for one in things if store.owners[one.id] == self.id]

    def _found(self, store, marker):
        return self._owned(store, store.found(marker, lambda one: one.metadata))

    def _delete(self, store, key):
        def act():
            if key in store.things:
                self._own(store, key)
            store.delete(key)

        return self._do(f"delete {key}", act)

    def _server(self, server_id):
        """Its id, when it is there for us."""
        if self.cloud.guests[server_id].record.project_id != self.id:
            raise NotFound(f"project {self.id} has no {server_id}")
        return server_id

    def _create(self, new):
        for attachment in new.attachments:
            volume = self._own(self.cloud.volumes, attachment.volume_id)
            if volume.status != "available":
                raise CloudRefused(f"volume {volume.id} is {volume.status}", status=400)
        if new.image_id and self._own(self.cloud.images, new.image_id).status != "active":
            raise CloudRefused("the image is not active", status=400)
        if new.key_name and ("us", new.key_name) not in self.cloud.keys:
            raise CloudRefused("Invalid key_name provided.", status=400)
        key = self.cloud.new_id("server")
        flavor = Flavor("m1", 1, 1024, 0)
        record = Server(
            key,
            new.name,
            "BUILD",
            "building",
            "spawning",
            None,
            flavor=flavor,
            project_id=self.id,
            user_id="us",
        )
        self.cloud.add_guest(record, new)
        return Made(key, f"req-{key}")

"""The application in front of a simulated OpenStack, for OneCloud: two projects with a server each."""

from __future__ import annotations

from dataclasses import replace

from cloudmanager import config
from cloudmanager.api import auth, rate_limit
from cloudmanager.api.services import attach
from cloudmanager.blocking import Blocking
from cloudmanager.openstack.cloud import cloud_for
from cloudmanager.simulators.openstack.networks.rows import FloatingIp
from tests.compute_cloud import RunningComputeCloud
from tests.e2e.product import wait_until
from tests.keystone import PASSWORD

SECRET = "what-nobody-may-read-anywhere"


class OneCloudSite(RunningComputeCloud):
    """`with OneCloudSite() as site:`; `web` runs in `fleet` with a volume, `theirs` in `other`.

    In `fleet` are `admin`, `member`, `reader`; `reader` is a member of `other`.
    """

    def __enter__(self):
        super().__enter__()
        self.project_of = {"web": "fleet", "theirs": "other"}
        self.tokens = {
            "admin": self.token("admin"),
            "member": self.token("member"),
            "reader": self.token("reader"),
            "other": self.token("reader", "other"),
            "nobody": self.token("member", None),
        }
        self.ids = {"web": self._boot("web", "member"), "theirs": self._boot("theirs", "reader")}
        self._furnish()
        return self

    def _boot(self, name, user):
        project = self.project_of[name]
        compute = self.sdk(user, project, compute_default_microversion="2.96").compute
        server = compute.create_server(
            name=name,
            flavor_id="1",
            image_id=self.image.id,
            networks=[{"uuid": self.network.id}] if project == "fleet" else "none",
            metadata={"tier": "front"},
            description=f"of {project}",
        )
        wait_until(lambda: compute.get_server(server.id).status == "ACTIVE", within=10)
        return server.id

    def _furnish(self):
        """A volume and a floating address for `web`."""
        sdk = self.sdk("member", compute_default_microversion="2.96", block_storage_api_version="3")
        volume = sdk.block_storage.create_volume(size=2, name="data")
        wait_until(lambda: sdk.block_storage.get_volume(volume.id).status == "available", within=10)
        sdk.compute.create_volume_attachment(self.ids["web"], volume_id=volume.id)
        wait_until(lambda: sdk.block_storage.get_volume(volume.id).status == "in-use", within=10)
        self.volume_id = volume.id
        sdk.close()
        networks = self.openstack.networks
        [port] = networks.ports_of(self.ids["web"])
        floating = FloatingIp(
            network_id=self.network.id, address="203.0.113.7", port_id=port.id, project_id=self.fleet.id
        )
        self.do(networks.floating.update, {floating.id: floating})

    def serve(self, api, more=None):
        """Let the application be in front of this cloud; the roles of `api` get tokens of its users."""
        options = {("keystone_authtoken", name): value for name, value in self.options().items()}
        nova = {"auth_url": self.url, "username": "admin", "password": PASSWORD, "project_name": "fleet"}
        nova |= {"user_domain_name": "Default", "project_domain_name": "Default", "region_name": "RegionOne"}
        options |= {("nova", name): value for name, value in nova.items()} | {("onecloud", "rate"): 0.0}
        made = config.load(overrides={("auth", "strategy"): "keystone", **options, **(more or {})})
        api.services = replace(api.services, config=made, cloud=Blocking("cloud", lambda: cloud_for(made)))
        attach(api.app, api.services)
        auth.register(api.app)
        rate_limit.register(api.app, "onecloud")
        api.tokens = dict(self.tokens)
        return api

"""The Cloud port on a real cloud: one `Cloud` per event loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloudmanager.openstack.absent import absent_cloud
from cloudmanager.openstack.all_servers import AllServers
from cloudmanager.openstack.cinder import Volumes
from cloudmanager.openstack.clones import Clones
from cloudmanager.openstack.glance import Images
from cloudmanager.openstack.keystone import Domains
from cloudmanager.openstack.nova_hosts import Hosts
from cloudmanager.openstack.plugs import Plugs
from cloudmanager.openstack.session import CloudSession
from cloudmanager.openstack.settings import settings_from
from cloudmanager.openstack.tokens import Tokens

if TYPE_CHECKING:
    from cloudmanager.openstack.port import CloudPort


class Cloud(Hosts, Clones, Volumes, Images, Domains, AllServers, Plugs, Tokens):
    """Keeps the promise of `CloudPort`. Logs in when first asked: a daemon starts while Keystone is away."""

    @classmethod
    def from_config(cls, config: Any) -> Cloud | None:
        """As [nova] of a configuration object says; None when that names no cloud."""
        settings = settings_from(config)
        return cls(CloudSession(settings)) if settings else None

    def with_token(self, token: str) -> Cloud:
        """The same cloud as whoever has this token; it need not be closed."""
        return Cloud(self._session.with_token(token))

    async def close(self) -> None:
        """Ask nothing more."""
        self._session.close()


def cloud_for(config: Any) -> CloudPort:
    """The cloud of a configuration, or the one that tells what to configure. It has to be closed."""
    return Cloud.from_config(config) or absent_cloud()

"""The clouds of tenants on a real cloud: our user, logged in to each project on its own."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any, cast

from cloudmanager.openstack.absent import absent_cloud
from cloudmanager.openstack.session import CloudSession
from cloudmanager.openstack.settings import settings_from
from cloudmanager.openstack.tenant_networks import TenantNetworks
from cloudmanager.openstack.tenant_storage import TenantStorage

if TYPE_CHECKING:
    from cloudmanager.openstack.tenant_port import TenantCloud, TenantClouds

_KEPT = 256
"""Projects whose log-ins are remembered; the one that has not been used for longest is forgotten."""


class ProjectCloud(TenantStorage, TenantNetworks):
    """Keeps the promise of `TenantCloud`."""


class Tenants:
    """One log-in per project, over the threads and connections of one session. One per event loop."""

    def __init__(self, session: CloudSession) -> None:
        self._session = session
        self._known: OrderedDict[str, ProjectCloud] = OrderedDict()

    def of(self, project_id: str) -> TenantCloud:
        """The project's cloud; nothing is asked yet."""
        known = self._known.get(project_id)
        if known is None:
            known = ProjectCloud(self._session.in_project(project_id), project_id)
            self._known[project_id] = known
            if len(self._known) > _KEPT:
                self._known.popitem(last=False)
        self._known.move_to_end(project_id)
        return known

    async def close(self) -> None:
        """Ask nothing more."""
        self._session.close()


def tenants_for(config: Any) -> TenantClouds:
    """The projects of a configuration's cloud, or what tells what to configure. It has to be closed."""
    settings = settings_from(config)
    return Tenants(CloudSession(settings)) if settings else absent_tenants()


def absent_tenants() -> TenantClouds:
    """Tenants of an installation without OpenStack."""
    return cast("TenantClouds", absent_cloud())

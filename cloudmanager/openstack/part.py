"""What all parts of the Cloud port stand on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmanager.openstack.calls import Api, NovaApi
from cloudmanager.openstack.shared import Shared

if TYPE_CHECKING:
    from cloudmanager.openstack.session import CloudSession


class Part:
    """The services that are asked, over one session, and the answers that are shared."""

    def __init__(self, session: CloudSession) -> None:
        self._session = session
        self._nova = NovaApi(session)
        self._placement = Api(session, "placement", "Placement")
        self._cinder = Api(session, "block-storage", "Cinder", "3")
        self._keystone = Api(session, "identity", "Keystone", "3")
        self._glance = Api(session, "image", "Glance", "2")
        self._neutron = Api(session, "network", "Neutron", "2")
        self._shared = Shared()

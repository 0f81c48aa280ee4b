"""A simulated Cinder: `Volumes` holds what there is, `Cinder` answers for it on a real socket."""

from cloudmanager.simulators.openstack.volumes.service import Cinder
from cloudmanager.simulators.openstack.volumes.volumes import Volumes

__all__ = ["Cinder", "Volumes"]

"""A simulated Glance: `Images` holds what there is, `Glance` answers for it on a real socket."""

from cloudmanager.simulators.openstack.images.images import Image, Images
from cloudmanager.simulators.openstack.images.service import Glance

__all__ = ["Glance", "Image", "Images"]

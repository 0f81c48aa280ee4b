"""A simulated Neutron: `Networks` holds what there is, `Neutron` answers for it on a real socket."""

from cloudmanager.simulators.openstack.networks.networks import Networks
from cloudmanager.simulators.openstack.networks.service import Neutron

__all__ = ["Networks", "Neutron"]

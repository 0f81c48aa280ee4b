"""A simulated Placement: `Placement` answers for the claims of a `Compute` on a real socket."""

from cloudmanager.simulators.openstack.placement.service import Placement

__all__ = ["Placement"]

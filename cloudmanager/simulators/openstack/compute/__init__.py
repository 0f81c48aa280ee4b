"""A simulated Nova without its API: `Compute` holds the truth."""

from cloudmanager.simulators.openstack.compute.compute import Compute
from cloudmanager.simulators.openstack.compute.rows import Origin
from cloudmanager.simulators.openstack.compute.timings import Timings

__all__ = ["Compute", "Origin", "Timings"]

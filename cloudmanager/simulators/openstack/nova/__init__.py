"""The API of the simulated Nova: `Nova` answers for a `Compute` on a real socket."""

from cloudmanager.simulators.openstack.nova.service import Nova

__all__ = ["Nova"]

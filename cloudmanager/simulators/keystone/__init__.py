"""A simulated Keystone: `Identity` holds who there is, `Keystone` answers for it on a real socket."""

from cloudmanager.simulators.keystone.identity import Identity
from cloudmanager.simulators.keystone.service import Keystone

__all__ = ["Identity", "Keystone"]

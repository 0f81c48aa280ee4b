from cloudmanager.simulators.ipmi.bmc import Bmc, Counters

__all__ = ["Bmc", "Counters"]

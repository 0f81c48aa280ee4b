from .driver import IpmiSettings, SupermicroRackDevice

__all__ = ["IpmiSettings", "SupermicroRackDevice"]

from .driver import RedfishDevice

__all__ = ["RedfishDevice"]

from .driver import IntelAMT

__all__ = ["IntelAMT"]

"""The operating systems of simulated nodes, which are reached by SSH."""

from .server import NodeOs

__all__ = ["NodeOs"]

"""CloudManager: a fleet manager for data centres."""

from importlib.metadata import version

__version__ = version("cloudmanager")

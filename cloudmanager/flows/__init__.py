"""Flows: long work as rows of steps that survive any crash."""

from cloudmanager.flows.locks import holders
from cloudmanager.flows.opening import cancel, start
from cloudmanager.flows.registry import FLOWS

__all__ = ["FLOWS", "cancel", "holders", "start"]

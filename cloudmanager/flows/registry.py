"""Every kind of flow, by name."""

from cloudmanager.flows.base import Flow
from cloudmanager.flows.power import POWER_OFF, POWER_ON, RESET
from cloudmanager.flows.reset_nodes import RESET_NODES
from cloudmanager.flows.rotate_password import ROTATE_PASSWORD

_ALL = (POWER_ON, POWER_OFF, RESET, RESET_NODES, ROTATE_PASSWORD)

FLOWS: dict[str, Flow] = {flow.kind: flow for flow in _ALL}

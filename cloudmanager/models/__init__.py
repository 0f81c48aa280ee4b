"""The tables, one per file."""

from cloudmanager.models.api_token import ApiToken
from cloudmanager.models.audit import Audit, AuditStatus
from cloudmanager.models.audit_record import AuditRecord
from cloudmanager.models.availability_storage import AvailabilityStorage
from cloudmanager.models.base import Base, utc_now
from cloudmanager.models.event import Event
from cloudmanager.models.flow import FlowEvent, FlowRow, Status
from cloudmanager.models.idempotency_key import IdempotencyKey
from cloudmanager.models.lease import Lease
from cloudmanager.models.maintenance import MaintenanceRun, MaintenanceWindow
from cloudmanager.models.node import CONDITIONS, SMALL_NUMBERS, Node, folded, without_case
from cloudmanager.models.node_availability_storage import NodeAvailabilityStorage
from cloudmanager.models.node_class import NodeClass, NodeType
from cloudmanager.models.node_facts import NodeFacts
from cloudmanager.models.node_image import NodeImage
from cloudmanager.models.node_login import NodeLogin
from cloudmanager.models.power_action import PowerAction
from cloudmanager.models.power_control import NodeControl, PowerControl
from cloudmanager.models.signature import GuardedNode, Signature, SigningKey, Validity
from cloudmanager.models.spare_loan import LoanState, SpareLoan
from cloudmanager.models.tracked_host import TrackedHost
from cloudmanager.models.webhook import DeliveryStatus, Webhook, WebhookDelivery

__all__ = [
    "CONDITIONS",
    "SMALL_NUMBERS",
    "ApiToken",
    "Audit",
    "AuditRecord",
    "AuditStatus",
    "AvailabilityStorage",
    "Base",
    "DeliveryStatus",
    "Event",
    "FlowEvent",
    "FlowRow",
    "GuardedNode",
    "IdempotencyKey",
    "Lease",
    "LoanState",
    "MaintenanceRun",
    "MaintenanceWindow",
    "Node",
    "NodeAvailabilityStorage",
    "NodeClass",
    "NodeControl",
    "NodeFacts",
    "NodeImage",
    "NodeLogin",
    "NodeType",
    "PowerAction",
    "PowerControl",
    "Signature",
    "SigningKey",
    "SpareLoan",
    "Status",
    "TrackedHost",
    "Validity",
    "Webhook",
    "WebhookDelivery",
    "folded",
    "utc_now",
    "without_case",
]

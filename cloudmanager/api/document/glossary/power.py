"""Words for power controls, their ports, and power actions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmanager.api.document.glossary.nodes import POWER_STATE
from cloudmanager.api.document.glossary.tasks import DRY_RUN, TASK_ID

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudmanager.api.document.glossary.words import Words

IS_DEFAULT = ("Whether this is the control that is tried first; a node with controls has exactly one.", True)
IS_INITIALIZED = ("Whether the port's state has been read at least once.", True)
PORT = ("Port of the control, counted from 1.", "1")

CONTROL: Words = {
    "id": ("Number of the power control.", 1),
    "title": (
        "Name for people; without one it is made from protocol, type and address.",
        "bmc-r4n07",
    ),
    "control_type": ("Kind of device: one of `/v1/power-controls/types`.", "SupermicroRackDevice"),
    "protocol_type": ("Protocol that this kind of device speaks.", "ipmi"),
    "host": ("Host name or IP address of the device.", "192.0.2.107"),
    "port_number": ("UDP or TCP port of the device; digits are taken too.", 623),
    "login": ("Name to log on with.", "operator"),
    "password": (
        "Password to log on with. It is stored encrypted and never answered; empty or null removes it.",
        "rack4-battery",
    ),
    "ssh_key": "Private key to log on with, for devices reached by SSH. Stored encrypted and never answered.",
    "options": (
        "Options of the device, those that are set. One that is left out stays; null is its default again.",
        {"cipher_suite": "17"},
    ),
    "coils_count": ("How many ports the device has, as far as is known.", 1),
    "used_coils_count": ("How many of them have a node.", 1),
    "coil_map": "The node on each port; null is a free port.",
    "created_at": ("When it was created.", "2024-03-05T09:25:00"),
    "time_created": ("When it was created.", "2024-03-05T09:25:00"),
    "time_updated": ("When it was last changed.", None),
}

ON_NODE: Words = {
    "power_control_id": ("Number of the power control.", 1),
    "power_control_title": ("Title of the power control.", "bmc-r4n07"),
    "power_control_port": PORT,
    "control_type": CONTROL["control_type"],
    "protocol_type": CONTROL["protocol_type"],
    "is_default": IS_DEFAULT,
    "is_initialized": IS_INITIALIZED,
}

COIL: Words = {
    "power_control_port": PORT,
    "node_id": ("Number of the node.", 1),
    "node_name": ("Name of the node.", "r4n07.example.net"),
    "is_default": IS_DEFAULT,
    "is_initialized": IS_INITIALIZED,
    "power_state": POWER_STATE,
}

ACTION_RECORD: Words = {
    "id": ("Number of the record.", 1),
    "action": ("What was asked for.", "power-off"),
    "node_id": ("Number of the node.", 1),
    "user_name": ("Who asked for it.", "night shift"),
    "start_time": ("When it began.", "2024-03-05T10:12:31"),
    "end_time": ("When it ended; null while it runs.", "2024-03-05T10:12:40"),
    "result": ("Status of its task at the end; null while it runs.", "SUCCESS"),
    "error": ("What went wrong, in words.", None),
    "task_id": ("Id of its task.", TASK_ID),
}

_ACTION: Words = {
    "dry_run": DRY_RUN,
    "soft": (
        "Ask the operating system first, and cut the power only when it has not obeyed in time.",
        True,
    ),
    "force": ("Do it also where `[power] protect_running_servers` forbids it.", True),
    "coil": ("Port of the control, counted from 1.", "1"),
    "node_ids": ("Numbers of the nodes; one given twice counts once.", [1, 2, 3]),
}

_ROTATION: Words = {
    "password": (
        "The new password; by IPMI up to 20 bytes, of which many BMCs keep 16. Stored encrypted.",
        "north-Aisle-07",
    ),
}

SCHEMAS: Mapping[str, Words] = {
    "ControlBody": CONTROL,
    "ControlChange": CONTROL,
    "ControlShape": CONTROL,
    "CoilShape": COIL,
    "NodeControlShape": ON_NODE,
    "Assignment": ON_NODE,
    "AssignmentChange": ON_NODE,
    "PowerActionShape": ACTION_RECORD,
    "Action": _ACTION,
    "PowerOff": _ACTION,
    "CoilAction": _ACTION,
    "CoilPowerOff": _ACTION,
    "Reset": _ACTION,
    "BulkAction": _ACTION,
    "BulkReset": _ACTION,
    "BulkPowerOff": _ACTION,
    "RotatePasswords": {"ids": ("Numbers of the power controls.", [1, 2])},
    "RotatePassword": _ROTATION,
}

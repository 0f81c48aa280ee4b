"""Words for the audit log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmanager.api.document.glossary.tasks import REQUEST_ID, TASK_ID

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudmanager.api.document.glossary.words import Words

ENTRY: Words = {
    "id": ("Number of the entry.", 1),
    "time": ("When the request was answered.", "2024-03-05T10:12:30"),
    "request_id": ("Id of the request, which the log has too.", REQUEST_ID),
    "user_name": ("Who asked, as far as that is known.", "night shift"),
    "user_id": ("Keystone's id of who asked.", None),
    "project_id": ("Keystone's id of the project that was acted for.", None),
    "roles": ("Roles of who asked, comma separated.", "member"),
    "address": ("Address that the request came from.", "192.0.2.10"),
    "action": ("Operation that was asked for.", "power_off_node"),
    "method": ("Method of the request.", "POST"),
    "path": ("Path of the request.", "/v1/nodes/1/actions/power-off"),
    "subject": ("What was acted on.", "node:1"),
    "status": ("Status of the answer.", 202),
    "outcome": ("`success`, `refused` (4xx) or `failed` (5xx).", "success"),
    "detail": ("What was wrong, or the task that goes on with it.", f"task {TASK_ID}"),
}

SCHEMAS: Mapping[str, Words] = {"AuditLogEntryShape": ENTRY}

"""Words for tasks and errors."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudmanager.api.document.glossary.words import Words

DRY_RUN = "Answer the plan and touch nothing."
TASK_ID = "0b7c3f52-5b0e-4c55-9d2f-6f4f0c7e7d11"
REQUEST_ID = "req-3f0d9a52-41c7-4f39-8f0b-2a1d6a5d9c10"
_STEP_BEGAN, _STEP_ENDED = "2024-03-05T10:12:31", "2024-03-05T10:12:33"

TASK: Words = {
    "id": ("Id of the task.", TASK_ID),
    "status": ("State of the task; the last three are final.", "SUCCESS"),
    "name": ("What the task does.", "power-off"),
    "subject": ("What it works on, which takes no other task meanwhile.", "node:1"),
    "host": ("Name of the node, or subject (`node:1`, `coil:3:1`).", "node:1"),
    "message": ("What it says now, or said last.", "r4n07.example.net is off"),
    "error": ("What went wrong, in words.", None),
    "result": ("What came of it, as far as there is anything to tell.", None),
    "traceback": ("The error once more, under its older name; never a program's traceback.", None),
    "progress": "How far it is.",
    "parent_id": ("Id of the task that started it.", None),
    "requested_by": ("Who asked for it.", "night shift"),
    "request_id": ("Id of the request that started it.", REQUEST_ID),
    "cancel_requested": ("Whether it has been asked to stop.", False),
    "created_at": ("When it was asked for.", "2024-03-05T10:12:30"),
    "started_at": ("When it began.", _STEP_BEGAN),
    "ended_at": ("When it ended.", "2024-03-05T10:12:40"),
    "steps": "What it has done, in order.",
    "children": ("Ids of the tasks that it started.", []),
}

SCHEMAS: Mapping[str, Words] = {
    "TaskShape": TASK,
    "TaskSummary": TASK,
    "ProgressShape": {
        "done": ("Steps, or tasks below it, that have ended.", 5),
        "total": ("Steps, or tasks below it, in all.", 5),
    },
    "StepShape": {
        "name": ("Name of the step.", "look"),
        "target": ("What it worked on, where a step has several targets.", None),
        "status": ("What came of it.", "done"),
        "message": ("What it says.", "bmc-r4n07 port 1 says that it is on"),
        "started_at": ("When it began.", _STEP_BEGAN),
        "ended_at": ("When it ended; null while it goes on.", _STEP_ENDED),
    },
    "ErrorShape": {"error": "What went wrong."},
    "ErrorDetails": {
        "code": ("Status of the answer.", 409),
        "title": ("The status in words.", "Conflict"),
        "message": (
            "What is wrong, and how to get out of it.",
            "node 1 has no power control",
        ),
        "request_id": ("Id of the request, which the log has too.", REQUEST_ID),
        "errors": ("What is wrong with each field or parameter.", {"rack_number": ["Not a valid integer."]}),
        "task_id": ("Id of the open task that holds what was asked for.", TASK_ID),
    },
}

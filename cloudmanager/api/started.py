"""The answer to what goes on in a task whose id stands in the body, as the reference shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmanager.api.answers import answer, task_location
from cloudmanager.api.document.answers import Answer
from cloudmanager.api.document.glossary.tasks import TASK_ID

if TYPE_CHECKING:
    from flask import Response

STARTED = Answer(
    {
        "type": "object",
        "required": ["task_id"],
        "additionalProperties": False,
        "properties": {
            "task_id": {
                "type": "string",
                "description": "Id of the task that does it.",
                "examples": [TASK_ID],
            }
        },
    },
    "Started. `Location` names the task too.",
)
"""How it is documented."""


def started(task_id: str) -> Response:
    """The work goes on in this task."""
    return answer({"task_id": task_id}, 202, {"Location": task_location(task_id)})

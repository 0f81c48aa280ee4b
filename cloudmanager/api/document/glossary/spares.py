"""Words for spares that stand in for hosts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmanager.api.document.glossary.hosts import HOST, MOVING
from cloudmanager.api.document.glossary.tasks import TASK_ID

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudmanager.api.document.glossary.words import Words

LOAN: Words = {
    "id": ("Id of the loan.", 1),
    "host": ("Nova's name of the spare.", "r1n30.example.net"),
    "node_id": ("Its machine in the inventory.", 30),
    "lost_host": ("The host for which it stands in.", "r1n07.example.net"),
    "state": (
        (
            "`lending` (it is being switched on), `lent`, `returned`, `failed`, or `kept` (it was taken out "
            "of reserve meanwhile)."
        ),
        "lent",
    ),
    "aggregates": ("Ids of the aggregates that it joined for the loan, and leaves in the end.", [3, 7]),
    "task_id": ("The task that lent it.", TASK_ID),
    "message": ("What was said of it last.", "r1n30.example.net stands in for r1n07.example.net"),
    "began_at": ("When it was asked for.", "2024-03-05T10:14:10"),
    "ended_at": ("When it was a spare again; null while the loan is open.", None),
}

SCHEMAS: Mapping[str, Words] = {
    "SpareLoanShape": LOAN,
    "ReturnPlanShape": {
        "host": LOAN["host"],
        "up": HOST["up"],
        "cordoned": HOST["cordoned"],
        "movable": ("Whether every server has a way.", True),
        "servers": "What can be done with each of its servers.",
        "lost_host": LOAN["lost_host"],
        "aggregates": ("Ids of the aggregates that it would leave.", [3, 7]),
        "power_off": ("Whether it would be switched off: it was off before.", True),
    },
    "ReturnSpare": {
        **MOVING,
        "drain": ("Move its servers away first.", True),
    },
}

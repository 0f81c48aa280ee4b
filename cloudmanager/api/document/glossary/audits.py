"""Words for audits of the balancer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmanager.api.document.glossary.hosts import SERVER_ID
from cloudmanager.api.document.glossary.tasks import DRY_RUN, TASK_ID

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudmanager.api.document.glossary.words import Words

_FROM, _TO = "r1n07.example.net", "r1n08.example.net"
_WHY = "ram of r1n07.example.net is 81%, of r1n08.example.net 22%, the mean 51%"

AUDIT: Words = {
    "id": ("Number of the audit.", 99),
    "aggregate_id": ("Nova's id of the aggregate.", 5),
    "aggregate_name": ("What Nova called it then.", "prod"),
    "status": (
        "NEW, RUNNING, DONE (there is a plan), APPLYING, APPLIED, FAILED, or STALE: no longer possible.",
        "DONE",
    ),
    "message": ("What its task said last.", "4 moves in 2 waves, 32.0 GB"),
    "mode": ("`balance`, `relieve` or `consolidate`.", "balance"),
    "auto_apply": ("Whether its plan is carried out at once.", False),
    "requested_by": ("Who asked for it.", "night shift"),
    "task_id": ("Id of its newest task.", TASK_ID),
    "moves": ("How many moves were planned; null as long as there is no plan.", 4),
    "gigabytes": ("GB that they copy.", 32.0),
    "created_at": ("When it was asked for.", "2024-03-05T10:12:30"),
    "planned_at": ("When what the plan is made of was looked at.", "2024-03-05T10:12:31"),
    "expires_at": ("Until when the plan can be applied; null unless it waits for that.", None),
    "ended_at": ("When it came to its end, or to a plan.", "2024-03-05T10:12:33"),
    "plan": "What to move, and what that gains.",
    "outcomes": "What has become of the moves, in the order of the plan; null until it is applied.",
}
_MOVE: Words = {
    "wave": ("Moves of one wave run side by side, waves one after another.", 1),
    "server_id": ("Id of the server.", SERVER_ID),
    "name": ("Its name.", "web-3"),
    "source": ("The host that it leaves.", _FROM),
    "destination": ("The host to which it goes.", _TO),
}

SCHEMAS: Mapping[str, Words] = {
    "ExecuteAudit": {
        "auto_apply": ("Carry the plan out at once.", False),
        "mode": (
            "`balance`: all hosts alike; `relieve`: only hosts above `high`; `consolidate`: empty hosts.",
            "balance",
        ),
        "max_moves": ("Moves at most.", 20),
        "min_gain": ("What every move must gain, in squares of utilisation.", 0.001),
        "min_improvement": ("Share of the imbalance that the plan must take away.", 0.05),
        "hold_seconds": ("Seconds for which a server that was moved is left alone.", 3600.0),
        "high": ("Utilisation above which a host is overloaded.", 0.85),
        "low": ("Utilisation down to which a host is relieved, or up to which it is filled.", 0.75),
        "spare": ("Empty hosts that a consolidation leaves on.", 1),
        "time_limit": ("Seconds of search.", 10.0),
        "allow_off_vm": ("Servers that are stopped may be moved, cold.", False),
        "dry_run": "Answer the plan and keep nothing; for this at most 20 seconds are searched.",
    },
    "ApplyAudit": {
        "audit_id": AUDIT["id"],
        "deadline": ("Seconds after which no other move is begun.", 3600),
        "dry_run": DRY_RUN,
    },
    "AuditReference": {"audit_id": AUDIT["id"]},
    "AuditBrief": AUDIT,
    "AuditSummary": AUDIT,
    "AuditShape": AUDIT,
    "PlannedMove": {
        **_MOVE,
        "gigabytes": ("What the move copies.", 8.0),
        "gain": ("By how much the cost would be higher without it.", 0.0117),
        "price": ("What it has to gain.", 0.0014),
        "reason": ("Why.", _WHY),
        "intermediate": ("Whether it only makes way, and goes on later.", False),
    },
    "ImpossibleMove": {**_MOVE, "reason": ("Why it cannot be made.", "there is no order of moves")},
    "MoveOutcome": {
        **_MOVE,
        "outcome": ("waiting, running, moved, failed or skipped.", "moved"),
        "reason": ("Why it failed or was skipped.", None),
        "task_id": ("The task that made it.", TASK_ID),
    },
    "RehearsedMove": {**_MOVE, "reason": ("Why it would be skipped; null: it would be made.", None)},
    "RehearsalShape": {
        "action": ("What would be done.", "apply-audit"),
        "moves": "The moves in order.",
        "switch_off": ("Hosts that would be switched off.", []),
        "switch_on": ("Hosts that would be switched on.", []),
    },
    "FiguresShape": {
        "cost": ("What the planner makes smaller.", 0.0842),
        "imbalance": (
            "By resource: standard deviation of the hosts' utilisation.",
            {"cpu": 0.21, "ram": 0.3},
        ),
        "utilisation": ("By resource and host.", {"ram": {_FROM: 0.81, _TO: 0.22}}),
    },
    "AuditPlanShape": {
        "mode": AUDIT["mode"],
        "moves": "The moves in the order in which they are made.",
        "waves": ("How many waves.", 2),
        "gigabytes": AUDIT["gigabytes"],
        "before": "How the aggregate stands.",
        "after": "How it stands after all moves.",
        "why_empty": ("Why nothing moves.", None),
        "complete": ("Whether the search found all that pays; false: it was ended early.", True),
        "impossible": "Moves that would have paid, and cannot be made.",
        "notes": ("What is to be said about the data.", []),
        "switch_off": ("Hosts that are empty then, and can be switched off.", []),
        "switch_on": ("Hosts that are switched off, and should be switched on.", []),
        "evaluations": ("Moves that were weighed.", 1200),
    },
    "ExplanationShape": {
        "server_id": ("Id of the server.", SERVER_ID),
        "moves": ("What the plan does with it.", []),
        "sentences": (
            "Why it is where the plan leaves it, and does not move on.",
            ["web-3 is on r1n08.example.net."],
        ),
    },
}

"""What can be wrong with a simulated HTTP service."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from cloudmanager.simulators.faults import BadFault

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloudmanager.simulators.http import Request


@dataclass(slots=True)
class HttpFaults:
    """The default is a healthy service.

    `only` picks the requests that are hit, as a pattern of `GET /path`; one that is posted to `…/action` also
    has its verb: `POST */action os-migrateLive`.
    """

    lag: float = 0.0  # seconds before each answer
    status: int | None = None  # what requests are answered with, such as 500 or 503
    probability: float = 1.0  # of each request to get that status
    down: bool = False  # connections are closed without an answer
    only: str = "*"
    chance: random.Random = field(default_factory=lambda: random.Random(1), repr=False, compare=False)

    def changed(self, /, **changes: Any) -> HttpFaults:
        """Make a copy with `changes`; `BadFault` names the key that is unknown or has a wrong value."""
        for name, value in changes.items():
            if name not in _CHECKS:
                raise BadFault(f"unknown fault {name!r}; known are {', '.join(sorted(_CHECKS))}")
            if not _CHECKS[name](value):
                raise BadFault(f"fault {name} cannot be {value!r}")
        return replace(self, **changes)

    def concerns(self, request: Request) -> bool:
        """Whether this request is one of those that are hit."""
        return fnmatchcase(f"{request.method} {request.path}{_verb(request)}", self.only)

    def struck(self) -> int | None:
        """The status that this request is answered with; None: it is served."""
        return self.status if self.status is not None and self.chance.random() < self.probability else None

    def to_dict(self) -> dict[str, Any]:
        """Only what differs from a healthy service."""
        healthy = HttpFaults()
        names = ("lag", "status", "probability", "down", "only")
        return {name: value for name in names if (value := getattr(self, name)) != getattr(healthy, name)}


def _verb(request: Request) -> str:
    if not request.path.endswith("/action"):
        return ""
    try:
        return " " + next(iter(request.json()), "")
    except (ValueError, TypeError):
        return ""


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0


_CHECKS: dict[str, Callable[[Any], bool]] = {
    "lag": _is_number,
    "status": lambda value: value is None or value in list(HTTPStatus),
    "probability": lambda value: _is_number(value) and value <= 1,
    "down": lambda value: isinstance(value, bool),
    "only": lambda value: isinstance(value, str) and bool(value),
}

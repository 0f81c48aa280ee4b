"""Pages of long lists, and the times that lists are filtered by."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlencode

from cloudmanager.simulators.openstack.problems import Invalid

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cloudmanager.simulators.openstack.rest import Call

MAX_LIMIT = 1000
"""[api] max_limit: no page is longer."""

Row = TypeVar("Row")


def page(call: Call, rows: Sequence[Row], key: Callable[[Row], str]) -> tuple[list[Row], str | None]:
    """The rows that `marker` and `limit` ask for, and the address of the next page where there is one."""
    start = 0
    if marker := call.query.get("marker"):
        places = [place for place, row in enumerate(rows) if key(row) == marker]
        if not places:
            raise Invalid(f"marker [{marker}] not found")
        start = places[0] + 1
    start += _number(call, "offset", 0)
    limit = min(_number(call, "limit", MAX_LIMIT), MAX_LIMIT)
    shown = list(rows[start : start + limit])
    if not shown or len(shown) < limit:  # a full page names a next one, even if that will be empty
        return shown, None
    kept = [(name, value) for name, value in call.request.pairs if name not in ("marker", "offset")]
    query = urlencode([*kept, ("marker", key(shown[-1]))])
    host = call.request.headers.get("host", "")
    return shown, f"http://{host}{call.request.path}?{query}"


def time_of(call: Call, name: str) -> float | None:
    """A time of the query; `Invalid` when it is none."""
    text = call.query.get(name)
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text.strip().replace(" ", "+"))
    except ValueError:
        raise Invalid(
            f"Invalid input for query parameters {name}. Value: {text}. '{text}' is not a 'date-time'"
        ) from None
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


def _number(call: Call, name: str, default: int) -> int:
    text = call.query.get(name)
    if text is None:
        return default
    if not text.isdecimal():
        raise Invalid(
            f"Invalid input for query parameters {name}. Value: {text}. '{text}' does not match '^[0-9]*$'"
        )
    return int(text)

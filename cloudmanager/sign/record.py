"""The record of a signed server: writing it with its signature, and telling whether it is still ours.

The signature covers everything in the row. It cannot tell an old row that somebody put back from a present
one: whoever can do that can also delete it.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any

import orjson

from cloudmanager.models import Validity

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from cloudmanager.models import Signature
    from cloudmanager.sign.keys import SigningKeys

_FORM = "cloudmanager-signature-1"
_COLUMNS = (
    "id",
    "server_id",
    "instance_name",
    "node_id",
    "is_valid",
    "reason",
    "baseline",
    "locked_for",
    "created_at",
    "updated_at",
)
CHANGED = "this record was changed by other hands than ours: recalculate it"
NO_KEY = "the key that signed this record is not to be had, or [secrets] key_file cannot open it"


class Trust(enum.Enum):
    """Whether a record is as we wrote it."""

    OURS = enum.auto()
    CHANGED = enum.auto()
    NO_KEY = enum.auto()


def seal(session: Session, row: Signature, keys: SigningKeys) -> None:
    """Sign a record as it is now; a new one gets its id first."""
    row.key_id = keys.current_id(session)
    row.signature = ""
    session.add(row)
    session.flush()
    row.key_id, row.signature = keys.sign(session, _content(row))
    session.flush()


def trust_in(session: Session, row: Any, keys: SigningKeys) -> Trust:
    """Whether a row, or what was read of one, is as we wrote it."""
    known = keys.verify(session, row.key_id, row.signature, _content(row))
    if known is None:
        return Trust.NO_KEY
    return Trust.OURS if known else Trust.CHANGED


def validity_of(session: Session, row: Any, keys: SigningKeys) -> tuple[Validity, str | None]:
    """What may be told of the server, and why it is not valid."""
    match trust_in(session, row, keys):
        case Trust.OURS:
            return Validity(row.is_valid), row.reason
        case Trust.CHANGED:
            return Validity.FALSE, CHANGED
        case Trust.NO_KEY:
            return Validity.UNKNOWN, NO_KEY


def _content(row: Any) -> bytes:
    """What is signed: the form's name, the key and all other columns, as JSON with sorted keys."""
    values = {name: getattr(row, name) for name in _COLUMNS}
    return orjson.dumps({"form": _FORM, "key_id": row.key_id, **values}, option=orjson.OPT_SORT_KEYS)

"""One operation in the document: its words, body and answers."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from cloudmanager.api.document.answers import answer_document

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from cloudmanager.api.policy import Least

_OF_RESOURCES = {
    "list": (
        "Everything that the filters let through, sorted by id unless `sort` says otherwise. A list without "
        "`limit` is complete; a long one is streamed as it is read, in chunks and without a Content-Length."
    ),
    "count": "How many objects a list with the same filters, `offset` and `limit` would have.",
    "get": "One object.",
    "create": "The answer is the new object as it has been stored, with what was not given at its default.",
    "update": "Only the fields that are given change.",
    "delete": "What something else uses stays: 409 names the users.",
}
"""What holds for every resource, by the first word of the operation's id."""

_WITH_BODY = (413, 415)


def words(name: str, function: Callable[..., Any], role: Least | None) -> str:
    """The description of an operation: what its function says, and who may call it."""
    said = inspect.getdoc(function) or _OF_RESOURCES.get(name.partition("_")[0], "")
    who = f"Needs the role `{role.title}`." if role else "Needs no token."
    return f"{said}\n\n{who}".strip()


def responses(answers: Mapping[int, Any], errors: Iterable[int]) -> dict[str, Any]:
    """The answers by status, then the errors."""
    found: dict[str, Any] = {
        str(status): answer_document(status, answer) for status, answer in answers.items()
    }
    return found | {
        str(status): {"$ref": f"#/components/responses/Error{status}"} for status in sorted(set(errors))
    }


def error_statuses(*, has_role: bool, has_path: bool, has_body: bool) -> list[int]:
    """The errors that operations of a kind can give."""
    found = [400, 414, 422, 500, *((401, 403, 503) if has_role else ())]
    return [*found, *((404,) if has_path else ()), *(_WITH_BODY if has_body else ())]

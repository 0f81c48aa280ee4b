"""What a Redfish service says when it does not do something, in words and as one of our errors.

Message ids are those of DSP2065's `Base` registry; makers have registries of their own with the same or other
names, so that only the last part counts, and an unknown one is quoted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import orjson

from cloudmanager.errors import DeviceError, DeviceRefused, DeviceUnreachable

if TYPE_CHECKING:
    from collections.abc import Collection

    from cloudmanager.drivers.http_client import Answer

MAX_TEXT: Final = 300
SESSION_LIMIT: Final = "SessionLimitExceeded"
CHANGE_FIRST: Final = "PasswordChangeRequired"

_PASSING: Final = {
    "ServiceTemporarilyUnavailable": "is busy",
    "ServiceInUnknownState": "is in a state that it does not know itself",
    "ServiceShuttingDown": "is shutting down",
    "ResourceInUse": "is busy with another request",
    "ResourceInStandby": "is in standby",
    "ResourceExhaustion": "is short of resources",
    "OperationTimeout": "did not finish in its own time",
    SESSION_LIMIT: "has no free session",
}
"""What passes by itself: nothing was done, and it may be asked again."""

_LASTING: Final = {
    "NoValidSession": "does not accept the credentials",
    "ResourceAtUriUnauthorized": "does not accept the credentials",
    "AccountForSessionNoLongerExists": "has no such login any more",
    "AccountRemoved": "has no such login any more",
    CHANGE_FIRST: "wants the password changed before anything else",
    "AuthenticationTokenRequired": "wants a second factor, which a program does not have",
    "InsufficientPrivilege": "does not allow this to the account: give it the privilege ConfigureComponents",
    "InsufficientPrivilegeForOperation": (
        "does not allow this to the account: give it the privilege ConfigureComponents"
    ),
    "AccessDenied": "does not allow this to the account",
    "ActionNotSupported": "does not know this action",
    "ActionParameterNotSupported": "does not know this kind of reset",
    "ActionParameterValueNotInList": "does not know this kind of reset",
    "PropertyValueNotInList": "cannot start from the network",
    "PropertyNotWritable": "does not let this be changed",
    "PropertyUnknown": "does not know this property",
    "ResourceMissingAtURI": "has no such resource",
    "PreconditionFailed": "says that the resource has changed meanwhile",
    "PreconditionRequired": "wants to be told which version of the resource is meant, and does not tell it",
    "InvalidOperationForSystemState": "cannot do this in the present state of the machine",
    "ServiceDisabled": "has this service disabled",
}
"""What asking again does not change."""

_STATUSES: Final = {
    401: "does not accept the credentials",
    403: "does not allow this to the account",
    404: "has no such resource",
    405: "does not allow this on the resource",
    409: "cannot do this in the present state of the machine",
    412: "says that the resource has changed meanwhile",
    428: "wants to be told which version of the resource is meant, and does not tell it",
    501: "has not implemented this",
}
_PASSING_STATUSES: Final = {
    429: "is asked too often",
    502: "has a gateway before it that does not reach it",
    503: "is busy",
    504: "has a gateway before it that does not reach it",
}
_BROKEN: Final = 500


def document_of(title: str, answer: Answer) -> dict[str, object]:
    """The JSON object of an answer; `DeviceRefused` if it is none."""
    found = _parsed(answer.body)
    if found is None:
        raise DeviceRefused(f"{title} answered with something that is not a JSON object")
    return found


def message_keys(answer: Answer) -> list[str]:
    """The last parts of the message ids of an error, most important first (DSP0266 §8.6)."""
    return [key for key, _ in _messages(answer)]


def problem(title: str, answer: Answer, *, acts: bool, secrets: Collection[str] = ()) -> DeviceError:
    """The error that this answer means, without `secrets`, whatever the service says.

    `acts`: the request was a command, which a service with an error inside itself may have obeyed.
    """
    messages, status = _messages(answer), answer.status
    for key, _ in messages:
        if key in _PASSING:
            return DeviceUnreachable(f"{title} {_PASSING[key]} ({key}); it may be asked again")
        if key in _LASTING:
            return DeviceRefused(f"{title} {_LASTING[key]} ({key})")
    told = [text for _, text in messages[:1] if not any(secret and secret in text for secret in secrets)]
    said = "".join(f": {text}" for text in told)
    if status in _PASSING_STATUSES:
        return DeviceUnreachable(f"{title} {_PASSING_STATUSES[status]} (HTTP status {status}){said}")
    if status in _STATUSES:
        return DeviceRefused(f"{title} {_STATUSES[status]} (HTTP status {status}){said}")
    if status >= _BROKEN:
        broken = f"{title} has an error inside itself (HTTP status {status}){said}"
        return DeviceUnreachable(broken, maybe_applied=acts)
    return DeviceRefused(f"{title} refuses this (HTTP status {status}){said}")


def account_to_change(answer: Answer) -> str:
    """The path of our account, which a service names that wants its password changed before anything else."""
    found = _parsed(answer.body)
    error = found.get("error") if found else None
    messages = error.get("@Message.ExtendedInfo") if isinstance(error, dict) else None
    for message in messages if isinstance(messages, list) else []:
        known = _message(message)
        if known and known[0] == CHANGE_FIRST:
            arguments = message.get("MessageArgs")
            first = arguments[0] if isinstance(arguments, list) and arguments else ""
            return first if isinstance(first, str) and first.startswith("/") else ""
    return ""


def failed_task(title: str, answer: Answer) -> DeviceRefused | None:
    """The error of a task that had failed already when it was answered (DSP0266 §12.2, `Task`)."""
    task = _parsed(answer.body) or {}
    state = task.get("TaskState")
    if state not in ("Exception", "Killed", "Cancelled"):
        return None
    texts = [text for _, text in _extended(task.get("Messages"))]
    return DeviceRefused(
        f"{title} gave the task up at once ({state})" + "".join(f": {text}" for text in texts[:1])
    )


def _messages(answer: Answer) -> list[tuple[str, str]]:
    found = _parsed(answer.body)
    error = found.get("error") if found else None
    if not isinstance(error, dict):
        return []
    extended = _extended(error.get("@Message.ExtendedInfo"))
    general = _message({"MessageId": error.get("code"), "Message": error.get("message")})
    return [*extended, *([general] if general else [])]


def _extended(messages: object) -> list[tuple[str, str]]:
    if not isinstance(messages, list):
        return []
    return [found for message in messages[:16] if (found := _message(message))]


def _message(message: object) -> tuple[str, str] | None:
    """Key and text; `MessageId` is Registry.Major.Minor.Key, and in early services the key alone."""
    if not isinstance(message, dict):
        return None
    message_id, text = message.get("MessageId"), message.get("Message")
    if not isinstance(message_id, str):
        return None
    key = message_id.rpartition(".")[2]
    return _printable(key), _printable(text if isinstance(text, str) and text else key)


def _printable(text: str) -> str:
    return "".join(character for character in text[:MAX_TEXT] if character.isprintable())


def _parsed(body: bytes) -> dict[str, object] | None:
    try:
        found = orjson.loads(body)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None

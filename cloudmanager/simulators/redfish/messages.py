"""Answers of a Redfish service: documents, and errors with message ids (DSP0266 §8.6; DSP2065, `Base`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloudmanager.simulators.http import Answer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

BASE = "Base.1.18"
MESSAGES = {
    400: (f"{BASE}.GeneralError", "A general error has occurred."),
    401: (f"{BASE}.NoValidSession", "There is no valid session established with the implementation."),
    403: (f"{BASE}.InsufficientPrivilege", "There are insufficient privileges for the account."),
    404: (f"{BASE}.ResourceMissingAtURI", "The resource at the URI was not found."),
    405: (f"{BASE}.OperationNotAllowed", "The HTTP method is not allowed on this resource."),
    412: (f"{BASE}.PreconditionFailed", "The ETag supplied did not match the ETag of the resource."),
    428: (f"{BASE}.PreconditionRequired", "A precondition header or annotation is required."),
    500: (f"{BASE}.InternalError", "The request failed due to an internal service error."),
    503: (f"{BASE}.ServiceTemporarilyUnavailable", "The service is temporarily unavailable."),
}
SESSION_LIMIT = (f"{BASE}.SessionLimitExceeded", "The session establishment failed: too many sessions.")
BAD_VALUE = (f"{BASE}.ActionParameterNotSupported", "The parameter value is not supported for this action.")
BAD_BODY = (f"{BASE}.MalformedJSON", "The request body submitted was malformed JSON.")
# HPE iLO's registry; Base has no message for an action that the state of the system does not allow.
BAD_STATE = ("iLO.2.14.InvalidOperationForSystemState", "The operation is not valid in this power state.")


def document(
    content: Mapping[str, Any], *, status: int = 200, headers: Mapping[str, str] | None = None
) -> Answer:
    """A resource as JSON."""
    return Answer(status, content, {"OData-Version": "4.0", **(headers or {})})


def problem(status: int, message: tuple[str, str] | None = None, *, arguments: Sequence[str] = ()) -> Answer:
    """An error; the message follows from the status unless it is given."""
    message_id, text = message or MESSAGES.get(status, MESSAGES[400])
    extended = {
        "MessageId": message_id,
        "Message": text,
        "MessageArgs": list(arguments),
        "MessageSeverity": "Critical",
        "Resolution": "See the documentation of the service.",
    }
    error = {"code": message_id, "message": text, "@Message.ExtendedInfo": [extended]}
    return document({"error": error}, status=status)

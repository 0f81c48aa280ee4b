"""The errors of CloudManager. They know neither HTTP nor Celery; `cloudmanager.api.errors` maps them.

CloudManagerError
├── Malformed              the request cannot be read at all
├── InvalidInput           it can be read, but a value is wrong; `fields` says which
├── Unauthenticated        no token, or one that is unknown or expired
├── Forbidden              the token is good, its role does not allow this
├── NotFound               no such object
├── Conflict               it contradicts what is there; the message names what and the way out
│   └── Busy               an open flow holds the subject; `flow_id` is its id
├── Stale                  it is no longer what the caller has seen: read it again
├── Unavailable            the product itself lacks something now (database, broker); try again later
├── TooManyRequests        the caller asks too often; `retry_after` says when to go on
├── Misconfigured          the configuration is wrong; the message names the option
├── DeviceError            a power device did not do it
│   ├── DeviceUnreachable  no answer in time: may be tried again; `maybe_applied` when the command was sent
│   ├── DeviceRefused      it answered no (bad outlet, bad state): trying again is useless
│   │   └── CredentialsRefused  it does not take the login and password; asking again may lock the account
│   └── Unsupported        this kind of device cannot do that
├── CloudError             OpenStack did not do it
│   ├── CloudUnreachable   no answer that can be believed: may be tried again
│   ├── CloudRefused       it answered no; `status` is that of its answer
│   └── CloudNotConfigured  the configuration does not say how to reach it
└── HostError              the operating system of a node did not do it
    ├── HostUnreachable    no answer in time: may be tried again; `maybe_applied` when the command was sent
    ├── HostRefused        it lets us not in, has another host key, or sudo says no: trying again is useless
    └── CommandFailed      the command ran and failed; `output` is the end of what it said, `status` its exit
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class CloudManagerError(Exception):
    """Root of the tree. `message` is for people: it names the thing and the way out, never a secret."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class Malformed(CloudManagerError):
    """The request cannot be read (broken JSON, broken encoding)."""


class InvalidInput(CloudManagerError):
    """A value is wrong. `fields` maps the field's name to what is wrong with it."""

    def __init__(self, message: str, fields: Mapping[str, Sequence[str]] | None = None) -> None:
        super().__init__(message)
        self.fields = dict(fields or {})


class Unauthenticated(CloudManagerError):
    """No token, or one that is unknown or expired."""


class Forbidden(CloudManagerError):
    """The token is good; its role does not allow this."""


class NotFound(CloudManagerError):
    """No such object."""


class Conflict(CloudManagerError):
    """The request contradicts what is there. `fields` as in `InvalidInput`, when single fields do."""

    def __init__(self, message: str, fields: Mapping[str, Sequence[str]] | None = None) -> None:
        super().__init__(message)
        self.fields = dict(fields or {})


class Busy(Conflict):
    """An open flow holds the subject; `flow_id` is the task that one can watch or cancel."""

    def __init__(self, message: str, flow_id: str) -> None:
        super().__init__(message)
        self.flow_id = flow_id


class Stale(CloudManagerError):
    """The object has changed since the caller read it."""


class Unavailable(CloudManagerError):
    """Something that the product itself needs is away; `retry_after` in seconds."""

    def __init__(self, message: str, retry_after: int = 5) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class TooManyRequests(CloudManagerError):
    """The caller asks more often than is allowed; `retry_after` in seconds."""

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Misconfigured(CloudManagerError):
    """The configuration is wrong; the message names the section and option."""


class DeviceError(CloudManagerError):
    """A power device did not do what was asked."""


class DeviceUnreachable(DeviceError):
    """No answer in time.

    `maybe_applied` is true when a command left us and only its answer is missing: the device may have obeyed.
    """

    def __init__(self, message: str, *, maybe_applied: bool = False) -> None:
        super().__init__(message)
        self.maybe_applied = maybe_applied


class DeviceRefused(DeviceError):
    """The device answered no: bad outlet, not possible in its present state."""


class CredentialsRefused(DeviceRefused):
    """The device does not take the login and password, so nothing was done. Some lock an account for that."""


class Unsupported(DeviceError):
    """This kind of device cannot do that; its `actions` say what it can."""


class CloudError(CloudManagerError):
    """OpenStack did not do what was asked. `request_id` is OpenStack's, for its logs."""

    def __init__(self, message: str, *, request_id: str | None = None) -> None:
        super().__init__(message)
        self.request_id = request_id


class CloudUnreachable(CloudError):
    """No answer in time, or one that says the service is broken (5xx): it may have done what was asked."""


class CloudRefused(CloudError):
    """It answered no. `status` is the HTTP status of that answer; 409 often means: not now."""

    def __init__(self, message: str, *, status: int, request_id: str | None = None) -> None:
        super().__init__(message, request_id=request_id)
        self.status = status


class CloudNotConfigured(CloudError):
    """The configuration does not say how to reach OpenStack; the message names the options."""


class HostError(CloudManagerError):
    """The operating system of a node did not do what was asked."""


class HostUnreachable(HostError):
    """No answer in time. `maybe_applied`: the command left us, and only its answer is missing."""

    def __init__(self, message: str, *, maybe_applied: bool = False) -> None:
        super().__init__(message)
        self.maybe_applied = maybe_applied


class HostRefused(HostError):
    """The node does not let us in or not do it: credentials, host key, sudo."""


class CommandFailed(HostError):
    """The command ran and failed. `status` is its exit status, `output` the end of what it said."""

    def __init__(self, message: str, *, status: int, output: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.output = output

"""What a service of the simulated cloud says instead of doing it; each has its own words on the wire."""

from __future__ import annotations


class Problem(Exception):
    """A refusal. `kind` is the name that Neutron gives it; other services do not show it."""

    status = 500

    def __init__(self, message: str, kind: str = "") -> None:
        super().__init__(message)
        self.kind = kind or type(self).__name__


class Invalid(Problem):
    """The request is malformed, or not possible in the state that the thing is in."""

    status = 400


class Unauthenticated(Problem):
    """Nobody who is known asks."""

    status = 401


class Forbidden(Problem):
    """Not for somebody with these roles."""

    status = 403


class NotThere(Problem):
    """There is no such thing, or it is another project's."""

    status = 404


class NoSuchMethod(Problem):
    """The path is there, not with this method."""

    status = 405


class NotAcceptable(Problem):
    """No such version of the API."""

    status = 406


class Conflict(Problem):
    """The thing is in use, or is there already."""

    status = 409


class TooMuch(Problem):
    """More than the quota, or than this simulation takes."""

    status = 413

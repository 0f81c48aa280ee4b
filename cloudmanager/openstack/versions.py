"""Which microversion of Nova each call speaks, and why.

A call is written for `wanted`. A Nova that ends earlier is spoken to in its own newest version as long as
that has what the call relies on, which came with `least`.
"""

from __future__ import annotations

from typing import NamedTuple

from cloudmanager.errors import CloudRefused, CloudUnreachable

_NOT_ACCEPTABLE = 406


class Speech(NamedTuple):
    """Minor versions of 2.x."""

    wanted: int
    least: int


USUAL = Speech(96, 80)
"""2.96 says for which zone a server asked; 2.80 is where migrations can be asked for by user, and page."""

HYPERVISORS = Speech(87, 53)
"""From 2.88 on a hypervisor no longer says what it has, nor its cpu_info."""

EVACUATE = Speech(94, 68)
"""From 2.95 on an evacuated server is left stopped; before, it is started again when it ran."""

FLAVOR_ID = Speech(46, 46)
"""From 2.47 on a server says what its flavor is, and no longer which."""

DIAGNOSTICS = Speech(96, 48)
"""2.48 says the diagnostics of all hypervisors in one form."""

ATTACHMENTS = Speech(96, 79)
"""2.79 says what becomes of a volume when its server is deleted."""


def spoken(speech: Speech, newest: tuple[int, int] | None, verb: str) -> str:
    """The microversion for a call, when `newest` is Nova's; raises `CloudRefused` if it is too old."""
    least = f"2.{speech.least}"
    if newest is None:
        raise CloudUnreachable("Nova does not say what it speaks; the catalogue has to name its API v2.1")
    if newest < (2, speech.least):
        raise CloudRefused(
            f"Nova is too old: {verb} needs microversion {least}, its newest is {newest[0]}.{newest[1]}",
            status=_NOT_ACCEPTABLE,
        )
    return f"2.{min(speech.wanted, newest[1])}"

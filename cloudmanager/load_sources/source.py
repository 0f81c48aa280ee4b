"""The promise of a source of load."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cloudmanager.drs.cluster import Resource
    from cloudmanager.openstack.records import Server


@dataclass(frozen=True)
class Loads:
    """What is measured, in the planner's units: {host's name or server's id: {resource: amount}}.

    What is not measured, or no longer true, is not there: it is never zero. `notes` say what and why.
    """

    hosts: Mapping[str, Mapping[Resource, float]] = field(default_factory=dict)
    servers: Mapping[str, Mapping[Resource, float]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


class LoadSource(Protocol):
    """Measures the hosts of an aggregate, and the servers on them."""

    async def measure(self, hosts: Sequence[str], servers: Sequence[Server]) -> Loads:
        """What these hosts, by Nova's names, and these servers use.

        Raises `Unavailable` or `CloudError` when the source as a whole gives no answer, and `Misconfigured`
        when it does not understand what the configuration asks it.
        """

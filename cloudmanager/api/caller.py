"""Who calls: what both strategies find out about the sender of a request."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING

from flask import request

if TYPE_CHECKING:
    from collections.abc import Sequence
    from ipaddress import IPv4Network, IPv6Network


@dataclass(frozen=True)
class Caller:
    """Whom the token of a request belongs to. What a strategy does not know is None."""

    name: str
    roles: tuple[str, ...]
    user_id: str | None = None
    project_id: str | None = None
    project_name: str | None = None
    service: str | None = None
    """The user of the service that passes the request on, by its own X-Service-Token."""

    @property
    def identity(self) -> str:
        """What tells this caller from all others: names are unique only within a domain of Keystone."""
        return self.user_id or self.name


def client_address(trusted: Sequence[IPv4Network | IPv6Network]) -> str | None:
    """The client's address. What X-Forwarded-For says counts as far as trusted proxies have written it."""
    address = request.remote_addr
    hops = [hop.strip() for hop in ",".join(request.headers.getlist("X-Forwarded-For")).split(",")]
    while address and hops and hops[-1] and _is_in(address, trusted):
        hop = hops.pop()
        if not _is_address(hop):
            break
        address = hop
    return address


def _is_in(address: str, networks: Sequence[IPv4Network | IPv6Network]) -> bool:
    return _is_address(address) and any(ip_address(address) in network for network in networks)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True

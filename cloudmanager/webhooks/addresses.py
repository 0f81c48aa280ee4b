"""Where webhooks may be sent: checked on the address that is connected to, not on the name that led there."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpcore

from cloudmanager.errors import Misconfigured

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cloudmanager.config import Config

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


class AddressRefused(Exception):
    """The configuration does not let us send there. The message names the address and the option."""


@dataclass(frozen=True)
class Networks:
    """What `[webhooks]` says of networks."""

    refused: tuple[_Network, ...]
    allowed: tuple[_Network, ...]

    @classmethod
    def from_config(cls, config: Config) -> Networks:
        """Raises `Misconfigured` for what is no network."""
        return cls(_networks(config, "refused_networks"), _networks(config, "allowed_networks"))

    def check(self, text: str) -> None:
        """Raise `AddressRefused` for an address to which nothing is sent."""
        address = _plain(ipaddress.ip_address(text.partition("%")[0]))
        if self.allowed:
            if not _within(address, self.allowed):
                raise AddressRefused(f"{address} is not in [webhooks] allowed_networks")
        elif _within(address, self.refused):
            raise AddressRefused(f"{address} is in [webhooks] refused_networks")

    def check_host(self, host: str) -> None:
        """The same for the host of a URL, as far as it is an address."""
        try:
            # The forms that a resolver takes for addresses without asking anybody: 127.1, 0x7f000001.
            addresses = socket.getaddrinfo(host, None, flags=socket.AI_NUMERICHOST)
        except OSError:
            return
        for *_, address in addresses:
            self.check(str(address[0]))


class GuardedNetwork(httpcore.AsyncNetworkBackend):
    """Connects where the networks allow; what a name means is asked once, and that answer is used."""

    def __init__(self, networks: Networks) -> None:
        self._networks = networks
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  # httpcore's interface
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first address that answers; none is tried when one of them is refused."""
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))
        for address in addresses:
            self._networks.check(address)
        return await self._first(addresses, port, timeout, local_address, socket_options)

    async def _first(
        self,
        addresses: Sequence[str],
        port: int,
        timeout: float | None,  # noqa: ASYNC109
        local_address: str | None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None,
    ) -> httpcore.AsyncNetworkStream:
        *others, last = addresses
        for address in others:
            try:
                return await self._inner.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return await self._inner.connect_tcp(last, port, timeout, local_address, socket_options)


def _networks(config: Config, option: str) -> tuple[_Network, ...]:
    try:
        return tuple(ipaddress.ip_network(text) for text in config.webhooks[option])
    except ValueError as error:
        raise Misconfigured(f"[webhooks] {option}: {error}") from None


def _plain(address: _Address) -> _Address:
    """The IPv4 address within an IPv6 one that leads to it."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in _NAT64:
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def _within(address: _Address, networks: Iterable[_Network]) -> bool:
    return any(address in network for network in networks)

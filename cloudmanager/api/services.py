"""What the API is given: it makes nothing of the outside world itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from flask import current_app

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence

    from flask import Flask

    from cloudmanager.config import Config
    from cloudmanager.db import Database
    from cloudmanager.drivers.base import PowerState, Settings
    from cloudmanager.host.port import HostPort
    from cloudmanager.nova_database import NovaDatabase
    from cloudmanager.openstack.port import CloudPort
    from cloudmanager.openstack.tenant_port import TenantClouds
    from cloudmanager.vault import Vault

T = TypeVar("T")

_KEY = "cloudmanager"


class Bell(Protocol):
    """Tells the workers that there is work; a ring that is lost is made good by the sweep."""

    def ring(self, flow_ids: Sequence[str]) -> None:
        """Ask the workers to advance these flows now. Never raises."""

    def broker_alive(self) -> bool:
        """Whether the broker answers."""

    def ping(self) -> bool:
        """Whether a worker answers."""


class PowerProbe(Protocol):
    """Reads a power device once, outside of any flow."""

    def probe(
        self, control_type: str, settings: Settings, outlets: Collection[str] = ()
    ) -> Mapping[str, PowerState]:
        """The states of these outlets, or of all; raises `DeviceError`. Bounded by `settings.timeout`."""


class CloudQuestions(Protocol):
    """Asks OpenStack once, outside of any flow."""

    def ask(self, question: Callable[[CloudPort], Coroutine[Any, Any, T]]) -> T:
        """What `question` finds out of the cloud; raises `NotFound` and the `CloudError`s."""


class TenantQuestions(Protocol):
    """Asks OpenStack once in tenants' projects, outside of any flow."""

    def ask(self, question: Callable[[TenantClouds], Coroutine[Any, Any, T]]) -> T:
        """What `question` finds out; raises `NotFound`, `Forbidden` and the `CloudError`s."""


class HostQuestions(Protocol):
    """Runs commands on nodes that only look, outside of any flow."""

    def ask(self, question: Callable[[HostPort], Coroutine[Any, Any, T]]) -> T:
        """What `question` finds out on nodes; raises what `HostPort.run` raises."""


@dataclass(frozen=True)
class Services:
    """Everything that a request may use."""

    config: Config
    database: Database
    vault: Vault
    bell: Bell
    power: PowerProbe
    cloud: CloudQuestions
    host: HostQuestions
    nova_database: NovaDatabase
    tenants: TenantQuestions


def attach(app: Flask, given: Services) -> None:
    """Give the services to the application."""
    app.extensions[_KEY] = given


def services() -> Services:
    """The services of the application that serves the present request."""
    return cast("Services", current_app.extensions[_KEY])

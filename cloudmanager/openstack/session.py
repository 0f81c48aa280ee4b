"""A log-in to the cloud: one keystoneauth session, with the threads in which its blocking calls run."""

from __future__ import annotations

import asyncio
import contextvars
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

import requests
from keystoneauth1 import loading
from keystoneauth1.adapter import Adapter
from keystoneauth1.session import Session, TCPKeepAliveAdapter

from cloudmanager.errors import Misconfigured
from cloudmanager.openstack.shared import Shared

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloudmanager.openstack.settings import Settings

T = TypeVar("T")

_HOSTS = 8
"""Addresses to which connections are kept: those of the services that we ask."""


class CloudSession:
    """Logs in when the first question comes, and again when the token has expired.

    One per event loop. `connections` bounds the threads, the requests under way, and the connections kept.
    """

    def __init__(self, settings: Settings) -> None:
        connections = settings.connections
        self._threads = ThreadPoolExecutor(connections, thread_name_prefix="cloud")
        self._web = requests.Session()
        for scheme in ("http://", "https://"):
            self._web.mount(scheme, TCPKeepAliveAdapter(pool_connections=_HOSTS, pool_maxsize=connections))
        self._auth, where, trust = _from_clouds_yaml(settings) if settings.cloud else _from_options(settings)
        self._where = where
        self._session = Session(
            auth=self._auth,
            session=self._web,
            timeout=settings.timeout,
            app_name="cloudmanager",
            **trust,
        )
        self._logins = Shared()

    def adapter(self, service_type: str, version: str | None) -> Adapter:
        """What asks one service of the catalogue; nothing is sent before it is used."""
        return Adapter(self._session, service_type=service_type, version=version, **self._where)

    async def log_in(self) -> None:
        """Have a token. All who wait for one share the attempt, so that a dead Keystone holds one thread.

        Raises what keystoneauth raises.
        """
        known = getattr(self._auth, "auth_ref", None)
        if known is None or known.will_expire_soon():
            await self._logins.ask(
                "token", lambda: self.in_thread(lambda: self._auth.get_token(self._session))
            )

    async def in_thread(self, call: Callable[[], T]) -> T:
        """What a blocking call answers; it waits while all threads are busy."""
        context = contextvars.copy_context()
        return await asyncio.get_running_loop().run_in_executor(self._threads, context.run, call)

    def close(self) -> None:
        """Ask nothing more; calls under way end by themselves, within their timeouts."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._web.close()


def _from_options(settings: Settings) -> tuple[Any, dict[str, Any], dict[str, Any]]:
    auth: Any = loading.get_plugin_loader(settings.auth_type).load_from_options(**settings.login)
    where = {"interface": settings.interface, "region_name": settings.region_name}
    return auth, where, {"verify": settings.verify, "cert": settings.certificate}


def _from_clouds_yaml(settings: Settings) -> tuple[Any, dict[str, Any], dict[str, Any]]:
    from openstack import exceptions  # noqa: PLC0415 - takes half a second, and few use clouds.yaml
    from openstack.config import OpenStackConfig  # noqa: PLC0415

    auth: Any
    try:
        cloud = OpenStackConfig().get_one(settings.cloud)
        auth = cloud.get_auth()
    except exceptions.ConfigException as error:
        raise Misconfigured(f"[nova] cloud: {error}") from None
    verify, cert = cloud.get_requests_verify_args()
    where = {"interface": cloud.get_interface("compute"), "region_name": cloud.get_region_name("compute")}
    return auth, where, {"verify": verify, "cert": cert}

"""A log-in to the cloud: one keystoneauth session, with the threads in which its blocking calls run."""

from __future__ import annotations

import asyncio
import contextvars
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import requests
from keystoneauth1 import exceptions as problems
from keystoneauth1 import loading
from keystoneauth1.adapter import Adapter
from keystoneauth1.session import Session, TCPKeepAliveAdapter

from cloudmanager.errors import CloudManagerError, CloudNotConfigured, Forbidden, Misconfigured
from cloudmanager.openstack.borrowed import BorrowedToken
from cloudmanager.openstack.refusals import failure
from cloudmanager.openstack.shared import Shared

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cloudmanager.openstack.settings import Settings

T = TypeVar("T")

_HOSTS = 8
"""Addresses to which connections are kept: those of the services that we ask."""

_SCOPE = frozenset(
    {"project_id", "project_name", "project_domain_id", "project_domain_name", "tenant_id", "tenant_name"}
    | {"domain_id", "domain_name", "system_scope"}
)
"""Options that say where a user is logged in."""


class _Lines(NamedTuple):
    """Over what requests go out; sessions of one process share them."""

    threads: ThreadPoolExecutor
    web: requests.Session


class CloudSession:
    """Logs in when the first question comes, and again when the token has expired.

    One per event loop. `connections` bounds the threads, the requests under way, and the connections kept.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        project_id: str | None = None,
        token: str | None = None,
        lines: _Lines | None = None,
    ) -> None:
        """With `project_id` in that project instead of ours, with `token` as its owner; over given lines."""
        self.project_id = project_id
        self.is_tenants = project_id is not None or token is not None
        self._settings = settings
        self._lines = lines or _lines(settings.connections)
        make = _from_clouds_yaml if settings.cloud else _from_options
        self._auth, where, trust = make(settings, project_id)
        if token is not None:
            self._auth = BorrowedToken(self.auth_url, token)
        self._where = where
        self._session = Session(
            auth=self._auth,
            session=self._lines.web,
            timeout=settings.timeout,
            app_name="cloudmanager",
            **trust,
        )
        self._logins = Shared()

    def in_project(self, project_id: str) -> CloudSession:
        """Our user in a tenant's project, over the same threads and connections; it need not be closed."""
        return CloudSession(self._settings, project_id=project_id, lines=self._lines)

    def with_token(self, token: str) -> CloudSession:
        """Whoever has this token, over the same threads and connections; it need not be closed."""
        return CloudSession(self._settings, token=token, lines=self._lines)

    @property
    def auth_url(self) -> str:
        """Where Keystone is."""
        return str(self._auth.auth_url)

    async def anonymously(self, method: str, url: str, headers: Mapping[str, str], body: Any) -> Any:
        """What a service answers to a request without our token; raises what keystoneauth raises."""
        return await self.in_thread(
            lambda: self._session.request(
                url,
                method,
                json=body,
                headers={"Accept": "application/json", **headers},
                authenticated=False,
                raise_exc=False,
                redirect=False,  # credentials are not sent to whomever an answer names
                log=False,
            )
        )

    def adapter(self, service_type: str, version: str | None) -> Adapter:
        """What asks one service of the catalogue; nothing is sent before it is used."""
        return Adapter(self._session, service_type=service_type, version=version, **self._where)

    async def log_in(self) -> None:
        """Have a token. All who wait for one share the attempt, so that a dead Keystone holds one thread.

        Raises what `failure` makes of it, and `CloudNotConfigured` for credentials of another project.
        """
        if not self._has_token():
            try:
                await self._logins.ask(
                    "token", lambda: self.in_thread(lambda: self._auth.get_token(self._session))
                )
            except problems.ClientException as error:
                raise self.failure("Keystone", error) from None
        if self.project_id is not None and self._auth.auth_ref.project_id != self.project_id:
            raise CloudNotConfigured(
                "an application credential is bound to one project: for those of tenants, [nova] needs a "
                "username and password"
            )

    def _has_token(self) -> bool:
        """Whether there is one that is good for some time; ways to log in without Keystone do not tell."""
        known = getattr(self._auth, "auth_ref", None)
        return known is not None and not known.will_expire_soon()

    def failure(self, service: str, error: problems.ClientException) -> CloudManagerError:
        """Our error for what keystoneauth raised.

        `Forbidden` when our user is not let into a tenant's project, be it no longer.
        """
        if self.project_id is None or not isinstance(error, problems.Unauthorized | problems.Forbidden):
            return failure(service, error, is_tenants=self.is_tenants)
        return Forbidden(
            f"Keystone does not let the daemon into project {self.project_id}: its operator has to give "
            "the user of [nova] a role there: "
            f"openstack role add --project {self.project_id} --user USER member"
        )

    async def in_thread(self, call: Callable[[], T]) -> T:
        """What a blocking call answers; it waits while all threads are busy."""
        context = contextvars.copy_context()
        return await asyncio.get_running_loop().run_in_executor(self._lines.threads, context.run, call)

    def close(self) -> None:
        """Ask nothing more; calls under way end by themselves, within their timeouts."""
        self._lines.threads.shutdown(wait=False, cancel_futures=True)
        self._lines.web.close()


def _lines(connections: int) -> _Lines:
    web = requests.Session()
    for scheme in ("http://", "https://"):
        web.mount(scheme, TCPKeepAliveAdapter(pool_connections=_HOSTS, pool_maxsize=connections))
    return _Lines(ThreadPoolExecutor(connections, thread_name_prefix="cloud"), web)


def _from_options(settings: Settings, project_id: str | None) -> tuple[Any, dict[str, Any], dict[str, Any]]:
    auth = _plugin(settings.auth_type, settings.login, project_id)
    where = {"interface": settings.interface, "region_name": settings.region_name}
    return auth, where, {"verify": settings.verify, "cert": settings.certificate}


def _plugin(auth_type: str, login: Mapping[str, Any], project_id: str | None) -> Any:
    """What logs in; with a project in that one, instead of where `login` says."""
    if project_id is not None and not _is_bound(auth_type):
        kept = {name: value for name, value in login.items() if name not in _SCOPE}
        login = {**kept, "project_id": project_id}
    return loading.get_plugin_loader(auth_type).load_from_options(**login)


def _is_bound(auth_type: str) -> bool:
    """Whether it leads to one project, and takes no other: which one is known after the log-in."""
    return auth_type.startswith("v3applicationcredential")


def _from_clouds_yaml(
    settings: Settings, project_id: str | None
) -> tuple[Any, dict[str, Any], dict[str, Any]]:
    from openstack import exceptions  # noqa: PLC0415 - takes half a second, and few use clouds.yaml
    from openstack.config import OpenStackConfig  # noqa: PLC0415

    auth: Any
    try:
        cloud = OpenStackConfig().get_one(settings.cloud)
        auth = cloud.get_auth()
    except exceptions.ConfigException as error:
        raise Misconfigured(f"[nova] cloud: {error}") from None
    if project_id is not None and not _is_bound(cloud.config["auth_type"]):
        auth = _plugin(cloud.config["auth_type"], cloud.config["auth"], project_id)
    verify, cert = cloud.get_requests_verify_args()
    where = {"interface": cloud.get_interface("compute"), "region_name": cloud.get_region_name("compute")}
    return auth, where, {"verify": verify, "cert": cert}

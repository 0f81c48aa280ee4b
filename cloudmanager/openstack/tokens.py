"""Getting tokens for others, from the credentials that they send."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from keystoneauth1 import exceptions as problems

from cloudmanager.errors import CloudUnreachable
from cloudmanager.openstack.borrowed import identity_url
from cloudmanager.openstack.part import Part
from cloudmanager.openstack.refusals import failure, refusal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_SERVICE = "Keystone"
_CREATED, _FAILED = 201, 400


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A token, what Keystone says of it, and the projects that its user may choose from."""

    token: str = field(repr=False)
    document: Mapping[str, Any]
    projects: Sequence[Mapping[str, Any]]


class Tokens(Part):
    """Keystone, asked by people who have no token yet. What they send is neither kept nor logged."""

    async def issue_token(self, auth: Mapping[str, Any]) -> IssuedToken:
        """Log in as `auth` says, in the form of Keystone; `CloudRefused` has the status of its answer."""
        response, document = await self._ask("POST", {}, {"auth": dict(auth)}, path="auth/tokens")
        token = response.headers.get("X-Subject-Token")
        if response.status_code != _CREATED or not token or not isinstance(document.get("token"), dict):
            raise CloudUnreachable(f"{_SERVICE}: the answer is no token")
        _, projects = await self._ask("GET", {"X-Auth-Token": token}, path="auth/projects")
        return IssuedToken(token, document["token"], projects.get("projects") or ())

    async def _ask(
        self, method: str, headers: Mapping[str, str], body: Any = None, *, path: str
    ) -> tuple[Any, dict[str, Any]]:
        """One request with no credentials of ours."""
        url = f"{identity_url(self._session.auth_url)}/{path}"
        try:
            response = await self._session.anonymously(method, url, headers, body)
        except problems.ClientException as error:
            raise failure(_SERVICE, error, is_tenants=True) from None
        try:
            document = response.json()
        except ValueError:
            document = None
        if response.status_code >= _FAILED:
            said = response.headers.get("X-Openstack-Request-Id")
            raise refusal(_SERVICE, response.status_code, document, said, is_tenants=True)
        if not isinstance(document, dict):
            raise CloudUnreachable(f"{_SERVICE}: the answer cannot be read")
        return response, document

"""A token that somebody has sent us: with it we act as they could, and as nobody else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keystoneauth1 import access
from keystoneauth1.identity import base

if TYPE_CHECKING:
    from keystoneauth1.session import Session


class BorrowedToken(base.BaseIdentityPlugin):
    """Asks Keystone once what the token is and where it leads; no other token is made of it.

    So it serves tokens that must not be exchanged, such as those of application credentials.
    """

    def __init__(self, auth_url: str, token: str) -> None:
        super().__init__(auth_url=identity_url(auth_url), reauthenticate=False)
        self._token = token

    def get_auth_ref(self, session: Session, **_: Any) -> access.AccessInfo:
        """What the token says of itself; raises what keystoneauth raises."""
        response = session.get(
            f"{self.auth_url}/auth/tokens",
            headers={
                "X-Auth-Token": self._token,
                "X-Subject-Token": self._token,
                "Accept": "application/json",
            },
            authenticated=False,
            log=False,
        )
        return access.create(body=response.json(), auth_token=self._token)


def identity_url(auth_url: str) -> str:
    """Where version 3 of Keystone's API is, for an address with or without the version."""
    url = auth_url.rstrip("/")
    return url if url.endswith("/v3") else f"{url}/v3"

"""The OpenID Connect endpoints of a realm on a real socket: decodes, asks the `Realm`, encodes.

Paths, answers and refusals are those of Keycloak 26; grants are RFC 6749 §4.3 and §4.4. There are no refresh
tokens, as for a client that does not use them.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote_plus

from cloudmanager.simulators.http import Answer, HttpServer, Request
from cloudmanager.simulators.http_faults import HttpFaults
from cloudmanager.simulators.keycloak.realm import Refused

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable

    from cloudmanager.simulators.keycloak.realm import Client, Realm

_PROTOCOL = "protocol/openid-connect"
_NOT_KEPT = {"Cache-Control": "no-store", "Pragma": "no-cache"}


class Keycloak:
    """A server for one `Realm`. `faults` may be replaced while it runs."""

    def __init__(self, realm: Realm) -> None:
        self.realm = realm
        self.faults = HttpFaults()
        self.url = ""
        self.changed: Callable[[], object] = lambda: None  # told after each token: the first makes a key
        self._server = HttpServer(self.answer, lambda: self.faults)

    async def start(self, host: str, port: int) -> int:
        """Listen, and answer the real port."""
        real = await self._server.start(host, port)
        self.url = f"http://{host}:{real}"
        return real

    async def stop(self) -> None:
        """Listen no more."""
        await self._server.stop()

    @property
    def issuer(self) -> str:
        """What its tokens call it."""
        return f"{self.url}/realms/{self.realm.name}"

    @property
    def requests(self) -> deque[str]:
        """What it was asked last: method and path of each request."""
        return self._server.requests

    @property
    def asked(self) -> int:
        """How many requests there were."""
        return self._server.counters.requests

    def answer(self, request: Request) -> Answer:
        """What Keycloak says to a request."""
        _, _, path = request.path.partition("/realms/")
        realm, _, rest = path.rstrip("/").partition("/")
        if realm != self.realm.name:
            return Answer(404, {"error": "Realm does not exist"})
        served: dict[str, tuple[str, Callable[[Request], Answer]]] = {
            ".well-known/openid-configuration": ("GET", self._discovery),
            f"{_PROTOCOL}/certs": ("GET", self._certs),
            f"{_PROTOCOL}/token": ("POST", self._token),
        }
        method, handler = served.get(rest, ("", self._discovery))
        if not method:
            return Answer(404, {"error": "HTTP 404 Not Found"})
        return handler(request) if request.method == method else Answer(405, {"error": "HTTP 405"})

    def _discovery(self, _request: Request) -> Answer:
        issuer, endpoint = self.issuer, f"{self.issuer}/{_PROTOCOL}"
        return Answer(
            200,
            {
                "issuer": issuer,
                "authorization_endpoint": f"{endpoint}/auth",
                "token_endpoint": f"{endpoint}/token",
                "jwks_uri": f"{endpoint}/certs",
                "grant_types_supported": ["password", "client_credentials"],
                "response_types_supported": ["code"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            },
        )

    def _certs(self, _request: Request) -> Answer:
        return Answer(200, {"keys": self.realm.keys()}, {"Cache-Control": "no-cache"})

    def _token(self, request: Request) -> Answer:
        try:
            form = dict(parse_qsl(request.body.decode(), keep_blank_values=True))
            token = self._granted(form, self._client(form, request))
            self.changed()
        except UnicodeDecodeError:
            return _refusal(Refused("invalid_request", "The form cannot be read", 400))
        except Refused as problem:
            return _refusal(problem)
        answer = {
            "access_token": token,
            "expires_in": self.realm.token_seconds,
            "refresh_expires_in": 0,
            "token_type": "Bearer",
            "not-before-policy": 0,
            "scope": "profile email",
        }
        return Answer(200, answer, _NOT_KEPT)

    def _client(self, form: dict[str, str], request: Request) -> Client:
        """By HTTP Basic or by the form (RFC 6749 §2.3.1)."""
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "basic":
            return self.realm.client(form.get("client_id", ""), form.get("client_secret", ""))
        try:
            name, _, secret = base64.b64decode(given, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            raise Refused("invalid_client", "Invalid client or Invalid client credentials") from None
        return self.realm.client(unquote_plus(name), unquote_plus(secret))

    def _granted(self, form: dict[str, str], client: Client) -> str:
        match form.get("grant_type"):
            case "password":
                name, password = form.get("username", ""), form.get("password", "")
                return self.realm.by_password(client, name, password, self.issuer)
            case "client_credentials":
                return self.realm.by_client(client, self.issuer)
            case None:
                raise Refused("invalid_request", "Missing form parameter: grant_type", 400)
        raise Refused("unsupported_grant_type", "Unsupported grant_type", 400)


def _refusal(problem: Refused) -> Answer:
    document: dict[str, Any] = {"error": problem.error, "error_description": str(problem)}
    return Answer(problem.status, document, _NOT_KEPT)

"""The Identity API v3 on a real socket: decodes, asks the `Identity`, encodes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from cloudmanager.simulators.http import Answer, HttpServer, Request, failure
from cloudmanager.simulators.http_faults import HttpFaults
from cloudmanager.simulators.keystone import domain_config, shapes
from cloudmanager.simulators.keystone.identity import NotAuthenticated

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Iterable, Mapping

    from cloudmanager.simulators.keystone.identity import Identity
    from cloudmanager.simulators.keystone.people import Project, Token, User

_WHO = "The request you have made requires authentication."
_MALFORMED = (
    "Expecting to find valid JSON in request body. The server could not comply with the request since it "
    "is either malformed or otherwise incorrect. The client is assumed to be in error."
)
_CONFIG = ("domains", "*", "config")
_CONFIG_RULES = {"PUT": "create", "PATCH": "update", "DELETE": "delete"}
_VALIDATORS = {"admin", "service"}
"""Roles that may ask about others' tokens (identity:validate_token)."""


class Keystone:
    """A server for one `Identity`. `faults` may be replaced while it runs."""

    def __init__(self, identity: Identity) -> None:
        self.identity = identity
        self.faults = HttpFaults()
        self.url = ""
        self._server = HttpServer(self.answer, lambda: self.faults)

    async def start(self, host: str, port: int) -> int:
        """Listen, put itself into the catalogue, and answer the real port."""
        real = await self._server.start(host, port)
        self.url = f"http://{host}:{real}"
        self.identity.publish("keystone", "identity", f"{self.url}/v3/")
        return real

    async def stop(self) -> None:
        """Listen no more."""
        await self._server.stop()

    @property
    def requests(self) -> deque[str]:
        """What it was asked last: method and path of each request."""
        return self._server.requests

    @property
    def asked(self) -> int:
        """How many requests there were."""
        return self._server.counters.requests

    def answer(self, request: Request) -> Answer:
        """What Keystone says to a request."""
        path = request.path.rstrip("/")
        if path == "":
            versions = {"versions": {"values": [shapes.version(self.url)]}}
            return Answer(300, versions, {"Location": f"{self.url}/v3/"})
        if path == "/v3":
            return Answer(200, {"version": shapes.version(self.url)})
        try:
            if path == "/v3/auth/tokens":
                return self._tokens(request)
            return self._show(request, path.removeprefix("/v3/").split("/"))
        except NotAuthenticated:
            challenge = {"WWW-Authenticate": f'Keystone uri="{self.url}/v3"'}
            return Answer(401, failure(401, _WHO).document, challenge)

    # --- tokens ---------------------------------------------------------------------------------------------

    def _tokens(self, request: Request) -> Answer:
        if request.method == "POST":
            return self._issue(request)
        caller = self._caller(request)
        subject_id = request.headers.get("x-subject-token")
        if not subject_id:
            return failure(404, "No token in the request")
        allow_expired = request.query.get("allow_expired") in ("1", "true", "True")
        subject = self.identity.find(subject_id, allow_expired=allow_expired)
        if subject is None:
            return failure(404, "Could not recognize Fernet token")
        if subject is not caller and not _VALIDATORS & set(self.identity.roles_of(caller)):
            return _forbidden("identity:validate_token")
        if request.method == "DELETE":
            self.identity.revoke(subject)
            return Answer(204)
        return self._token_answer(200, subject, request.query)

    def _issue(self, request: Request) -> Answer:
        try:
            auth = request.json()["auth"]
            token = self._log_in(auth["identity"], auth.get("scope"))
        except (ValueError, LookupError, TypeError, AttributeError):
            return failure(400, _MALFORMED)
        return self._token_answer(201, token, request.query)

    def _log_in(self, asked: Any, scope: Any) -> Token:
        """The first method that is asked for counts; a scope that is not there is a failed login."""
        project = self._project(scope["project"]) if isinstance(scope, dict) else None
        match asked["methods"][0]:
            case "password":
                given = asked["password"]["user"]
                return self.identity.log_in(self._user(given), given["password"], project)
            case "application_credential":
                given = asked["application_credential"]
                return self.identity.log_in_program(
                    self.identity.credentials.get(given["id"]), given["secret"]
                )
            case "token":
                return self.identity.exchange(asked["token"]["id"], project)
        raise NotAuthenticated

    def _token_answer(self, status: int, token: Token, query: Mapping[str, str]) -> Answer:
        document = shapes.token(self.identity, token, with_catalog="nocatalog" not in query)
        return Answer(status, document, {"X-Subject-Token": token.id, "Vary": "X-Auth-Token"})

    def _user(self, given: dict[str, Any]) -> User | None:
        users = self.identity.users.values()
        return next((user for user in users if self._is_meant(user, given)), None)

    def _project(self, given: dict[str, Any]) -> Project:
        for project in self.identity.projects.values():
            if self._is_meant(project, given):
                return project
        raise NotAuthenticated

    def _is_meant(self, row: User | Project, given: dict[str, Any]) -> bool:
        """By id, or by name within a domain, which itself goes by id or name."""
        if "id" in given:
            return row.id == str(given["id"])
        domain = given["domain"]
        known = self.identity.domains[row.domain_id]
        is_there = domain.get("id") == known.id or domain.get("name") == known.name
        return is_there and row.name == str(given["name"])

    # --- lists ----------------------------------------------------------------------------------------------

    def _show(self, request: Request, path: list[str]) -> Answer:
        caller = self._caller(request)
        if len(path) == len(_CONFIG) and (path[0], path[2]) == (_CONFIG[0], _CONFIG[2]):
            return self._configure(request, caller, path[1])
        if request.method != "GET":
            return failure(405, "The method is not allowed for the requested URL.")
        return self._read(request, caller, path)

    def _read(self, request: Request, caller: Token, path: list[str]) -> Answer:
        if path == ["auth", "catalog"]:
            links = {"self": f"{self.url}/v3/auth/catalog"}
            return Answer(200, {"catalog": shapes.catalog(self.identity), "links": links})
        if path == ["auth", "projects"]:
            mine = [
                project for project in self.identity.projects.values() if caller.user_id in project.members
            ]
            return self._listed(request, "projects", [shapes.project(project) for project in mine])
        kind, *rest = path
        rows = self._rows(kind)
        if rows is None or len(rest) > 1:
            return failure(404, "The requested URL was not found on the server.")
        if "admin" not in self.identity.roles_of(caller):
            return _forbidden(
                f"identity:{'get' if rest else 'list'}_{kind.removesuffix('s') if rest else kind}"
            )
        return self._one(kind, rows, rest[0]) if rest else self._listed(request, kind, rows)

    def _configure(self, request: Request, caller: Token, domain_id: str) -> Answer:
        if "admin" not in self.identity.roles_of(caller):
            return _forbidden(f"identity:{_CONFIG_RULES.get(request.method, 'get')}_domain_config")
        return domain_config.answer(self.identity, request, domain_id)

    def _rows(self, kind: str) -> list[dict[str, Any]] | None:
        identity = self.identity
        match kind:
            case "users":
                return [shapes.user(user) for user in identity.users.values()]
            case "projects":
                return [shapes.project(project) for project in identity.projects.values()]
            case "domains":
                return [shapes.domain(domain) for domain in identity.domains.values()]
            case "roles":
                return [shapes.role(name, key) for name, key in identity.roles.items()]
        return None

    def _listed(self, request: Request, kind: str, rows: Iterable[dict[str, Any]]) -> Answer:
        wanted = request.query
        shown = [
            self._linked(kind, row)
            for row in rows
            if all(_text(row[name]) == value for name, value in wanted.items() if name in row)
        ]
        address = f"{self.url}{request.path}{'?' + urlencode(wanted) if wanted else ''}"
        return Answer(200, {kind: shown, "links": {"next": None, "self": address, "previous": None}})

    def _one(self, kind: str, rows: Iterable[dict[str, Any]], key: str) -> Answer:
        noun = kind.removesuffix("s")
        for row in rows:
            if row["id"] == key:
                return Answer(200, {noun: self._linked(kind, row)})
        return failure(404, f"Could not find {noun}: {key}.")

    def _linked(self, kind: str, row: dict[str, Any]) -> dict[str, Any]:
        return {**row, "links": {"self": f"{self.url}/v3/{kind}/{row['id']}"}}

    def _caller(self, request: Request) -> Token:
        token = self.identity.find(request.headers.get("x-auth-token"))
        if token is None:
            raise NotAuthenticated
        return token


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _forbidden(rule: str) -> Answer:
    return failure(403, f"You are not authorized to perform the requested action: {rule}.")

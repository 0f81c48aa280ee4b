"""The truth of a simulated realm: who may log in by which client, and the keys that sign.

Form and claims of tokens, and which keys are listed, are those of Keycloak 26.
"""

from __future__ import annotations

import secrets
import uuid
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from cloudmanager.simulators.keycloak.signing import ENCRYPTION, Key

if TYPE_CHECKING:
    from cloudmanager.simulators.clock import Clock

TOKEN_SECONDS = 300
"""Keycloak's own "access token lifespan"."""

_LISTED = 2
"""Keys that sign or have just signed: after a rotation the one before counts on, passive as Keycloak says."""


class Refused(Exception):
    """No token. `error` is the code of RFC 6749 §5.2; `status` is Keycloak's."""

    def __init__(self, error: str, description: str, status: int = 401) -> None:
        super().__init__(description)
        self.error = error
        self.status = status


@dataclass(slots=True)
class Person:
    """Somebody, or the service account of a client; `claims` are what mappers put into tokens."""

    name: str
    password: str = field(repr=False)
    claims: dict[str, Any] = field(default_factory=dict)
    roles: list[str] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    id: str = field(default_factory=lambda: str(uuid.uuid4()))


@dataclass(slots=True)
class Client:
    """A program that gets tokens. One without a secret is public: people log in with it."""

    id: str
    audience: str
    secret: str = field(default="", repr=False)
    account: Person | None = None


class Realm:
    """Everything that Keycloak knows. It changes by its methods alone."""

    def __init__(self, clock: Clock, name: str = "cloud") -> None:
        self.clock = clock
        self.name = name
        self.token_seconds = TOKEN_SECONDS
        self.people: dict[str, Person] = {}
        self.clients: dict[str, Client] = {}
        self._keys: list[Key] = []  # newest first
        self._encryption: Key | None = None

    # --- building -------------------------------------------------------------------------------------------

    def add_person(self, name: str, password: str, **more: Any) -> Person:
        """Let somebody log in."""
        self.people[name] = Person(name, password, **more)
        return self.people[name]

    def add_client(self, name: str, audience: str, *, secret: str = "", **account: Any) -> Client:
        """Let a program get tokens for `audience`; with a secret it is somebody itself, as `Person` says."""
        itself = Person(f"service-account-{name}", "", **account) if secret else None
        self.clients[name] = Client(name, audience, secret, itself)
        return self.clients[name]

    def rotate(self) -> str:
        """Sign with a new key from now on; answers its id."""
        self._keys = [Key.generate(), *self._signing()][:_LISTED]
        return self._keys[0].kid

    # --- asking ---------------------------------------------------------------------------------------------

    def keys(self) -> list[dict[str, Any]]:
        """The public side of all keys; that for encryption must not be taken for one that signs."""
        self._encryption = self._encryption or Key.generate(ENCRYPTION)
        return [key.public() for key in (self._encryption, *self._signing())]

    def by_password(self, client: Client, name: str, password: str, issuer: str) -> str:
        """A token for a person; raises `Refused`."""
        person = self.people.get(name)
        if person is None or not secrets.compare_digest(person.password.encode(), password.encode()):
            raise Refused("invalid_grant", "Invalid user credentials")
        return self._token(client, person, issuer)

    def by_client(self, client: Client, issuer: str) -> str:
        """A token for the program itself; raises `Refused`."""
        if client.account is None:
            raise Refused("unauthorized_client", "Public client not allowed to retrieve service account")
        return self._token(client, client.account, issuer)

    def client(self, name: str, secret: str) -> Client:
        """The client that proves who it is; raises `Refused`."""
        found = self.clients.get(name)
        if found is None or not secrets.compare_digest(found.secret.encode(), secret.encode()):
            raise Refused("invalid_client", "Invalid client or Invalid client credentials")
        return found

    def _signing(self) -> list[Key]:
        """Keys are made when they are first needed: it takes a while."""
        if not self._keys:
            self._keys = [Key.generate()]
        return self._keys

    def _token(self, client: Client, person: Person, issuer: str) -> str:
        now = int(self.clock.now())
        claims = {
            "exp": now + self.token_seconds,
            "iat": now,
            "jti": f"trrtcc:{uuid.uuid4()}",
            "iss": issuer,
            "aud": [client.audience, "account"],
            "sub": person.id,
            "typ": "Bearer",
            "azp": client.id,
            "acr": "1",
            "realm_access": {"roles": [*person.roles, f"default-roles-{self.name}"]},
            "scope": "profile email",
            "preferred_username": person.name,
            "groups": person.groups,
            **person.claims,
        }
        return self._signing()[0].sign(claims)

    # --- keeping --------------------------------------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        """Everything that a restart must find again, in values that JSON can hold."""
        return {
            "name": self.name,
            "token_seconds": self.token_seconds,
            "people": [asdict(person) for person in self.people.values()],
            "clients": [asdict(client) for client in self.clients.values()],
            "keys": [asdict(key) for key in self._keys],
            "encryption": asdict(self._encryption) if self._encryption else None,
        }

    @classmethod
    def from_dict(cls, kept: dict[str, Any], clock: Clock) -> Realm:
        """Build what `to_dict` described."""
        realm = cls(clock, kept["name"])
        realm.token_seconds = kept["token_seconds"]
        realm.people = {row["name"]: Person(**row) for row in kept["people"]}
        for row in kept["clients"]:
            account = Person(**row["account"]) if row["account"] else None
            realm.clients[row["id"]] = Client(**{**row, "account": account})
        realm._keys = [Key(**row) for row in kept["keys"]]
        realm._encryption = Key(**kept["encryption"]) if kept["encryption"] else None
        return realm

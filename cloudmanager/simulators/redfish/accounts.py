"""The accounts of a Redfish service (schemas `AccountService` and `ManagerAccount` of DSP8010)."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, NamedTuple

from cloudmanager.simulators.http import Answer
from cloudmanager.simulators.redfish.messages import BAD_BODY, BASE, document, problem

if TYPE_CHECKING:
    from cloudmanager.simulators.world import Device, World

SHORTEST, LONGEST = 8, 20  # what many services have, since they share the accounts with IPMI


class Options(NamedTuple):
    """Ways of makers, each under its name in the memory of the device."""

    wants_etag: bool = False  # a change without If-Match is refused
    weak_etags: bool = False  # W/ before a tag, which is taken without it only
    must_change: bool = False  # DSP0266 §13.3.7.1: the password must be changed before anything else
    refuses_passwords: bool = False  # as one with rules of its own does; it quotes what it refuses
    may_not_change: bool = False  # the account has no privilege to change itself
    changed: list[int] = []  # noqa: RUF012 - never changed; who has changed the password that must be


class Accounts:
    """Shows the accounts of a device under `path`, and changes their passwords."""

    def __init__(self, world: World, device: Device, path: str) -> None:
        self._world = world
        self._device = device
        self._path = path

    def service(self) -> Answer:
        """The account service itself."""
        return document(
            {
                "@odata.id": self._path,
                "@odata.type": "#AccountService.v1_15_0.AccountService",
                "Id": "AccountService",
                "Name": "Account Service",
                "MinPasswordLength": SHORTEST,
                "MaxPasswordLength": LONGEST,
                "Accounts": {"@odata.id": f"{self._path}/Accounts"},
            }
        )

    def numbers(self) -> list[str]:
        """The ids of all accounts."""
        return [str(number) for number in self._device.accounts]

    def show(self, number: str) -> Answer:
        """One account; the password is null, always."""
        if number not in self.numbers():
            return problem(404)
        resource = self._resource(number)
        return document(resource, headers={"ETag": resource["@odata.etag"]})

    def change(self, number: str, content: dict[str, Any] | None, match: str | None) -> Answer:
        """Set the password of an account."""
        options = self._options()
        if number not in self.numbers() or options.may_not_change:
            return problem(403 if options.may_not_change else 404)
        if match is None and options.wants_etag:
            return problem(428)
        if match not in (None, "*", self._resource(number)["@odata.etag"].removeprefix("W/")):
            return problem(412)
        password = (content or {}).get("Password")
        if not isinstance(password, str):
            return problem(400, BAD_BODY)
        if options.refuses_passwords or not SHORTEST <= len(password) <= LONGEST:
            quoted = f"The value '{password}' for the property Password is of a different format."
            return problem(400, (f"{BASE}.PropertyValueFormatError", quoted))
        self._world.set_password(self._device.name, int(number), password)
        self._world.remember(self._device.name, "changed", [*options.changed, int(number)])
        return Answer(204)

    def demand(self, user: str, method: str, path: str) -> Answer | None:
        """What an account is told that must change its password, whatever it asks for but that."""
        number = next((key for key, each in self._device.accounts.items() if each.name == user), None)
        options = self._options()
        own = f"{self._path}/Accounts/{number}"
        if not options.must_change or number in options.changed or (path == own and method in "GET PATCH"):
            return None
        text = f"The password must be changed at {own}."
        return problem(403, (f"{BASE}.PasswordChangeRequired", text), arguments=[own])

    def _options(self) -> Options:
        memory = self._device.memory
        return Options(**{key: memory[key] for key in Options._fields if key in memory})

    def _resource(self, number: str) -> dict[str, Any]:
        account = self._device.accounts[int(number)]
        digest = hashlib.sha256(f"{account.name} {account.enabled} {account.password}".encode()).hexdigest()
        weak = "W/" if self._options().weak_etags else ""
        return {
            "@odata.id": f"{self._path}/Accounts/{number}",
            "@odata.type": "#ManagerAccount.v1_12_0.ManagerAccount",
            "@odata.etag": f'{weak}"{digest[:16]}"',
            "Id": number,
            "Name": "User Account",
            "UserName": account.name,
            "Password": None,
            "Enabled": account.enabled,
            "RoleId": "Administrator",
        }

"""The account that we log in with, among those of the service (`AccountService`, `ManagerAccount`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cloudmanager.errors import DeviceRefused, Unsupported

from .problems import account_to_change, document_of
from .systems import link, member_paths

if TYPE_CHECKING:
    from .service import Service

_OK: Final = range(200, 300)


@dataclass(frozen=True, slots=True)
class OwnAccount:
    """Where our password can be changed, and how long it must and may be (0: not told)."""

    path: str
    etag: str
    shortest: int = 0
    longest: int = 0

    def why_not(self, password: str) -> str | None:
        """What the service has against the length of a password."""
        if self.shortest and len(password) < self.shortest:
            return f"wants a password of at least {self.shortest} characters"
        if self.longest and len(password) > self.longest:
            return f"wants a password of at most {self.longest} characters"
        return None


async def own_account(service: Service, title: str, login: str, deadline: float) -> OwnAccount:
    """Find the account with our login; where nothing else is allowed before, as the service names it."""
    path = link(await service.root(deadline), "AccountService")
    if not path:
        raise Unsupported(f"{title} has no accounts that could be changed: its service root names none")
    answer = await service.ask("GET", path, deadline)
    if answer.status not in _OK:
        if named := account_to_change(answer):
            return OwnAccount(named, "")
        raise service.problem(answer)
    accounts = document_of(title, answer)
    collection = link(accounts, "Accounts")
    for member in member_paths((await service.get(collection, deadline))[0]) if collection else []:
        resource, etag = await service.get(member, deadline)
        if resource.get("UserName") == login:
            tag = etag or resource.get("@odata.etag")
            limits = (_count(accounts.get(f"{which}PasswordLength")) for which in ("Min", "Max"))
            return OwnAccount(member, tag if isinstance(tag, str) else "", *limits)
    raise DeviceRefused(f"{title} does not show the account {login!r}: it may be one of a directory server")


def _count(value: object) -> int:
    return value if isinstance(value, int) and value > 0 else 0

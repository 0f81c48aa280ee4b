"""Devices whose passwords can be changed, behind the power port: they count who tried a wrong one."""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlalchemy import select

from cloudmanager.errors import CredentialsRefused, DeviceRefused, DeviceUnreachable
from cloudmanager.models import PowerControl
from cloudmanager.power import Password
from tests.flows.world import FakePower


@dataclass
class Account:
    """What a device knows, and its ways: `sealed` passwords stand for what is in them."""

    password: str
    wrong: int = 0
    told: list[str] = field(default_factory=list)
    dead: bool = False
    refuses: bool = False
    forgets: bool = False
    """Accepts a password and keeps the old one."""
    mangles: bool = False
    """Accepts a password and keeps another one."""
    slow: int = 0
    """Log-ins until a new password is in force."""
    hangs_up: bool = False
    """Obeys, and says that nobody is logged in."""


class PasswordPower(FakePower):
    """The power port, also for passwords."""

    def __init__(self, clock, line, database):
        super().__init__(clock, line)
        self.database = database
        self.accounts: dict[int, Account] = {}

    async def accepts(self, control_id, which):
        row, account = self._row(control_id), self.accounts[control_id]

        def log_in():
            self._reach(account)
            tried = row.sealed_pending_password if which is Password.PENDING else row.sealed_password
            if tried is account.password or tried == account.password:
                if account.slow and len(account.told) and which is Password.PENDING:
                    account.slow -= 1
                    return False
                return True
            account.wrong += 1
            return False

        return self.line.call(f"control {control_id}", log_in)

    async def set_password(self, control_id):
        row, account = self._row(control_id), self.accounts[control_id]

        def tell():
            self._reach(account)
            if row.sealed_password != account.password:
                account.wrong += 1
                raise CredentialsRefused("the device refused the credentials")
            if account.refuses:
                raise DeviceRefused("the device refuses this password")
            account.told.append(row.sealed_pending_password)
            if not account.forgets:
                account.password = "mangled" if account.mangles else row.sealed_pending_password
            if account.hangs_up:
                raise CredentialsRefused("the device refused the credentials")

        self.line.call(f"control {control_id}", tell)

    def _reach(self, account):
        if account.dead:
            raise DeviceUnreachable("the device does not answer")

    def _row(self, control_id):
        with self.database.reading() as session:
            row = session.execute(select(PowerControl).where(PowerControl.id == control_id)).scalar_one()
            assert row.sealed_pending_password is not None, "nothing is pending"
            return row

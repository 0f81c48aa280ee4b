"""The Power port: a driver is made from what is stored, and made anew when that changes."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from sqlalchemy import update

from cloudmanager import drivers
from cloudmanager.config import load
from cloudmanager.drivers.base import Action, Driver, PowerState, Settings
from cloudmanager.errors import InvalidInput, NotFound
from cloudmanager.models import PowerControl
from cloudmanager.power import Outlet, Power
from cloudmanager.vault import Vault, create_key_file


@dataclass(frozen=True, kw_only=True)
class BoardSettings(Settings):
    speed: int = field(default=5, metadata={"help": "How fast it is.", "minimum": 1, "maximum": 9})


class Board(Driver):
    control_type, protocol_type, default_port, coils_count = "Board", "test", 1, 2
    actions = frozenset(Action)
    settings_type = BoardSettings
    opened: list[Board] = []  # noqa: RUF012
    closed: list[Board] = []  # noqa: RUF012

    def __init__(self, settings):
        super().__init__(settings)
        self.opened.append(self)

    async def _read_states(self, outlets):
        return dict.fromkeys(outlets, PowerState.ON)

    async def _apply(self, outlet, action):
        raise NotImplementedError

    async def _close(self):
        self.closed.append(self)


@pytest.fixture
def board(monkeypatch):
    monkeypatch.setattr(drivers, "DRIVERS", (Board,))
    monkeypatch.setattr(Board, "opened", [])
    monkeypatch.setattr(Board, "closed", [])
    return Board


@pytest.fixture
def vault(tmp_path):
    create_key_file(tmp_path / "secret.key")
    return Vault(tmp_path / "secret.key")


@pytest.fixture
async def power(database, vault, board):
    power = Power(database, vault, load())
    yield power
    await power.close()


@pytest.fixture
def outlet(database, vault):
    values = {
        "title": "board",
        "control_type": "Board",
        "protocol_type": "test",
        "host": "h",
        "port_number": 7,
    }
    control = PowerControl(
        **values, coils_count=2, login="me", sealed_password=vault.seal("pass"), options={"speed": 8}
    )
    with database.transaction() as session:
        session.add(control)
        session.flush()
        return Outlet(control.id, "2", "board")


def change(database, **values):
    with database.transaction() as session:
        session.execute(update(PowerControl).values(**values))


async def test_a_driver_is_made_from_what_is_stored(power, outlet, board):
    assert await power.read(outlet) is PowerState.ON
    [opened] = board.opened
    limits = load().power
    assert opened.settings == BoardSettings(
        host="h", port=7, login="me", password="pass", speed=8,
        timeout=limits.device_timeout, min_interval=limits.min_interval,
        log_ons=limits.log_ons,
    )  # fmt: skip


async def test_changed_options_make_it_anew_and_the_same_do_not(power, outlet, board, database):
    await power.read(outlet)
    change(database, title="of no account", options={"speed": 8})
    await power.read(outlet)
    assert (len(board.opened), board.closed) == (1, [])
    change(database, options={})
    await power.read(outlet)
    assert [each.settings.speed for each in board.opened] == [8, 5]
    await power.close()
    assert sorted(map(id, board.closed)) == sorted(map(id, board.opened))


async def test_options_that_the_type_has_not_are_said(power, outlet, board, database):
    change(database, options={"colour": "red"})
    with pytest.raises(InvalidInput, match="Board has no option 'colour'; it has speed"):
        await power.read(outlet)
    assert board.opened == []


async def test_a_control_that_is_gone_is_said(power, outlet):
    with pytest.raises(NotFound, match="power control 77 is gone"):
        await power.read(Outlet(77, "1"))

"""`rotate-password`: whatever happens, we can log in afterwards, and nobody tries wrong passwords for long."""

from __future__ import annotations

import shutil

import pytest

from cloudmanager.db import Database
from cloudmanager.flows import cancel, store
from cloudmanager.flows.rotate_password import NEITHER, subject_of
from cloudmanager.models import PowerControl

from .conftest import Cloud
from .fake_passwords import Account, PasswordPower
from .world import WorkerDied

OLD, NEW = "sealed old", "sealed new"
MOST_WRONG = 3
"""Wrong log-ins in a row for which hardly any device locks an account."""


class Site(Cloud):
    """One control, whose new password is stored as the API stores it."""

    def __init__(self, database, monkeypatch, **account):
        super().__init__(database, monkeypatch)
        self.power = PasswordPower(self.clock, self.line, database)
        self.add_node({})
        self.power.accounts[1] = self.device = Account(**{"password": OLD, **account})
        self.store(sealed_password=OLD, sealed_pending_password=NEW)

    def store(self, **values):
        with self.database.transaction() as session:
            control = session.get(PowerControl, 1)
            for name, value in values.items():
                setattr(control, name, value)

    @property
    def stored(self):
        with self.database.reading() as session:
            control = session.get(PowerControl, 1)
            return control.sealed_password, control.sealed_pending_password

    def begin(self, **params):
        return self.start_flow("rotate-password", subject_of(1), control_id=1, **params)

    async def rotate(self, **params):
        flow_id = self.begin(**params)
        await self.sweep_until_quiet()
        return self.flow(flow_id)

    def said(self, flow):
        return [event.message for event in self.events(flow.id)]


@pytest.fixture
def site(database, monkeypatch):
    return Site(database, monkeypatch)


async def test_the_new_password_is_the_one_afterwards(site):
    flow = await site.rotate()
    assert flow.status == "SUCCESS"
    assert site.device.password == NEW
    assert site.device.wrong == 0
    assert site.stored == (NEW, None)
    assert site.said(flow) == [
        "the device accepts the current password",
        "the device took the new password",
        "logged in with the new password; it is stored as the current one",
    ]


async def test_a_stored_password_that_is_wrong_touches_nothing(site):
    site.device.password = "of others"
    flow = await site.rotate()
    assert flow.status == "FAILURE"
    assert "does not accept the password that is stored" in flow.error
    assert site.device.told == []
    assert site.stored == (OLD, None)
    assert site.device.wrong == 1


async def test_a_device_that_refuses_the_new_one(site):
    site.device.refuses = True
    flow = await site.rotate()
    assert flow.status == "FAILURE"
    assert flow.error == "the device refuses this password"
    assert site.stored == (OLD, None)
    assert site.device.wrong == 0


async def test_a_device_that_takes_it_and_forgets_it(site):
    site.device.forgets = True
    flow = await site.rotate()
    assert flow.status == "FAILURE"
    assert "does not log in with it" in flow.error
    assert site.stored == (OLD, None)
    assert site.device.wrong <= MOST_WRONG


async def test_a_device_that_needs_a_moment(site):
    site.device.slow = 2
    flow = await site.rotate()
    assert flow.status == "SUCCESS"
    assert site.stored == (NEW, None)


async def test_a_device_that_obeys_and_hangs_up(site):
    site.device.hangs_up = True
    flow = await site.rotate()
    assert flow.status == "SUCCESS"
    assert site.stored == (NEW, None)
    assert site.device.wrong == 0


async def test_neither_works(site):
    site.device.mangles = True
    flow = await site.rotate()
    assert flow.status == "FAILURE"
    assert NEITHER in flow.error
    assert site.stored == (OLD, NEW)


async def test_a_dead_device_is_told_nothing(site):
    site.device.dead = True
    flow = await site.rotate()
    assert flow.status == "FAILURE"
    assert "does not answer" in flow.error
    assert site.stored == (OLD, None)


async def test_a_device_that_dies_when_it_has_been_told(site):
    """Nobody knows what it has got: both are kept, and the next rotation finds out."""
    tell = site.power.set_password

    async def tell_and_die(control_id):
        await tell(control_id)
        site.device.dead = True

    site.power.set_password = tell_and_die
    flow = await site.rotate()
    assert flow.status == "FAILURE"
    assert "both passwords are kept" in flow.error
    assert site.stored == (OLD, NEW)
    site.device.dead = False
    again = await site.rotate(resumes=True)
    assert again.status == "SUCCESS"
    assert site.stored == (NEW, None)
    assert site.device.wrong == 1


async def test_a_device_that_comes_back_in_time(site):
    tell = site.power.set_password

    async def tell_and_die(control_id):
        await tell(control_id)
        site.device.dead = True
        site.power.set_password = tell

    site.power.set_password = tell_and_die
    flow_id = site.begin()
    async with site._time_passes():
        await site._advance([flow_id])
        for _ in range(8):
            await site.clock.sleep(2)
        site.device.dead = False
    await site.sweep_until_quiet()
    assert site.flow(flow_id).status == "FAILURE"
    assert site.stored == (NEW, None), "the device has it, so it is the one that is stored"


@pytest.mark.parametrize(("has", "wrong"), [(OLD, 0), (NEW, 1)])
async def test_a_rotation_that_was_left_is_finished(site, has, wrong):
    site.device.password = has
    flow = await site.rotate(resumes=True)
    assert flow.status == "SUCCESS"
    assert site.device.password == NEW
    assert site.stored == (NEW, None)
    assert site.device.told == ([NEW] if has == OLD else [])
    assert site.device.wrong == wrong


async def test_a_rotation_that_was_left_with_neither(site):
    site.device.password = "of others"
    flow = await site.rotate(resumes=True)
    assert flow.status == "FAILURE"
    assert flow.error == NEITHER
    assert site.stored == (OLD, NEW)
    assert site.device.wrong == 2


async def test_cancelled_before_it_began(site):
    flow_id = site.begin()
    with site.database.transaction() as session:
        cancel(session, flow_id)
    await site.sweep_until_quiet()
    assert site.flow(flow_id).status == "REVOKED"
    assert site.stored == (OLD, None)
    assert site.device.told == []
    assert site.line.calls == 0


async def test_cancelled_when_it_had_looked(site):
    flow_id = site.begin()
    site.line.die_before = 2
    assert not await site.advance(flow_id)
    with site.database.transaction() as session:
        cancel(session, flow_id)
    await site.sweep_until_quiet()
    flow = site.flow(flow_id)
    assert flow.status == "SUCCESS", "the worker may have told the device: it is brought to its end"
    assert site.stored == (NEW, None)


async def test_a_second_rotation_is_refused_while_one_is_open(site):
    from cloudmanager.errors import Busy

    flow_id = site.begin()
    with pytest.raises(Busy, match=flow_id):
        site.begin()


CASES = {
    "usual": {},
    "slow": {"slow": 1},
    "refuses": {"refuses": True},
    "forgets": {"forgets": True},
    "hangs up": {"hangs_up": True},
}
ENDS_WELL = {"usual", "slow", "hangs up"}


def check(site, flow, name):
    """We can log in with what is stored, nothing is left over, and no secret is in the flow."""
    assert site.stored == (site.device.password, None)
    assert flow.status == ("SUCCESS" if name in ENDS_WELL else "FAILURE")
    assert site.device.password == (NEW if name in ENDS_WELL else OLD)
    written = [flow.params, flow.memo, flow.result, flow.message, flow.error, site.said(flow)]
    assert OLD not in repr(written)
    assert NEW not in repr(written)


@pytest.fixture
def sites(empty_database_file, tmp_path, monkeypatch):
    """As many fresh ones as a sweep wants."""
    opened = []

    def another(name):
        path = tmp_path / f"{len(opened)}.db"
        shutil.copy(empty_database_file, path)
        opened.append(Database(f"sqlite:///{path}", sqlite_synchronous="NORMAL"))
        return Site(opened[-1], monkeypatch, **CASES[name])

    yield another
    for database in opened:
        database.close()


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("moment", ["die_after", "die_before", "lose_answer_of"])
async def test_death_at_every_call(name, moment, sites):
    undisturbed = sites(name)
    check(undisturbed, await undisturbed.rotate(), name)
    assert undisturbed.line.calls >= 3
    for call in range(1, undisturbed.line.calls + 1):
        site = sites(name)
        setattr(site.line, moment, call)
        check(site, await site.rotate(), name)
        assert site.device.wrong <= undisturbed.device.wrong + 1, "a death costs one wrong log-in at most"


@pytest.mark.parametrize("name", CASES)
async def test_death_at_every_save(name, sites, monkeypatch):
    real, count, die_at = store.save_all, [0], [None]

    def dying(database, saves):
        count[0] += 1
        if die_at[0] == (count[0], "before"):
            raise WorkerDied
        answer = real(database, saves)
        if die_at[0] == (count[0], "after"):
            raise WorkerDied
        return answer

    monkeypatch.setattr(store, "save_all", dying)
    await sites(name).rotate()
    saves = count[0]
    assert saves > 2
    for number in range(1, saves + 1):
        for moment in ("before", "after"):
            count[0], die_at[0] = 0, (number, moment)
            site = sites(name)
            check(site, await site.rotate(), name)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("moment", ["die_after", "die_before"])
async def test_death_at_every_call_of_many(name, moment, sites):
    """Below a flow for the whole fleet it is the same."""

    async def rotate_all(site):
        flow_id = site.start_flow("rotate-passwords", None, control_ids=[1], resumes=[])
        await site.sweep_until_quiet()
        (child,) = site.rows_of("rotate-password")
        return site.flow(flow_id), child

    undisturbed = sites(name)
    parent, child = await rotate_all(undisturbed)
    check(undisturbed, child, name)
    assert parent.status == child.status
    assert parent.result == {
        "success": [1] if name in ENDS_WELL else [],
        "failed": [] if name in ENDS_WELL else [1],
    }
    for call in range(1, undisturbed.line.calls + 1):
        site = sites(name)
        setattr(site.line, moment, call)
        parent, child = await rotate_all(site)
        check(site, child, name)
        assert parent.status == child.status


async def test_one_of_many_that_is_held_fails_alone(site):
    holder = site.begin()
    flow_id = site.start_flow("rotate-passwords", None, control_ids=[1], resumes=[])
    assert await site.advance(flow_id)
    flow = site.flow(flow_id)
    assert flow.status == "FAILURE"
    assert flow.result == {"success": [], "failed": [1]}
    assert any(holder in (message or "") for message in site.said(flow))


@pytest.mark.parametrize("name", ["usual", "refuses"])
async def test_two_deaths(name, sites):
    """The second worker dies as well, wherever it has got to."""
    for first in range(1, 5):
        for second in range(first + 1, first + 5):
            site = sites(name)
            site.line.die_after = first
            flow_id = site.begin()
            assert not await site.advance(flow_id) or site.flow(flow_id).ended_at
            site.line.die_after = second
            await site.sweep_until_quiet()
            check(site, site.flow(flow_id), name)
            assert site.device.wrong <= MOST_WRONG

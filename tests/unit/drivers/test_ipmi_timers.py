from __future__ import annotations

import asyncio
from math import inf

import pytest

from cloudmanager.drivers.ipmi.timers import Timers


@pytest.fixture
async def fired():
    return []


@pytest.fixture
async def timers(fired):
    loop = asyncio.get_running_loop()
    timers = Timers(loop, lambda key: fired.append((key, loop.time())))
    yield timers
    timers.stop()
    assert timers._handle is None


def at(seconds):
    return asyncio.get_running_loop().time() + seconds


async def test_fires_in_order_and_never_early(timers, fired):
    due = {"b": at(0.1), "a": at(0.04), "c": at(0.2)}
    for key, when in due.items():
        timers.set(key, when)
    await asyncio.sleep(0.3)
    assert [key for key, _ in fired] == ["a", "b", "c"]
    for key, when in fired:
        assert 0 <= when - due[key] < 0.06
    assert len(timers) == 0


async def test_moving_and_clearing(timers, fired):
    timers.set("later", at(0.03))
    timers.set("later", at(0.15))
    timers.set("earlier", at(10))
    timers.set("earlier", at(0.05))
    timers.set("never", at(0.03))
    timers.set("never", inf)
    timers.set("never", inf)
    await asyncio.sleep(0.1)
    assert [key for key, _ in fired] == ["earlier"]
    await asyncio.sleep(0.12)
    assert [key for key, _ in fired] == ["earlier", "later"]


async def test_what_is_past_fires_soon(timers, fired):
    timers.set("past", at(-5))
    await asyncio.sleep(0.05)
    assert [key for key, _ in fired] == ["past"]


async def test_setting_again_while_firing(fired):
    loop = asyncio.get_running_loop()
    timers = Timers(
        loop, lambda key: (fired.append(key), len(fired) < 4 and timers.set(key, loop.time() + 0.01))
    )
    timers.set("x", at(0))
    await asyncio.sleep(0.3)
    assert fired == ["x"] * 4


async def test_a_year_of_moving_leaves_nothing(timers):
    for turn in range(10_000):
        timers.set(turn % 7, at(0.25 if turn % 2 else 20))
    assert len(timers) == 7
    assert len(timers._order) == len(timers._spokes) < 10


async def test_one_handle_of_the_loop_for_all(timers):
    loop = asyncio.get_running_loop()
    before = len(loop._scheduled)
    for key in range(1000):
        timers.set(key, at(1 + key % 3))
    assert len(loop._scheduled) - before <= 3


async def test_a_key_that_fails_does_not_stop_the_others():
    loop = asyncio.get_running_loop()
    failures, fired = [], []
    loop.set_exception_handler(lambda _, context: failures.append(context["exception"]))

    def fire(key):
        if key == "bad":
            raise RuntimeError(key)
        fired.append(key)

    timers = Timers(loop, fire)
    for key in ("a", "bad", "b"):
        timers.set(key, at(0.01))
    await asyncio.sleep(0.1)
    assert sorted(fired) == ["a", "b"]
    assert len(failures) == 1

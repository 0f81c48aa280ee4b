"""Questions that are shared, and answers that grow old."""

import asyncio

import pytest

from cloudmanager.openstack.shared import Shared


class Source:
    def __init__(self):
        self.asked = 0
        self.open = asyncio.Event()
        self.open.set()
        self.broken = False

    async def __call__(self):
        self.asked += 1
        number = self.asked
        await self.open.wait()
        if self.broken:
            raise OSError("broken")
        return number


@pytest.fixture
async def source():
    return Source()


async def test_those_who_ask_at_the_same_time_share_a_request(source):
    shared = Shared()
    assert await asyncio.gather(*(shared.ask("a", source) for _ in range(5))) == [1] * 5
    assert await shared.ask("a", source) == 2


async def test_a_young_answer_is_good_enough_for_who_says_so(source):
    shared = Shared()
    assert await shared.ask("a", source) == 1
    assert await shared.ask("a", source, max_age=60) == 1
    assert await shared.ask("b", source, max_age=60) == 2
    await asyncio.sleep(0.02)
    assert await shared.ask("a", source, max_age=0.01) == 3


async def test_who_wants_to_know_what_is_now_does_not_take_a_request_that_was_sent_before(source):
    shared = Shared()
    source.open.clear()
    first = asyncio.create_task(shared.ask("a", source))
    await asyncio.sleep(0.01)
    later = asyncio.create_task(shared.ask("a", source))
    patient = asyncio.create_task(shared.ask("a", source, max_age=60))
    await asyncio.sleep(0.01)
    source.open.set()
    assert await asyncio.gather(first, later, patient) == [1, 2, 2]


async def test_a_failure_is_told_to_all_and_forgotten(source):
    shared = Shared()
    source.broken = True
    told = await asyncio.gather(*(shared.ask("a", source) for _ in range(3)), return_exceptions=True)
    assert [type(one) for one in told] == [OSError] * 3
    assert source.asked == 1
    source.broken = False
    assert await shared.ask("a", source, max_age=60) == 2


async def test_one_who_gives_up_takes_the_answer_from_nobody(source):
    shared = Shared()
    source.open.clear()
    gives_up, waits = (asyncio.create_task(shared.ask("a", source)) for _ in range(2))
    await asyncio.sleep(0.01)
    gives_up.cancel()
    await asyncio.sleep(0)
    source.open.set()
    assert await waits == 1

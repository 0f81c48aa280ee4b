"""When which device is asked, shown with drivers that answer when told to."""

from __future__ import annotations

import asyncio

import pytest

from cloudmanager.drivers.base import PowerState
from cloudmanager.errors import DeviceUnreachable
from cloudmanager.monitor.poller import Pace, Poller
from cloudmanager.monitor.roll import Plugged, Watched

ON = {"1": PowerState.ON}
SILENCE = DeviceUnreachable("no answer")


class Line:
    """The devices of a test: what each answers, and what was asked of it when."""

    def __init__(self):
        self.time = 1000.0
        self.answers = {}
        self.asked = []
        self.held = []
        self.closed = []
        self.looks = []
        self.poller = Poller(self.pace(), self.open, self.looks.append, lambda: self.time)

    @staticmethod
    def pace(**changed):
        return Pace(**({"interval": 10.0, "longest_interval": 80.0, "misses": 3, "at_once": 100} | changed))

    def open(self, device):
        return Device(self, device)

    async def pass_time(self, seconds, step=0.5):
        """Let the poller run while the clock goes on."""
        task = asyncio.create_task(self.poller.run())
        for _ in range(int(seconds / step)):
            self.time += step
            self.poller._woken.set()
            for _ in range(5):
                await asyncio.sleep(0)
        task.cancel()

    def times(self, key):
        return [time for asked, time in self.asked if asked == key]


class Device:
    def __init__(self, line, device):
        self.line, self.device = line, device

    def poll(self, ports, on_read):
        self.line.asked.append((self.device.id, self.line.time))
        answer = self.line.answers.get(self.device.id, ON)
        if answer is None:
            self.line.held.append(on_read)
        else:
            asyncio.get_running_loop().call_soon(on_read, answer)

    async def close(self):
        self.line.closed.append(self.device.id)


def device(key, host="h", options=None):
    plugged = (Plugged("1", key, is_default=True, state=None),)
    return Watched(key, f"bmc{key}", "T", host, 623, "u", None, None, options or {}, plugged)


@pytest.fixture
def line():
    return Line()


async def test_each_device_is_asked_once_per_interval(line):
    line.poller.follow([device(1), device(2)])
    await line.pass_time(60)
    for key in (1, 2):
        assert 5 <= len(line.times(key)) <= 7
    assert all(look.states == ON for look in line.looks)


async def test_a_silent_device_is_asked_more_and_more_seldom(line):
    line.answers[1] = SILENCE
    line.poller.follow([device(1)])
    await line.pass_time(400)
    pauses = [later - earlier for earlier, later in zip(line.times(1), line.times(1)[1:], strict=False)]
    for pause, expected in zip(pauses, [10, 10, 20, 40, 80], strict=False):
        assert pause == pytest.approx(expected, rel=0.1)
    assert [look.misses for look in line.looks[:3]] == [1, 2, 3]
    line.answers[1] = ON
    await line.pass_time(120)
    assert line.looks[-1].misses == 0


async def test_a_device_that_keeps_us_waiting_holds_nobody_up(line):
    line.answers[1] = None
    line.poller.follow([device(1), device(2)])
    await line.pass_time(60)
    assert len(line.times(1)) == 1, "asked again while it was being asked"
    assert len(line.times(2)) >= 5


async def test_no_more_than_at_once_are_asked(line):
    line.poller = Poller(line.pace(at_once=3), line.open, line.looks.append, lambda: line.time)
    line.answers = dict.fromkeys(range(1, 10), None)
    line.poller.follow([device(key) for key in range(1, 10)])
    await line.pass_time(5)
    assert len(line.asked) == 3
    line.held.pop()(ON)
    await line.pass_time(2)
    assert len(line.asked) == 4


@pytest.mark.parametrize("changed", [{"host": "elsewhere"}, {"options": {"unit_id": 2}}], ids=str)
async def test_a_changed_connection_is_begun_anew_and_what_is_gone_is_left(line, changed):
    line.poller.follow([device(1), device(2)])
    await line.pass_time(5)
    line.poller.follow([device(1, **changed)])
    await line.pass_time(2)
    assert sorted(line.closed) == [1, 2]
    asked = len(line.times(2))
    await line.pass_time(30)
    assert len(line.times(2)) == asked
    assert len(line.times(1)) >= 3
    await line.poller.close()
    assert sorted(line.closed) == [1, 1, 2]


async def test_the_answer_of_a_device_that_was_left_is_not_told(line):
    line.answers[1] = None
    line.poller.follow([device(1)])
    await line.pass_time(2)
    line.poller.follow([])
    line.held[0](ON)
    assert line.looks == []

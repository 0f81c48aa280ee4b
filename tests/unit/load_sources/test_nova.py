"""Load from Nova's diagnostics: rates of two readings; what cannot be had is said and never zero."""

from __future__ import annotations

import asyncio

import pytest

from cloudmanager.drs.cluster import Resource
from cloudmanager.errors import CloudRefused, CloudUnreachable, NotFound
from cloudmanager.load_sources.nova import UNSAID, NovaSource
from cloudmanager.openstack.records import Diagnostics, Flavor, Server

CPU, RAM, NETWORK = Resource.CPU, Resource.RAM, Resource.NETWORK


def server(name, host="h1", *, vm_state="active", ram=2048):
    return Server(name, name, "ACTIVE", vm_state, None, host, flavor=Flavor("m1", 2, ram, 0))


class Counting:
    """A cloud whose answers a test makes: {server: what it says at a time}. Time passes by sleeping alone."""

    def __init__(self, **answers):
        self.answers, self.now, self.asked, self.at_once, self.most = answers, 100.0, [], 0, 0

    async def sleep(self, seconds):
        """All sleep side by side, and wake at the same moment."""
        wake = self.now + seconds
        await asyncio.sleep(0)
        self.now = wake

    async def diagnostics(self, server_id):
        self.asked.append(server_id)
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        await asyncio.sleep(0)
        self.at_once -= 1
        answer = self.answers[server_id]
        if isinstance(answer, Exception):
            raise answer
        return answer(self.now)

    async def measure(self, *servers, requests=8, time_limit=60.0):
        how = {"interval": 10.0, "requests": requests, "time_limit": time_limit, "sleep": self.sleep}
        return await NovaSource(self, **how).measure(["h1"], servers)


def counted(*, cpu=0.0, received=0, sent=0, memory=None, used=None):
    """Counters that grow by so much each second."""
    return lambda now: Diagnostics(now, cpu * now, int(received * now), int(sent * now), memory, used)


async def test_rates_are_cores_and_megabits_of_both_directions():
    cloud = Counting(a=counted(cpu=1.5, received=1_000_000, sent=250_000))
    found = await cloud.measure(server("a"))
    assert found.servers == {"a": {CPU: pytest.approx(1.5), NETWORK: pytest.approx(10.0)}}
    assert found.hosts == {}
    assert found.notes == (
        "the ram load of 1 servers is not known: their hypervisor does not tell it (a)",
        UNSAID,
    )


@pytest.mark.parametrize(
    ("memory", "used", "known"),
    [
        (2048, 512, 512.0),
        (2000, 512, 512.0),
        (2, 2, None),  # whole GiB, as Nova's driver for libvirt reckons them
        (2048, 0, None),  # a driver that does not count it
        (2_097_152, 512, None),
        (None, None, None),
    ],
)
async def test_memory_is_believed_in_mib_alone(memory, used, known):
    found = await Counting(a=counted(cpu=1.0, memory=memory, used=used)).measure(server("a"))
    assert found.servers["a"].get(RAM) == known
    assert (known is None) == any("ram load of 1 servers" in note for note in found.notes)


async def test_what_cannot_be_had_is_left_out_and_said():
    def moved(now):
        return Diagnostics(now, 1e6 / now, None, None, None, None)

    cloud = Counting(
        good=counted(cpu=0.5),
        crashed=CloudRefused("Cannot 'get_diagnostics'", status=409),
        gone=NotFound("no such instance"),
        mute=CloudRefused("not here", status=501),
        moved=moved,
    )
    names = ("good", "crashed", "gone", "mute", "moved")
    found = await cloud.measure(*map(server, names), server("off", vm_state="stopped"))
    assert list(found.servers) == ["good"]
    assert "off" not in cloud.asked
    for name, why in {
        "gone": "they are gone (gone)",
        "mute": "their hypervisor has no diagnostics (mute)",
        "moved": "they were started or moved meanwhile (moved)",
        "off": "they do not run (crashed, off)",
    }.items():
        assert any(why in note for note in found.notes), name


async def test_a_host_that_is_silent_is_asked_once():
    silent = CloudUnreachable("Nova: no answer")
    cloud = Counting(a=silent, b=silent, c=counted(cpu=1.0))
    found = await cloud.measure(server("a"), server("b"), server("c", "h2"), requests=1)
    assert cloud.asked == ["a", "c", "c"]
    assert list(found.servers) == ["c"]
    assert "the load of 2 servers is not known: their host does not answer (a, b)" in found.notes


async def test_no_answer_at_all_is_an_error_and_no_load():
    with pytest.raises(CloudUnreachable, match="no answer"):
        await Counting(a=CloudUnreachable("Nova: no answer")).measure(server("a"))


@pytest.mark.parametrize("status", [401, 403])
async def test_that_we_may_not_ask_is_an_error_and_asked_once(status):
    refused = CloudRefused("Policy doesn't allow it", status=status)
    cloud = Counting(a=refused, b=refused)
    with pytest.raises(CloudRefused, match="Policy"):
        await cloud.measure(server("a"), server("b"), requests=1)
    assert cloud.asked == ["a"]


async def test_so_many_are_asked_at_a_time():
    names = [f"s{number}" for number in range(10)]
    cloud = Counting(**{name: counted(cpu=1.0) for name in names})
    found = await cloud.measure(*map(server, names), requests=3)
    assert cloud.most == 3
    assert len(found.servers) == 10


async def test_what_takes_too_long_is_left_out():
    class Stuck(Counting):
        async def diagnostics(self, server_id):
            if server_id == "stuck":
                await asyncio.Event().wait()
            return await super().diagnostics(server_id)

    found = await Stuck(a=counted(cpu=1.0)).measure(server("a"), server("stuck"), time_limit=0.2)
    assert list(found.servers) == ["a"]
    note = "the load of 1 servers is not known: measuring takes longer than 0.2 s (stuck)"
    assert note in found.notes


async def test_nothing_to_measure():
    found = await Counting().measure()
    assert (found.servers, found.notes) == ({}, (UNSAID,))

"""A fleet behind a network that loses, doubles and reorders packets, and a fleet of which half is dead."""

from __future__ import annotations

from tests.unit.monitor.fast_forward import fast_forward
from tests.unit.monitor.site import INTERVAL, Site

FLEET = 200
MISSES = 3
"""Looks that fail in a row until a device is called off."""


@fast_forward
async def test_every_state_is_read_rightly_over_a_bad_network():
    async with Site(FLEET) as site:
        for key in range(FLEET):
            site.faults(key, drop=0.1, duplicate=0.1, reorder=0.1)
        await site.pass_time(4 * INTERVAL)
        for key, state in enumerate(site.states):
            assert any(look.states for look in site.looks[key]), "not read within four rounds"
            assert all(look.states in (None, {"1": state}) for look in site.looks[key])
        await site.pass_time(30 * INTERVAL)
        for key, state in enumerate(site.states):
            looks = site.looks[key]
            assert len(looks) >= 28
            assert max(look.misses for look in looks) < MISSES, "called off"
            assert sum(look.states == {"1": state} for look in looks) >= 0.9 * len(looks)
            assert all(look.states in (None, {"1": state}) for look in looks)
        assert max(site.sessions()) <= 2
        for key in range(FLEET):
            site.faults(key, drop=0.0)
        await site.pass_time(70)  # a session whose farewell was lost ends by itself after a minute
        assert site.sessions() == [1] * FLEET


@fast_forward
async def test_the_dead_cost_one_packet_a_look_and_the_living_nothing():
    half = 500
    async with Site(2 * half) as site:
        dead, living = range(half), range(half, 2 * half)
        for key in dead:
            site.faults(key, dead=True)
        await site.pass_time(20.0)
        before = [site.packets_to(key) for key in range(2 * half)]
        looked = [len(site.looks[key]) for key in range(2 * half)]
        await site.pass_time(400.0)
        for key in dead:
            looks = len(site.looks[key]) - looked[key]
            packets = site.packets_to(key) - before[key]
            assert looks >= 3
            assert abs(packets - looks) <= 1  # one may be under way
            assert not any(look.states for look in site.looks[key])
        for key in living:
            looks = len(site.looks[key]) - looked[key]
            assert looks >= 400 / (1.06 * INTERVAL) - 1
            assert site.packets_to(key) - before[key] == looks
            assert all(look.states for look in site.looks[key])

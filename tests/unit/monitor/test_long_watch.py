"""A day of watching leaves nothing behind: no memory, no socket, no session, no task."""

from __future__ import annotations

import asyncio
import gc
import sys
import tracemalloc
from pathlib import Path

from tests.unit.monitor.fast_forward import fast_forward
from tests.unit.monitor.site import HOST, INTERVAL, Site

HOUR = 3600.0
BLOCKS = 400
"""By how many blocks of memory two moments of a day may differ; a look is one of 8,640 a day."""

BYTES = 16_384
"""The same for the bytes of the last hours, of which blocks do not tell."""

STEADY, FORGETFUL, DEAF, LOSSY = range(4)


@fast_forward
async def test_a_day_leaves_nothing_behind():
    """One device that is well, one that restarts every hour, one that is dead, one behind a bad line."""
    async with Site(4, memory=1) as site:
        site.faults(DEAF, dead=True)
        site.faults(LOSSY, drop=0.1, duplicate=0.1, reorder=0.1)
        await site.pass_time(HOUR)
        blocks, held = _blocks(), _held(site)
        await _restart_hourly(site, hours=20)
        tracemalloc.start()
        try:
            await _restart_hourly(site, hours=1)
            gc.collect()
            before, _ = tracemalloc.get_traced_memory()
            await _restart_hourly(site, hours=2)
            gc.collect()
            after, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert after - before < BYTES
        assert _blocks() - blocks < BLOCKS
        assert _held(site) == held
        assert len(site.loop._scheduled) < 10
        _assert_all_was_well(site)
        site.faults(LOSSY, drop=0.0)


async def _restart_hourly(site, hours):
    for _ in range(hours):
        await site.bmcs[FORGETFUL].stop()
        await site.bmcs[FORGETFUL].start(HOST, site.ports[FORGETFUL])
        await site.pass_time(HOUR)


def _assert_all_was_well(site):
    for key in (STEADY, FORGETFUL, LOSSY):
        [look] = site.looks[key]
        assert look.states == {"1": site.states[key]}
    assert [site.bmcs[key].counters.sessions_opened for key in (STEADY, FORGETFUL, DEAF)] == [1, 24, 0]
    assert site.packets_to(STEADY) > 24 * HOUR / (1.06 * INTERVAL)
    steady, forgetful, deaf, lossy = site.sessions()
    assert (steady, forgetful, deaf) == (1, 1, 0)
    assert lossy <= 2  # one whose farewell was lost ends by itself


def _blocks():
    gc.collect()
    return sys.getallocatedblocks()


def _held(site):
    """Open files and tasks."""
    return len(list(Path("/proc/self/fd").iterdir())), len(asyncio.all_tasks())

"""Problems and plans on their way through bytes, and planning in a process of its own."""

from __future__ import annotations

import asyncio

import orjson
import pytest
from hypothesis import given, settings

from cloudmanager.audits import planning
from cloudmanager.audits.options import options_for
from cloudmanager.audits.packing import pack, plan_from, plan_in_bytes, unpack
from cloudmanager.config import load
from cloudmanager.drs.cluster import Group, Policy, Resource, Snapshot
from cloudmanager.drs.options import Mode, Options
from cloudmanager.drs.planner import plan
from cloudmanager.errors import InvalidInput, Unavailable
from tests.unit.drs.snapshots import host, server, snapshots

SKEWED = Snapshot(
    (host("a", traits=frozenset({"X"})), host("b")),
    tuple(
        server(f"s{number}", "a", moved_at=5.0, stuck="it is odd" if number == 5 else None)
        for number in range(6)
    ),
    (Group("g", Policy.ANTI_AFFINITY, frozenset({"s0", "s1"}), limit=2),),
    taken_at=1e6,
)


@settings(max_examples=50, deadline=None)
@given(snapshots())
def test_a_problem_comes_back_as_it_was(snapshot):
    options = Options(mode=Mode.RELIEVE, max_moves=3)
    assert unpack(pack(snapshot, options)) == (snapshot, options)


def test_what_is_seldom_comes_back_too():
    assert unpack(pack(SKEWED, Options())) == (SKEWED, Options())


def test_a_plan_comes_back_as_it_was():
    made = plan(SKEWED, Options())
    assert made.moves
    assert plan_from(orjson.loads(plan_in_bytes(made))) == made


async def test_a_plan_that_is_made_apart_is_the_same():
    apart = asyncio.create_task(planning.plan_apart(SKEWED, Options()))
    turns = 0
    while not apart.done():  # whoever else lives in this loop goes on meanwhile
        await asyncio.sleep(0.001)
        turns += 1
    assert apart.result() == plan(SKEWED, Options())
    assert turns > 1


async def test_planning_that_hangs_is_ended(monkeypatch):
    monkeypatch.setattr(planning, "_BESIDES", -1.9)
    with pytest.raises(Unavailable, match="planning took more than"):
        await planning.plan_apart(SKEWED, Options(time_limit=1.0))


async def test_a_process_that_fails_is_told(monkeypatch):
    monkeypatch.setattr(planning, "pack", lambda *_: b"no problem at all")
    with pytest.raises(Unavailable, match="planning ended with status 1"):
        await planning.plan_apart(SKEWED, Options())


def test_options_come_from_the_configuration_unless_they_are_asked_for():
    drs = load().drs
    assert options_for(drs, {}) == Options()
    asked = {"mode": "consolidate", "max_moves": 7, "low": 0.5, "spare": 0, "hold_seconds": 0.0}
    assert options_for(drs, asked) == Options(
        mode=Mode.CONSOLIDATE, max_moves=7, low=0.5, spare=0, hold_seconds=0.0
    )
    weights = {("drs", f"weight_{resource}"): 3.0 for resource in Resource}
    assert set(options_for(load(overrides=weights).drs, {}).weights.values()) == {3.0}
    with pytest.raises(InvalidInput, match="low"):
        options_for(drs, {"low": 0.99})

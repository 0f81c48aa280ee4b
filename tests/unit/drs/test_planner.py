"""What holds for every plan: safe at each moment, worth its moves, the same again, and nothing more to do after it."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudmanager.drs.cluster import Group, HostState, Policy, Resource, Snapshot
from cloudmanager.drs.options import Mode, Options
from cloudmanager.drs.planner import plan
from tests.unit.drs.snapshots import CPU, RAM, host, server, snapshots

if TYPE_CHECKING:
    import random

OPTIONS = st.builds(
    Options,
    mode=st.sampled_from(Mode),
    moves_per_host=st.integers(1, 3),
    max_moves=st.sampled_from([None, None, None, 1, 3]),
    min_gain=st.sampled_from([0.0, 0.001, 0.05]),
    min_improvement=st.sampled_from([0.0, 0.05]),
)


def moved_step_by_step(snapshot, made):
    """(snapshot before the wave, the moves of the wave)."""
    for wave in range(1, made.waves + 1):
        moves = [move for move in made.moves if move.wave == wave]
        yield snapshot, moves
        snapshot = snapshot.moved({move.server_id: move.destination for move in moves})


def held(snapshot, name, resource):
    return sum(server.demand.get(resource, 0) for server in snapshot.servers if server.host == name)


@settings(deadline=None)
@given(snapshots(), OPTIONS)
def test_both_copies_fit_at_every_moment(snapshot, options):
    for before, moves in moved_step_by_step(snapshot, plan(snapshot, options)):
        hosts = {host.name: host for host in before.hosts}
        servers = {server.id: server for server in before.servers}
        for name in {move.destination for move in moves}:
            coming = [servers[move.server_id] for move in moves if move.destination == name]
            for resource in Resource:
                more = sum(server.demand.get(resource, 0) for server in coming)
                if more:
                    assert held(before, name, resource) + more <= hosts[name].room(resource) + 1e-6


@settings(deadline=None)
@given(snapshots(), OPTIONS)
def test_every_move_is_one_that_may_be_made(snapshot, options):
    for before, moves in moved_step_by_step(snapshot, plan(snapshot, options)):
        hosts = {host.name: host for host in before.hosts}
        servers = {server.id: server for server in before.servers}
        touched = Counter(name for move in moves for name in (move.source, move.destination))
        assert max(touched.values()) <= options.moves_per_host
        for move in moves:
            moving, source, to = servers[move.server_id], hosts[move.source], hosts[move.destination]
            assert moving.host == move.source
            assert move.source != move.destination
            assert not moving.pinned
            assert not moving.locked
            assert source.state is to.state is HostState.UP
            assert not to.cordoned
            assert moving.zone in (None, to.zone)
            assert not moving.running or source.cpu_model == to.cpu_model


@settings(deadline=None)
@given(snapshots(), OPTIONS)
def test_groups_are_never_worse_off_not_even_while_both_copies_are_there(snapshot, options):
    for before, moves in moved_step_by_step(snapshot, plan(snapshot, options)):
        where = {server.id: server.host for server in before.servers}
        for group in before.groups:
            members = group.members & where.keys()
            copies = Counter(where[member] for member in members)
            then = copies + Counter(move.destination for move in moves if move.server_id in members)
            if group.policy is Policy.ANTI_AFFINITY:
                for name, count in then.items():
                    assert count <= max(group.limit, copies[name])
            if group.policy is Policy.AFFINITY and len(members) > 1:
                for move in moves:
                    assert move.server_id not in members or copies[move.destination] > copies[move.source] - 1


@settings(deadline=None)
@given(snapshots(), OPTIONS)
def test_a_plan_pays_keeps_its_budget_and_says_so(snapshot, options):
    made = plan(snapshot, options)
    json.dumps(made.told())
    assert (made.why_empty is None) == bool(made.moves)
    assert options.max_moves is None or len(made.moves) <= options.max_moves
    if made.moves:
        least = sum({move.server_id: move.price for move in made.moves}.values())
        assert made.before.cost - made.after.cost >= least - 1e-6
    else:
        assert made.after == made.before


def test_a_budget_that_is_too_small_for_what_pays_is_said():
    """Only to exchange two servers helps, which is two moves."""
    sizes = {"a": (6, 4), "b": (5, 1)}
    servers = tuple(server(f"{at}{cpu}", at, cpu=cpu) for at, both in sizes.items() for cpu in both)
    snapshot = Snapshot((host("a"), host("b")), servers)
    whole = plan(snapshot, Options(min_improvement=0.0))
    assert sorted(whole.destinations.values()) == ["a", "b"]
    assert whole.complete
    short = plan(snapshot, Options(min_improvement=0.0, max_moves=1))
    assert (short.moves, short.complete) == ((), False)
    assert short.why_empty == "what would pay takes more moves than are allowed"


@settings(deadline=None)
@given(snapshots(), OPTIONS)
def test_planning_its_own_result_gives_an_empty_plan(snapshot, options):
    made = plan(snapshot, options)
    if made.complete:
        again = plan(snapshot.moved(made.destinations), options)
        assert again.moves == (), again.moves
        assert again.why_empty


@settings(deadline=None, max_examples=50)
@given(snapshots(), OPTIONS, st.randoms(use_true_random=False))
def test_the_same_input_in_any_order_gives_the_same_plan(snapshot, options, chance: random.Random):
    def shuffled(things):
        return tuple(chance.sample(things, len(things)))

    other = Snapshot(shuffled(snapshot.hosts), shuffled(snapshot.servers), shuffled(snapshot.groups))
    assert plan(other, options) == plan(snapshot, options)


def test_the_crowded_host_gives_away_what_is_too_much():
    servers = tuple(server(f"s{number}", "a", cpu=1) for number in range(8))
    made = plan(Snapshot((host("a"), host("b")), servers), Options())
    assert len(made.moves) == 4
    assert made.after.utilisation[CPU] == {"a": 0.4, "b": 0.4}
    assert made.before.imbalance[CPU] == pytest.approx(0.4)
    assert made.after.imbalance[CPU] == 0
    assert all(move.gain > move.price > 0 for move in made.moves)
    assert "cpu of a is 80%, of b 0%, the mean 40%" in made.moves[0].reason
    assert [move.wave for move in made.moves] == [1, 1, 2, 2]


def test_a_heavy_memory_stays_where_a_light_one_does_as_well():
    servers = (server("heavy", "a", cpu=2, ram=32_000), server("light", "a", cpu=2, ram=1000))
    made = plan(Snapshot((host("a"), host("b")), servers), Options(weights={CPU: 1.0}))
    assert [move.server_id for move in made.moves] == ["light"]


def test_memory_that_is_rewritten_fast_is_copied_often():
    calm, wild = server("calm", "a"), server("wild", "a", dirty_mb_s=500.0)
    assert wild.gigabytes_to_move(1000.0) == pytest.approx(2 * calm.gigabytes_to_move(1000.0))


def test_a_circle_is_broken_by_an_intermediate_host_or_said_to_be_impossible():
    apart = {"max_moves": None, "min_improvement": 0.0}
    ram = {RAM: 1.0}
    full = (
        server("a1", "a", cpu=4, ram=8000),
        server("a2", "a", cpu=4, ram=8000),
        server("b1", "b", cpu=4, ram=1000),
        server("b2", "b", cpu=4, ram=1000),
    )
    tight = (host("a", cpu=8, ram=64_000), host("b", cpu=8, ram=64_000))
    stuck = plan(Snapshot(tight, full), Options(weights=ram, **apart))
    assert stuck.moves == ()
    assert {no.server_id for no in stuck.impossible} in (
        {"a1", "b1"},
        {"a1", "b2"},
        {"a2", "b1"},
        {"a2", "b2"},
    )
    assert "no order of moves" in stuck.why_empty
    aside = host("c", cpu=4, ram=1100)
    made = plan(Snapshot((*tight, aside), full), Options(weights=ram, **apart))
    hops = [move for move in made.moves if move.intermediate]
    assert [(move.destination, move.wave) for move in hops] == [("c", 1)]
    assert "makes way" in hops[0].reason
    assert made.after.utilisation[RAM]["a"] == made.after.utilisation[RAM]["b"]
    assert made.impossible == ()


def test_relieve_moves_from_overloaded_hosts_alone_and_only_below_the_mark():
    servers = tuple(server(f"a{n}", "a") for n in range(9)) + tuple(server(f"b{n}", "b") for n in range(6))
    snapshot = Snapshot((host("a"), host("b"), host("c")), servers)
    made = plan(snapshot, Options(mode=Mode.RELIEVE, high=0.85, low=0.75))
    assert {move.source for move in made.moves} == {"a"}
    assert made.after.utilisation[CPU]["a"] <= 0.8
    assert plan(snapshot, Options(mode=Mode.RELIEVE, high=0.95)).why_empty == "no host is above 95%"


def test_consolidate_empties_hosts_and_says_which_can_be_switched_off():
    servers = tuple(server(f"s{n}", f"h{n % 4}") for n in range(8))
    snapshot = Snapshot(tuple(host(f"h{n}") for n in range(4)), servers)
    made = plan(snapshot, Options(mode=Mode.CONSOLIDATE, low=0.8))
    used = {name for name, share in made.after.utilisation[CPU].items() if share}
    assert len(used) == 1
    assert len(made.switch_off) == 2
    assert not used & set(made.switch_off)
    assert all(move.reason.startswith("empties") for move in made.moves)


def test_consolidate_asks_for_hosts_when_the_load_is_high():
    servers = tuple(server(f"s{n}", "a") for n in range(9))
    snapshot = Snapshot((host("a"), host("b", state=HostState.OFF), host("c", state=HostState.OFF)), servers)
    made = plan(snapshot, Options(mode=Mode.CONSOLIDATE))
    assert made.switch_on == ("b",)
    assert made.switch_off == ()


def test_an_overfull_start_gets_better():
    servers = tuple(server(f"s{n}", "a", cpu=2) for n in range(7))
    made = plan(Snapshot((host("a"), host("b")), servers), Options(mode=Mode.RELIEVE))
    assert made.before.utilisation[CPU]["a"] == 1.4
    assert made.after.utilisation[CPU]["a"] <= 0.8


@pytest.mark.parametrize(
    ("hosts", "servers", "groups", "options", "why"),
    [
        ((), (), (), {}, "there are no hosts"),
        ((host("a"), host("b")), (), (), {}, "there are no servers"),
        ((host("a"),), (server("s", "a"),), (), {}, "only one host is up"),
        (
            (host("a", cordoned=True), host("b", cordoned=True)),
            (server("s", "a"),),
            (),
            {},
            "all hosts are cordoned",
        ),
        ((host("a", state=HostState.DOWN),), (server("s", "a"),), (), {}, "no host is up"),
        (
            (host("a"), host("b")),
            (server("s", "a", pinned=True),),
            (),
            {},
            "no server can move: it is pinned",
        ),
        ((host("a"), host("b")), (server("s", "a", busy="resizing"),), (), {}, "it is busy: resizing"),
        ((host("a"), host("b")), (server("s", "a", cpu=5),), (), {"max_moves": 0}, "no moves are allowed"),
        ((host("a"), host("b")), (server("s", "a"), server("t", "b")), (), {}, "no move gains what it must"),
        (
            (host("a"), host("b")),
            tuple(server(f"s{n}", "a" if n < 6 else "b") for n in range(9)),
            (),
            {"min_improvement": 0.99},
            "a plan must gain 99.0%",
        ),
        (
            (host("a"), host("b")),
            (server("s", "a", cpu=4), server("t", "a", cpu=4)),
            (
                Group("g", Policy.AFFINITY, frozenset({"s", "t"})),
                Group("h", Policy.ANTI_AFFINITY, frozenset({"s", "t"})),
            ),
            {},
            "no server can move: its server group wants it with the others on a, and each moves by itself",
        ),
    ],
)
def test_an_empty_plan_says_why(hosts, servers, groups, options, why):
    made = plan(Snapshot(hosts, servers, groups), Options(**options))
    assert made.moves == ()
    assert why in made.why_empty


def test_a_server_that_was_moved_is_left_alone_for_a_while():
    servers = tuple(server(f"s{n}", "a", moved_at=1000.0) for n in range(6))
    hosts = (host("a"), host("b"))
    assert plan(Snapshot(hosts, servers, taken_at=1900.0), Options(hold_seconds=1000)).moves == ()
    assert plan(Snapshot(hosts, servers, taken_at=2000.0), Options(hold_seconds=1000)).moves


def test_a_clock_that_has_run_out_ends_the_search():
    servers = tuple(server(f"s{n}", "a") for n in range(8))
    ticks = iter(range(1000))
    made = plan(Snapshot((host("a"), host("b")), servers), Options(time_limit=3.0), clock=lambda: next(ticks))
    assert not made.complete

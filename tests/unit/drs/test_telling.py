"""What a plan says of itself, and why a server is where it is."""

from __future__ import annotations

import pytest

from cloudmanager.drs.cluster import Group, Host, HostState, Policy, Resource, Server, Snapshot
from cloudmanager.drs.model import model
from cloudmanager.drs.options import Mode, Options
from cloudmanager.drs.planner import plan
from cloudmanager.drs.telling import difference, explain, why_cannot
from cloudmanager.errors import InvalidInput, NotFound
from tests.unit.drs.snapshots import CPU, RAM, host, server


def explained(snapshot, name, options=None):
    options = options or Options()
    return explain(snapshot, model(snapshot, options), options, name)


def test_every_host_that_cannot_take_a_server_has_its_reason():
    hosts = (
        host("a", zone="z", cpu_model="new"),
        host("cordoned", cordoned=True),
        host("down", state=HostState.DOWN),
        host("full", cpu=1, zone="z", cpu_model="new"),
        host("grouped", zone="z", cpu_model="new"),
        host("old", zone="z", cpu_model="old"),
        host("other", zone="y"),
        host("plain", zone="z", cpu_model="new", ram=500),
    )
    servers = (server("s", "a", cpu=2, zone="z"), server("t", "grouped"))
    groups = (Group("g", Policy.ANTI_AFFINITY, frozenset({"s", "t"})),)
    assert explained(Snapshot(hosts, servers, groups), "s") == [
        "s is on a.",
        "cordoned: no, it is cordoned.",
        "down: no, it is down.",
        "full: no, it has 1 of 1 cpu free, the server needs 2.",
        "grouped: no, its server group forbids it there.",
        "old: no, its CPU is old, the server runs on new.",
        "other: no, it is in the zone y, the server asks for z.",
        "plain: no, it has 500 of 500 ram free, the server needs 1000.",
        "It does not move: no other host can take it.",
    ]


def test_servers_that_have_to_be_together_stay_and_those_apart_may_join_them():
    """Nova looks where the others of the group are when one of them moves: no two can leave side by side."""
    group = Group("g", Policy.AFFINITY, frozenset({"s1", "s2", "s3", "elsewhere"}))
    placed = (server("s1", "a", cpu=4), server("s2", "a", cpu=4), server("s3", "b"), server("s4", "a"))
    snapshot = Snapshot((host("a"), host("b"), host("c")), placed, (group,))
    shown = model(snapshot, Options())
    assert set(shown.fixed) == {"s1", "s2"}
    said = explain(snapshot, shown, Options(), "s1")
    why = "its server group wants it with the others on a, and each moves by itself"
    assert said == ["s1 is on a.", f"It does not move: {why}."]
    assert not {"s1", "s2"} & {move.server_id for move in plan(snapshot, Options()).moves}
    even = Snapshot(snapshot.hosts, (*placed[:1], server("s2", "b"), server("s4", "a")), (group,))
    assert not model(even, Options()).fixed


def test_a_server_that_could_move_is_told_what_that_would_gain():
    balanced = Snapshot((host("a"), host("b")), (server("s", "a"), server("t", "b")))
    assert "It does not move: the best other host, b, gains -" in explained(balanced, "s")[-1]
    crowded = Snapshot((host("a"), host("b")), tuple(server(f"s{n}", "a") for n in range(4)))
    assert "It would pay to move it: the best other host, b, gains 0." in explained(crowded, "s1")[-1]
    locked = Snapshot((host("a"), host("b")), (server("s", "a", locked=True),))
    assert explained(locked, "s") == ["s is on a.", "It does not move: it is locked."]
    with pytest.raises(NotFound):
        explained(locked, "nobody")


def test_the_difference_reads_from_the_whole_to_the_single_moves():
    servers = tuple(server(f"s{n}", "a", ram=1024) for n in range(4))
    snapshot = Snapshot((host("a"), host("b")), servers)
    said = difference(plan(snapshot, Options(weights={CPU: 1.0})))
    assert said[:4] == [
        "2 moves in 1 waves copy 2.0 GB.",
        "Imbalance of cpu: 20.0 % -> 0.0 %.",
        "a: cpu 40.0 % -> 20.0 %.",
        "b: cpu 0.0 % -> 20.0 %.",
    ]
    assert said[4].startswith("Wave 1: s")
    assert said[4].endswith("a -> b (1.0 GB): cpu of a is 40%, of b 0%, the mean 20%.")
    assert difference(plan(Snapshot((), ()), Options())) == ["Nothing moves: there are no hosts."]


def test_measured_load_counts_and_what_is_missing_is_said():
    """By what is reserved both hosts are alike; by what is measured they are not."""
    servers = [Server(f"a{n}", "a", {CPU: 1, RAM: 1000}, load={CPU: 0.9}) for n in range(4)]
    servers += [Server(f"b{n}", "b", {CPU: 1, RAM: 1000}, load={CPU: 0.1}) for n in range(3)]
    hosts = (host("a"), host("b"))
    silent = Server("b3", "b", {CPU: 1, RAM: 1000})
    made = plan(Snapshot(hosts, (*servers, silent)), Options(weights={CPU: 1.0}))
    assert {move.source for move in made.moves} == {"a"}
    assert made.notes == ("the cpu load of 1 servers is not known: estimated, they do not move",)
    # The median of the measured servers is 0.9 of what is reserved, not zero.
    assert made.before.utilisation[CPU] == pytest.approx({"a": 0.36, "b": 0.12})
    few = [Server(s.id, s.host, s.demand, load=s.load if s.id == "a0" else {}) for s in servers]
    by_flavors = plan(Snapshot(hosts, tuple(few)), Options(weights={CPU: 1.0}))
    assert "the cpu load of 1 of 7 servers alone is known" in by_flavors.notes[0]
    assert by_flavors.before.utilisation[CPU] == {"a": 0.4, "b": 0.3}


def test_what_a_host_uses_besides_its_servers_stays_with_it():
    busy = Host("a", {CPU: 10, RAM: 64_000}, load={CPU: 6.0})
    snapshot = Snapshot((busy, host("b")), (Server("s", "a", {CPU: 1, RAM: 1000}, load={CPU: 1.0}),))
    made = plan(snapshot, Options(weights={CPU: 1.0}))
    assert made.before.utilisation[CPU] == {"a": 0.6, "b": 0.0}
    assert made.after.utilisation[CPU] == {"a": 0.5, "b": 0.1}


def test_no_host_is_filled_beyond_the_ceiling_by_what_is_measured():
    servers = tuple(Server(f"s{n}", "a", {CPU: 1, RAM: 1000}, load={CPU: 3.0}) for n in range(5))
    snapshot = Snapshot((host("a", cpu=10), host("b", cpu=10)), servers)
    made = plan(snapshot, Options(mode=Mode.RELIEVE, weights={CPU: 1.0}, ceiling=0.5))
    assert made.after.utilisation[CPU]["b"] == 0.3


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: Snapshot((host("a"), host("a")), ()), "host a is there twice"),
        (lambda: Snapshot((host("a"),), (server("s", "a"), server("s", "a"))), "server s is there twice"),
        (lambda: Snapshot((host("a"),), (server("s", "b"),)), "not among the hosts"),
        (lambda: Snapshot((host("a", cpu=float("nan")),), ()), "cpu is nan"),
        (lambda: Snapshot((host("a"),), (server("s", "a", cpu=-1),)), "cpu is -1"),
        (lambda: Snapshot((host("a"),), (server("s", "a", local_disk_gb=-1),)), "what a move copies"),
        (lambda: Snapshot((), (), (Group("g", Policy.AFFINITY, frozenset(), limit=0),)), "share a host"),
        (lambda: Options(low=0.9, high=0.8), "low"),
        (lambda: Options(min_gain=-1), "min_gain"),
        (lambda: Options(moves_per_host=0), "moves_per_host"),
        (lambda: Options(weights={Resource.CPU: -1}), "weight of cpu"),
    ],
)
def test_contradictions_are_refused(make, why):
    with pytest.raises(InvalidInput, match=why):
        make()


def test_whether_a_server_can_go_somewhere_now_is_said_whether_it_pays_or_not():
    hosts = (host("a"), host("b", cpu=2), host("c", cordoned=True))
    servers = (server("s", "a", cpu=2), server("t", "b"), server("u", "a", stuck="it is suspended"))
    snapshot = Snapshot(hosts, servers, (Group("g", Policy.ANTI_AFFINITY, frozenset({"t", "v"})),))
    assert why_cannot(snapshot, Options(), "s", "b") == (
        "b cannot take it: it has 1 of 2 cpu free, the server needs 2"
    )
    assert why_cannot(snapshot, Options(), "s", "c") == "c cannot take it: it is cordoned"
    assert why_cannot(snapshot, Options(), "t", "a") is None
    assert why_cannot(snapshot, Options(), "u", "b") == "it is suspended"
    assert plan(Snapshot((host("a"), host("b")), (servers[2],)), Options()).why_empty == (
        "no server can move: it is suspended"
    )
    for unknown in (("x", "a"), ("s", "x")):
        with pytest.raises(NotFound, match=r"no (server|host) x"):
            why_cannot(snapshot, Options(), *unknown)

"""The gates one by one, and what no picture of a data centre can make of them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudmanager.availability.evidence import Evidence, Sign
from cloudmanager.tracking.decision import State, decide, judge
from cloudmanager.tracking.gates import GATES
from cloudmanager.tracking.snapshot import (
    Came,
    Decision,
    HostFacts,
    Limits,
    Others,
    Power,
    Silence,
    Snapshot,
)

NOW = 10_000.0
BOLD = Limits(max_down_hosts=5, fences_per_cycle=5, check_enabled=True)
DEAD = HostFacts(
    "h1",
    up=False,
    down_count=3,
    down_since=NOW - 90,
    node_id=1,
    has_control=True,
    power=Power.ON,
    expected=frozenset({"a", "b"}),
)


def evidence(sign, *, age=5.0, running=(), storage_id=1):
    return Evidence(storage_id, f"s{storage_id}", sign, "said so", NOW - age, age, "boot", frozenset(running))


def verdict(host=DEAD, others=(), **seen):
    limits = seen.pop("limits", BOLD)
    hosts = {each.name: each for each in (host, *others)}
    return decide(Snapshot(now=NOW, hosts=hosts, limits=limits, **seen))[host.name]


def shut(verdict):
    """The gate that was shut first."""
    assert verdict.shut is not None
    return verdict.shut


def test_a_dead_host_passes_every_gate():
    found = verdict()
    assert found.state is State.DEAD
    assert [passage.gate for passage in found.passages] == [gate.__name__ for gate in GATES]
    assert not found.vouched


@pytest.mark.parametrize(
    ("change", "gate", "state"),
    [
        ({"up": True}, "nova_says_down", State.UP),
        ({"up": None}, "nova_says_down", State.UNKNOWN),
        ({"down_count": 2}, "seen_down_often", State.COUNTING),
        ({"own_power": "a power-off"}, "not_switched_off_by_us", State.EXPLAINED),
        ({"held_by": "t1"}, "held_by_no_task", State.EXPLAINED),
        ({"returning": "t1"}, "not_decided_before", State.EXPLAINED),
        ({"decision": Decision("t", NOW - 9, Came.OPEN)}, "not_decided_before", State.EXPLAINED),
        ({"decision": Decision("t", NOW - 9, Came.SUCCEEDED)}, "not_decided_before", State.EXPLAINED),
        ({"decision": Decision("t", NOW - 9, Came.FAILED)}, "not_tried_lately", State.WAITING),
        ({"reserved": True}, "not_reserved", State.EXPLAINED),
        ({"forced_down": True}, "not_declared_down", State.REFUSED),
        ({"cordoned": "disk swap"}, "not_cordoned_by_others", State.REFUSED),
        ({"forbidden": "h1 may not be evacuated"}, "permitted", State.REFUSED),
        ({"node_id": None}, "can_be_fenced", State.REFUSED),
        ({"has_control": False}, "can_be_fenced", State.REFUSED),
    ],
    ids=str,
)
def test_each_fact_shuts_its_gate(change, gate, state):
    found = verdict(replace(DEAD, **change))
    assert (shut(found), found.state) == (gate, state)
    assert (found.alarm is not None) == (state is State.REFUSED)


def test_what_failed_is_tried_again_in_the_end():
    failed = Decision("t", NOW - BOLD.retry_interval - 1, Came.FAILED)
    assert verdict(replace(DEAD, decision=failed, forced_down=True)).state is State.DEAD


def test_by_default_nobody_is_touched_and_that_is_no_alarm():
    found = verdict(limits=Limits())
    assert (shut(found), found.state) == ("few_are_down", State.EXPLAINED)
    assert "max_down_hosts is 0" in found.next


def others(count, **facts):
    return [replace(DEAD, name=f"o{number}", **facts) for number in range(count)]


def test_too_many_down_hosts_touch_nobody_even_those_seen_down_once():
    assert verdict(others=others(4)).state is State.DEAD
    found = verdict(others=others(5, down_count=1))
    assert (shut(found), found.state) == ("few_are_down", State.REFUSED)


def test_cordoned_hosts_are_evacuated_and_count_where_the_configuration_says_so():
    cordoned = replace(DEAD, cordoned="disk swap")
    limits = replace(BOLD, evacuate_cordoned=True)
    assert verdict(cordoned, limits=limits).state is State.DEAD
    assert shut(verdict(others=others(5, cordoned="disk swap"), limits=limits)) == "few_are_down"


@pytest.mark.parametrize(
    "explained",
    [{"reserved": True}, {"own_power": "off"}, {"returning": "t"}, {"cordoned": "disk swap"}],
    ids=str,
)
def test_explained_hosts_do_not_count(explained):
    assert verdict(others=others(50, **explained)).state is State.DEAD


def test_the_limit_of_an_aggregate():
    limits = replace(BOLD, aggregate_limit=1)
    mine = replace(DEAD, aggregates=frozenset({7}))
    found = verdict(mine, others(1, aggregates=frozenset({7, 8})), limits=limits, aggregate_names={7: "gpu"})
    assert shut(found) == "few_of_its_aggregate_are_down"
    assert "gpu" in found.alarm
    assert verdict(mine, others(1, aggregates=frozenset({8})), limits=limits).state is State.DEAD


def test_when_it_may_be_us_nobody_is_touched():
    assert verdict(devices=Silence(5, 10)).state is State.DEAD
    assert shut(verdict(devices=Silence(6, 10))) == "not_cut_off"
    assert shut(verdict(blind="no answer")) == "not_cut_off"


def test_a_storage_on_which_all_are_silent_has_failed_itself():
    silent = replace(DEAD, has_storages=True, storages=(evidence(Sign.STALE, age=200),))
    assert verdict(silent, heartbeats={1: Others(5, (NOW,) * 5)}).state is State.DEAD
    found = verdict(silent, heartbeats={1: Others(6, (NOW,) * 4)})
    assert (shut(found), found.state) == ("storages_stand", State.REFUSED)


def last_beat(ago, sign=Sign.STALE):
    return replace(DEAD, has_storages=True, storages=(evidence(sign, age=ago),))


@pytest.mark.parametrize(
    ("host", "others_ago", "state"),
    [
        (last_beat(200), (5, 5, 5), State.DEAD),
        (last_beat(200), (5, 5, 90), State.DEAD),
        (last_beat(200), (5, 90, 90), State.WAITING),
        (last_beat(200), (80, 80, 80), State.WAITING),
        (last_beat(100), (0, 0, 0), State.WAITING),
        (last_beat(200), (), State.DEAD),
        (replace(last_beat(0, Sign.UNREADABLE), checks=2), (0, 0, 0), State.WAITING),
        (replace(last_beat(0, Sign.UNREADABLE), checks=2, down_since=NOW - 130), (5, 5, 5), State.DEAD),
    ],
    ids=[
        "all outlive it",
        "most outlive it",
        "few outlive it",
        "not by long enough",
        "it fell silent lately",
        "nobody else has the storage",
        "no file, down lately",
        "no file, others write since",
    ],
)
def test_a_silence_counts_once_others_have_outlived_it(host, others_ago, state):
    """A storage that fails leaves the last heartbeats of all together, however fresh they look."""
    found = verdict(host, heartbeats={1: Others(0, tuple(NOW - ago for ago in others_ago))})
    assert found.state is state
    if state is State.WAITING:
        assert shut(found) == "storages_stand"


@pytest.mark.parametrize(
    ("storages", "facts", "limits", "state"),
    [
        ([evidence(Sign.STALE)], {}, {}, State.DEAD),
        ([evidence(Sign.FRESH, running="ab")], {}, {}, State.REFUSED),
        ([evidence(Sign.FRESH, running="a")], {}, {}, State.DEAD),
        ([evidence(Sign.FRESH, running="a")], {}, {"instance_rate": 50}, State.REFUSED),
        ([evidence(Sign.FRESH)], {"expected": frozenset()}, {}, State.REFUSED),
        ([evidence(Sign.FRESH)], {"expected": None}, {}, State.REFUSED),
        ([replace(evidence(Sign.FRESH), running=None)], {}, {}, State.REFUSED),
        ([evidence(Sign.FRESH)], {"power": Power.OFF}, {}, State.REFUSED),
        ([evidence(Sign.DOUBTFUL)], {}, {}, State.REFUSED),
        ([evidence(Sign.STALE), evidence(Sign.FRESH, running="ab", storage_id=2)], {}, {}, State.REFUSED),
        ([evidence(Sign.UNREADABLE)], {"checks": 1}, {}, State.WAITING),
        ([evidence(Sign.UNREADABLE)], {"checks": 2}, {}, State.DEAD),
        ([], {"checks": 0}, {}, State.WAITING),
    ],
    ids=[
        "stale",
        "all run",
        "half run",
        "half is enough",
        "nothing expected",
        "unknown what runs",
        "file says nothing",
        "power off",
        "doubtful",
        "one of two fresh",
        "unreadable once",
        "unreadable twice",
        "not yet read",
    ],
)
def test_signs_of_life(storages, facts, limits, state):
    host = replace(DEAD, has_storages=True, storages=tuple(storages), **facts)
    found = verdict(host, limits=replace(BOLD, **limits))
    assert found.state is state
    if state is not State.DEAD:
        assert shut(found) == "no_sign_of_life"


SILENT = replace(
    DEAD,
    power=Power.UNKNOWN,
    has_storages=True,
    storages=(evidence(Sign.STALE, age=200), evidence(Sign.STALE, age=300, storage_id=2)),
)


@pytest.mark.parametrize(
    ("host", "fencing", "vouched", "state"),
    [
        (SILENT, True, True, State.DEAD),
        (SILENT, False, False, State.DEAD),
        (replace(SILENT, power=Power.ON), True, False, State.DEAD),
        (replace(SILENT, storages=(evidence(Sign.STALE, age=100),)), True, False, State.WAITING),
        (replace(SILENT, storages=(*SILENT.storages, evidence(Sign.UNREADABLE))), True, False, State.DEAD),
        (replace(SILENT, storages=(), has_storages=False), True, False, State.DEAD),
        (replace(SILENT, node_id=None, has_control=False), True, True, State.DEAD),
    ],
    ids=["silent", "not allowed", "device answers", "not long", "one unread", "no storage", "no device"],
)
def test_silence_counts_as_fenced_only_where_it_may_and_everywhere(host, fencing, vouched, state):
    limits = replace(BOLD, storage_fencing=fencing, outlived_by=70.0)
    found = verdict(host, limits=limits, heartbeats={1: Others(0, (NOW,)), 2: Others(0, (NOW - 5,))})
    assert (found.vouched, found.state) == (vouched, state)


def test_silence_is_no_fence_where_nobody_shows_that_the_storage_works():
    limits = replace(BOLD, storage_fencing=True)
    assert verdict(SILENT, limits=limits, heartbeats={1: Others(0, (NOW,))}).vouched is False
    assert verdict(SILENT, limits=limits, heartbeats={n: Others(0, (NOW,)) for n in (1, 2)}).vouched is True


LATELY = Decision("t", NOW - 90, Came.FAILED)
UNFENCED = replace(LATELY, unfenced=True)
FENCING = replace(BOLD, storage_fencing=True, outlived_by=70.0)


@pytest.mark.parametrize(
    ("decision", "facts", "limits", "tried"),
    [
        pytest.param(UNFENCED, {}, FENCING, True, id="silence is a fence now"),
        pytest.param(LATELY, {}, FENCING, False, id="it failed otherwise"),
        pytest.param(UNFENCED, {"power": Power.ON}, FENCING, False, id="its device answers"),
        pytest.param(
            UNFENCED, {"storages": (evidence(Sign.STALE, age=100),)}, FENCING, False, id="not silent for long"
        ),
        pytest.param(UNFENCED, {}, replace(FENCING, storage_fencing=False), False, id="silence is no fence"),
        pytest.param(replace(UNFENCED, came=Came.OPEN), {}, FENCING, False, id="still at work"),
        pytest.param(replace(UNFENCED, came=Came.SUCCEEDED), {}, FENCING, False, id="evacuated"),
        pytest.param(UNFENCED, {"down_count": 2}, FENCING, False, id="not counted often enough since"),
        pytest.param(replace(LATELY, made_at=NOW - 601), {}, FENCING, True, id="long ago"),
    ],
)
def test_what_lacked_a_fence_is_tried_again_once_silence_counts_as_one(decision, facts, limits, tried):
    others_write = {1: Others(0, (NOW,)), 2: Others(0, (NOW - 5,))}
    found = verdict(replace(SILENT, decision=decision, **facts), limits=limits, heartbeats=others_write)
    assert (found.state is State.DEAD) is tried
    assert found.vouched is tried


def test_why_it_is_tried_again_is_told():
    others_write = {1: Others(0, (NOW,)), 2: Others(0, (NOW - 5,))}
    host = replace(SILENT, decision=UNFENCED)
    [told] = [
        gate["reason"]
        for gate in verdict(host, limits=FENCING, heartbeats=others_write).told()["gates"]
        if gate["gate"] == "not_tried_lately"
    ]
    assert "task t could not cut its power, but now its power device is silent, and every storage" in told


def test_those_down_longest_come_first_and_few_in_a_cycle():
    hosts = {
        each.name: each for each in (replace(DEAD, name=f"h{n}", down_since=NOW - 100 + n) for n in (3, 1, 2))
    }
    limits = replace(BOLD, fences_per_cycle=2)
    found = decide(Snapshot(now=NOW, hosts=hosts, limits=limits))
    assert {name for name, each in found.items() if each.state is State.DEAD} == {"h1", "h2"}
    assert found["h3"].passages[-1].gate == "its_turn"


# --- what holds for any picture ----------------------------------------------------------------------------

SIGNS = st.builds(
    lambda sign, age, running, storage: evidence(sign, age=age, running=running, storage_id=storage),
    st.sampled_from(Sign),
    st.floats(-100, 1000),
    st.frozensets(st.sampled_from("abc")),
    st.integers(1, 3),
)
FACTS = {
    "up": st.sampled_from([True, False, False, None]),
    "forced_down": st.booleans(),
    "cordoned": st.none() | st.just("disk swap"),
    "down_count": st.integers(0, 6),
    "down_since": st.none() | st.floats(0, NOW),
    "node_id": st.none() | st.integers(1, 9),
    "reserved": st.booleans(),
    "has_control": st.booleans(),
    "power": st.sampled_from(Power),
    "own_power": st.none() | st.just("an action"),
    "held_by": st.none() | st.just("a task"),
    "returning": st.none() | st.just("a task"),
    "aggregates": st.frozensets(st.integers(1, 3)),
    "has_storages": st.booleans(),
    "storages": st.lists(SIGNS, max_size=3).map(tuple),
    "checks": st.integers(0, 3),
    "expected": st.none() | st.frozensets(st.sampled_from("abc")),
    "decision": st.none()
    | st.builds(Decision, st.just("t"), st.floats(0, NOW), st.sampled_from(Came), st.booleans()),
    "forbidden": st.none() | st.just("no"),
}
LIMITS = st.builds(
    Limits,
    mutex=st.integers(1, 5),
    max_down_hosts=st.integers(0, 5),
    aggregate_limit=st.integers(0, 2),
    fences_per_cycle=st.integers(1, 2),
    storage_fencing=st.booleans(),
    evacuate_cordoned=st.booleans(),
    check_enabled=st.booleans(),
    instance_rate=st.integers(0, 100),
)
OTHERS = st.builds(
    Others, st.integers(0, 9), st.lists(st.floats(NOW - 1000, NOW + 100), max_size=9).map(tuple)
)
SILENCES = st.builds(
    lambda silent, heard: Silence(silent, silent + heard), st.integers(0, 9), st.integers(0, 9)
)


@st.composite
def hosts_like_dead(draw, name, facts):
    """A dead host but for a few facts: one that is made of nothing but chance is seldom dead."""
    changed = draw(st.sets(st.sampled_from(sorted(facts)), max_size=3))
    return replace(DEAD, name=name, **{fact: draw(facts[fact]) for fact in sorted(changed)})


@st.composite
def pictures(draw, **changed):
    names = [f"h{number}" for number in range(draw(st.integers(1, 5)))]
    hosts = {name: draw(hosts_like_dead(name, {**FACTS, **changed})) for name in names}
    return Snapshot(
        now=NOW,
        hosts=hosts,
        limits=draw(LIMITS),
        devices=draw(st.just(Silence()) | SILENCES),
        heartbeats=draw(st.just({}) | st.dictionaries(st.integers(1, 3), OTHERS)),
        blind=draw(st.sampled_from([None, None, None, "no answer"])),
    )


def dead(seen):
    return {name for name, verdict in decide(seen).items() if verdict.state is State.DEAD}


@given(pictures())
def test_with_max_down_hosts_0_nobody_is_ever_touched(seen):
    assert not dead(replace(seen, limits=replace(seen.limits, max_down_hosts=0)))


@given(pictures())
def test_who_is_touched_was_seen_down_often_enough_and_is_nobodys(seen):
    for name in dead(seen):
        host = seen.hosts[name]
        assert host.up is False
        assert host.down_count >= seen.limits.mutex
        for fact in (host.reserved, host.held_by, host.own_power, host.returning, host.forbidden):
            assert not fact
        assert host.cordoned is None or seen.limits.evacuate_cordoned
        assert host.decision is None or host.decision.came is Came.FAILED


@given(pictures())
def test_what_failed_lately_is_touched_only_if_it_lacked_a_fence_and_needs_none_now(seen):
    for name, found in decide(seen).items():
        decision = seen.hosts[name].decision
        if found.state is State.DEAD and decision and decision.made_at > NOW - seen.limits.retry_interval:
            assert decision.unfenced
            assert found.vouched


@given(pictures())
def test_never_more_are_touched_than_the_limits_say(seen):
    touched = dead(seen)
    assert len(touched) <= seen.limits.fences_per_cycle
    if touched:
        assert len(seen.unexplained) <= seen.limits.max_down_hosts
        assert seen.blind is None
        assert seen.devices.silent * 100 <= seen.limits.partition_share * seen.devices.of


@given(pictures())
def test_what_is_not_known_never_counts_as_down(seen):
    hidden = {name: replace(host, up=None) for name, host in seen.hosts.items()}
    assert not dead(replace(seen, hosts=hidden))
    for name in dead(seen):
        others_hidden = {
            each: host if each == name else replace(host, up=None) for each, host in seen.hosts.items()
        }
        assert dead(replace(seen, hosts=others_hidden)) == {name}


@given(pictures())
def test_a_host_that_shows_all_its_servers_is_never_touched_where_that_is_looked_at(seen):
    alive = evidence(Sign.FRESH, running="abc")
    hosts = {
        name: replace(host, has_storages=True, storages=(*host.storages, alive))
        for name, host in seen.hosts.items()
    }
    limits = replace(seen.limits, check_enabled=True)
    assert not dead(replace(seen, hosts=hosts, limits=limits))


@given(pictures())
def test_without_storage_fencing_nobody_is_spared_the_fence(seen):
    for verdict in decide(seen).values():
        if not seen.limits.storage_fencing:
            assert not verdict.vouched


@given(pictures())
def test_a_storage_that_has_failed_for_all_at_once_proves_nothing(seen):
    """All have written last within an interval of each other, by clocks that are off as far as they may be."""
    last = NOW - 500.0
    silent = replace(evidence(Sign.STALE, age=500.0), written_at=last)
    hosts = {name: replace(host, has_storages=True, storages=(silent,)) for name, host in seen.hosts.items()}
    others = Others(0, (last + seen.limits.outlived_by,))
    assert not dead(replace(seen, hosts=hosts, heartbeats={1: others}))


@given(pictures())
def test_every_verdict_says_why(seen):
    for name, host in seen.hosts.items():
        found = judge(host, seen)
        assert found.host == name
        assert found.next
        assert (found.alarm is not None) == (found.state is State.REFUSED)
        assert found.told()["gates"][0]["gate"] == "nova_says_down"

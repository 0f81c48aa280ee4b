import json

import pytest

from cloudmanager.simulators.clock import ManualClock
from cloudmanager.simulators.faults import HEALTHY, BadFault, Faults, Wire
from cloudmanager.simulators.world import Account, Action, Cause, NotPossible, Refused, UnknownName, World


def switch(world, action):
    world.switch("bmc-n1", "1", action)


def test_a_command_takes_effect_after_the_lag_of_the_hardware(world, clock):
    world.set_faults("bmc-n1", power_off_lag=5.0, power_on_lag=2.0)
    switch(world, Action.OFF)
    clock.advance(4.9)
    assert world.is_on("n1")
    clock.advance(0.2)
    assert not world.is_on("n1")
    switch(world, Action.ON)
    clock.advance(1.9)
    assert not world.is_on("n1")
    clock.advance(0.2)
    assert world.is_on("n1")


def test_no_lag_is_at_once(world):
    world.set_faults("bmc-n1", power_off_lag=0)
    switch(world, Action.OFF)
    assert not world.is_on("n1")


def test_commands_take_effect_in_their_order(world, clock):
    world.set_faults("bmc-n1", power_off_lag=5.0, power_on_lag=0.1)
    switch(world, Action.OFF)
    switch(world, Action.ON)
    clock.advance(5.05)
    assert not world.is_on("n1")
    clock.advance(0.1)
    assert world.is_on("n1")
    assert [event.what for event in world.history if event.subject == "n1"] == [
        "power on",
        "power off",
        "power on",
    ]


def test_each_boot_is_a_new_one(world, clock):
    node = world.node("n1")
    seen = {node.boot_id}
    switch(world, Action.RESET)
    clock.advance(1)
    seen.add(node.boot_id)
    switch(world, Action.CYCLE)
    clock.advance(1)
    seen.add(node.boot_id)
    switch(world, Action.ON)
    clock.advance(1)
    assert (node.boots, node.resets, len(seen), node.boot_id in seen) == (3, 2, 3, True)


@pytest.mark.parametrize("action", [Action.RESET, Action.CYCLE, Action.SOFT_OFF])
def test_what_needs_power_does_nothing_to_a_node_that_is_off(world, clock, action):
    world.power_off("n1")
    with pytest.raises(NotPossible):
        switch(world, action)
    world.reset("n1")
    clock.advance(10)
    node = world.node("n1")
    assert (node.on, node.boots, node.resets) == (False, 1, 0)


def test_the_operating_system_shuts_down_in_its_own_time(world, clock):
    world.set_faults("bmc-n1", soft_off_delay=30.0)
    switch(world, Action.SOFT_OFF)
    clock.advance(29)
    assert world.is_on("n1")
    clock.advance(2)
    assert not world.is_on("n1")


def test_a_deaf_operating_system_stays(world, clock):
    world.set_faults("bmc-n1", soft_off_ignored=True)
    switch(world, Action.SOFT_OFF)
    clock.advance(1000)
    assert world.is_on("n1")


def test_a_reset_forgets_the_shutdown_that_was_asked_before(world, clock):
    world.set_faults("bmc-n1", soft_off_delay=30.0)
    switch(world, Action.SOFT_OFF)
    switch(world, Action.RESET)
    clock.advance(100)
    assert world.is_on("n1")


def test_a_shutdown_does_not_hold_up_a_hard_off(world, clock):
    world.set_faults("bmc-n1", soft_off_delay=60.0)
    switch(world, Action.SOFT_OFF)
    clock.advance(10)
    switch(world, Action.OFF)
    clock.advance(1)
    assert not world.is_on("n1")


def test_the_button_starts_a_node_that_is_off(world):
    world.power_off("n1")
    world.press_power_button("n1")
    assert world.is_on("n1")
    assert world.node("n1").started_by is Cause.BUTTON


def test_a_device_may_lie(world, clock):
    world.set_faults("bmc-n1", lie_state="off", ignore_commands=True)
    assert world.read("bmc-n1", "1") is False
    switch(world, Action.OFF)
    clock.advance(10)
    assert world.is_on("n1")


def test_a_device_may_refuse(world, clock):
    world.set_faults("bmc-n1", refuse=0xC0)
    with pytest.raises(Refused) as refusal:
        switch(world, Action.OFF)
    clock.advance(10)
    assert refusal.value.code == 0xC0
    assert world.is_on("n1")


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"dread": True}, "dread"),
        ({"dead": 1}, "dead"),
        ({"lag": -1}, "lag"),
        ({"lag": "1"}, "lag"),
        ({"drop": 1.1}, "drop"),
        ({"garbage": True}, "garbage"),
        ({"refuse": 1 << 16}, "refuse"),
        ({"refuse": 1.5}, "refuse"),
        ({"lie_state": "maybe"}, "lie_state"),
        ({"session_limit": 1.5}, "session_limit"),
        ({"self": 1}, "self"),
        ({"device": 1}, "device"),
    ],
)
def test_faults_are_checked_and_named(world, changes, named):
    with pytest.raises(BadFault, match=named):
        world.set_faults("bmc-n1", **changes)
    assert world.device("bmc-n1").faults == HEALTHY


def test_heal(world):
    world.set_faults("bmc-n1", dead=True)
    world.heal("bmc-n1")
    assert world.device("bmc-n1").faults == HEALTHY
    world.set_faults("bmc-n1", drop=0.5)
    world.heal()
    assert world.device("bmc-n1").faults == HEALTHY


def test_unknown_names(world):
    for call in (
        lambda: world.is_on("n9"),
        lambda: world.power_on("n9"),
        lambda: world.set_faults("bmc-n9", dead=True),
        lambda: world.heal("bmc-n9"),
        lambda: world.read("bmc-n1", "2"),
        lambda: world.plug("bmc-n1", "2", "n9"),
    ):
        with pytest.raises(UnknownName):
            call()
    for call in (lambda: world.add_node("n1"), lambda: world.add_device("bmc-n1", "bmc")):
        with pytest.raises(ValueError, match="already"):
            call()


def test_a_restart_finds_the_same_world(world, clock):
    world.add_node("n2", rack=3, unit=4)
    world.add_device("board", "relay", port=502, accounts={1: Account("a", "b", privilege=2, enabled=False)})
    world.plug("board", "7", "n2")
    world.set_faults("board", refuse=0xD5, drop=0.25, lie_state="on")
    world.remember("board", "boot option 5", {"value": "8004000000", "boot_id": "x"})
    world.press_power_button("n1")
    clock.advance(10)
    kept = json.loads(json.dumps(world.to_dict()))
    again = World.from_dict(kept, clock=ManualClock())
    assert (again.nodes, again.devices) == (world.nodes, world.devices)
    assert list(again.history) == list(world.history)
    assert again.node("n1").started_by is Cause.UNKNOWN
    assert again.device("board").faults == Faults(refuse=0xD5, drop=0.25, lie_state="on")
    assert again.to_dict() == world.to_dict()


def test_watchers_are_told_until_they_leave(world):
    told = []
    leave = world.watch(told.append)
    world.power_off("n1")
    world.set_password("bmc-n1", 2, "x")
    leave()
    world.power_on("n1")
    assert [(event.subject, event.what) for event in told] == [
        ("n1", "power off"),
        ("bmc-n1", "password of account 2 changed"),
    ]


class TestWire:
    def carried(self, clock, packets=400, seed=1, **faults):
        """What arrives of so many packets, and what is answered."""
        wire, found = Wire(clock, seed), HEALTHY.changed(**faults)
        arrived, answers = 0, []
        for number in range(packets):
            arrived += wire.copies_arriving(found)
            wire.send(found, number.to_bytes(2), answers.append)
        return arrived, answers

    def test_healthy(self, clock):
        assert self.carried(clock) == (400, [n.to_bytes(2) for n in range(400)])

    def test_dead(self, clock):
        assert self.carried(clock, dead=True) == (0, [])

    def test_drop_loses_in_both_directions(self, clock):
        arrived, answers = self.carried(clock, drop=0.25)
        assert 250 < arrived < 350
        assert 250 < len(answers) < 350

    def test_duplicate(self, clock):
        arrived, answers = self.carried(clock, duplicate=0.25)
        assert 450 < arrived < 550
        assert 450 < len(answers) < 550
        assert len(set(answers)) == 400

    def test_lag(self, clock):
        _, answers = self.carried(clock, lag=2.0)
        clock.advance(1.9)
        assert answers == []
        clock.advance(0.2)
        assert answers == [n.to_bytes(2) for n in range(400)]

    def test_reorder(self, clock):
        _, answers = self.carried(clock, reorder=0.5)
        clock.advance(1)
        assert sorted(answers) == [n.to_bytes(2) for n in range(400)] != answers

    def test_garbage(self, clock):
        _, answers = self.carried(clock, garbage=1.0)
        sound = [answer for number, answer in enumerate(answers) if answer == number.to_bytes(2)]
        assert len(answers) == 400
        assert len(sound) < 10
        assert {len(answer) < 2 for answer in answers} == {True, False}

    def test_the_seed_decides(self, clock):
        assert self.carried(clock, drop=0.5, seed=7) == self.carried(clock, drop=0.5, seed=7)
        assert self.carried(clock, drop=0.5, seed=7) != self.carried(clock, drop=0.5, seed=8)

"""What is written of what was seen, and what becomes an event."""

from __future__ import annotations

import time
from datetime import timedelta
from types import SimpleNamespace

import pytest
from celery import Celery
from sqlalchemy import select

from cloudmanager.config import load
from cloudmanager.drivers.base import PowerState
from cloudmanager.models import Event, FlowRow, Node, NodeControl, PowerControl, utc_now
from cloudmanager.monitor import roll
from cloudmanager.monitor.keeper import BACK, DRIFT, SILENT, Keeper
from cloudmanager.monitor.poller import Look
from workers import tasks, upkeep


class Watch:
    """A board with two nodes; the second is plugged into a second control as well."""

    def __init__(self, database):
        self.database = database
        self.keeper = Keeper(database, misses=3)
        with database.transaction() as session:
            nodes = [Node(name="n1"), Node(name="n2")]
            controls = [
                PowerControl(
                    title=title, control_type="T", protocol_type="p", host="h", port_number=1, coils_count=8
                )
                for title in ("board", "spare")
            ]
            session.add_all([*nodes, *controls])
            session.flush()
            session.add_all(
                [
                    NodeControl(node_id=1, power_control_id=1, power_control_port="1", is_default=True),
                    NodeControl(node_id=2, power_control_id=1, power_control_port="2", is_default=True),
                    NodeControl(node_id=2, power_control_id=2, power_control_port="1", is_default=False),
                ]
            )
        self.board, self.spare = roll.watched(database)
        self.now = time.time() + 100

    def look(self, *states, device=None, misses=0):
        device = device or self.board
        read = {str(number): state for number, state in enumerate(states, start=1)} if states else None
        self.now += 2
        self.keeper.keep([Look(device, self.now, read, "no answer" if misses else "", misses)])

    def states(self):
        with self.database.reading() as session:
            return list(session.scalars(select(Node.power_state).order_by(Node.id)))

    def events(self):
        with self.database.reading() as session:
            return [
                (event.kind, event.subject) for event in session.scalars(select(Event).order_by(Event.id))
            ]


@pytest.fixture
def watch(database):
    return Watch(database)


ON, OFF, UNKNOWN = PowerState.ON, PowerState.OFF, PowerState.UNKNOWN


def test_one_look_serves_all_nodes_of_a_board(watch):
    watch.look(ON, OFF)
    assert watch.states() == ["power_on", "power_off"]
    assert watch.events() == []


def test_a_change_behind_our_back_is_an_event(watch):
    watch.look(ON, ON)
    watch.look(OFF, ON)
    assert watch.states() == ["power_off", "power_on"]
    assert watch.events() == [(DRIFT, "node:1")]


def test_what_an_open_task_does_is_no_drift(watch):
    watch.look(ON, ON)
    with watch.database.transaction() as session:
        session.add(FlowRow(id="f", kind="power-off", subject="node:1", params={}, memo={}, wake_at=0))
    watch.look(OFF, ON)
    assert watch.states()[0] == "power_off"
    assert watch.events() == []


def test_what_a_task_has_done_and_recorded_is_no_drift(watch):
    watch.look(ON, ON)
    with watch.database.transaction() as session:
        session.get(Node, 1).power_state = "power_off"
    watch.look(OFF, ON)
    assert watch.events() == []
    watch.look(ON, ON)
    assert watch.events() == [(DRIFT, "node:1")]


def test_silence_is_unknown_after_some_misses_never_off(watch):
    watch.look(ON, ON)
    for misses in (1, 2):
        watch.look(misses=misses)
    assert watch.states() == ["power_on", "power_on"]
    for misses in (3, 4, 5):
        watch.look(misses=misses)
    assert watch.states() == [None, None]
    assert watch.events() == [(SILENT, "power_control:1")]
    watch.look(ON, OFF)
    assert watch.states() == ["power_on", "power_off"]
    assert watch.events() == [(SILENT, "power_control:1"), (BACK, "power_control:1")]


def test_a_device_that_does_not_know_makes_unknown(watch):
    watch.look(ON, ON)
    watch.look(UNKNOWN, ON)
    assert watch.states() == [None, "power_on"]
    assert watch.events() == []


def test_only_the_default_control_says_how_the_node_is(watch):
    watch.look(ON, ON)
    watch.look(OFF, device=watch.spare)
    assert watch.states() == ["power_on", "power_on"]
    with watch.database.reading() as session:
        spare = session.get(NodeControl, (2, 2))
        assert (spare.power_state, spare.is_initialized) == ("power_off", True)


def test_an_older_look_does_not_overwrite_a_newer_one(watch):
    """A task confirmed the state after the monitor had looked, and before the monitor wrote."""
    watch.look(ON, ON)
    with watch.database.transaction() as session:
        for node in session.scalars(select(Node)):
            node.power_state = "power_off"
            node.power_state_checked_at = utc_now().replace(year=2100)
    watch.look(ON, ON)
    assert watch.states() == ["power_off", "power_off"]


def test_a_batch_is_one_transaction_and_few_statements(watch):
    from sqlalchemy import event

    statements = []
    event.listen(watch.database.engine, "before_cursor_execute", lambda *given: statements.append(given[2]))
    watch.keeper.keep([Look(watch.board, watch.now, {"1": ON, "2": ON}) for _ in range(100)])
    assert len([text for text in statements if text.startswith("UPDATE")]) == 2
    assert len(statements) <= 4


def test_monitors_share_all_devices_and_few_change_hands(watch):
    devices = [roll.Watched(key, "", "T", "h", 1, None, None, None, {}, ()) for key in range(1000)]
    alone = roll.share(devices, "a", ["a"])
    assert alone == devices
    of_two = {name: {each.id for each in roll.share(devices, name, ["a", "b"])} for name in "ab"}
    assert of_two["a"] | of_two["b"] == set(range(1000))
    assert not of_two["a"] & of_two["b"]
    assert 400 < len(of_two["a"]) < 600
    of_three = {each.id for each in roll.share(devices, "a", ["a", "b", "c"])}
    assert of_three < of_two["a"]


def test_monitors_know_of_each_other_until_they_leave_or_fall_silent(database):
    assert roll.check_in(database, "a", 100.0, 15) == ["a"]
    assert roll.check_in(database, "b", 101.0, 15) == ["a", "b"]
    assert roll.check_in(database, "b", 116.0, 15) == ["b"]
    roll.check_in(database, "a", 117.0, 15)
    roll.check_out(database, "b")
    assert roll.check_in(database, "a", 118.0, 15) == ["a"]


def test_a_device_whose_password_is_being_changed_is_left_alone(watch):
    """Which of the two it has is not known, and it may lock an account that tries."""
    before = {device.id for device in roll.watched(watch.database)}
    with watch.database.transaction() as session:
        session.get(PowerControl, watch.board.id).sealed_pending_password = "sealed"
    assert {device.id for device in roll.watched(watch.database)} == before - {watch.board.id}
    with watch.database.transaction() as session:
        session.get(PowerControl, watch.board.id).sealed_pending_password = None
    assert {device.id for device in roll.watched(watch.database)} == before


def test_old_events_are_forgotten(database):
    with database.transaction() as session:
        session.add_all(
            Event(kind=DRIFT, subject=f"node:{days}", message="m", time=utc_now() - timedelta(days=days))
            for days in (0, 89, 91)
        )
    app = Celery(set_as_current=False)
    tasks.bind(app, SimpleNamespace(database=database, config=load()))
    app.tasks[upkeep.PRUNE]()
    with database.reading() as session:
        assert set(session.scalars(select(Event.subject))) == {"node:0", "node:89"}

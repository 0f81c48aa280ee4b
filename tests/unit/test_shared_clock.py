"""The time that processes on several machines share."""

from __future__ import annotations

import threading
import time

import pytest
from sqlalchemy.exc import OperationalError
from structlog.testing import capture_logs

from cloudmanager.shared_clock import SharedClock


class Server:
    """A database's clock, our machine's wrong one, and the monotonic one that is right."""

    def __init__(self, ahead):
        self.passed = 0.0
        self.ahead = ahead
        self.away = False
        self.slow = 0.0
        self.asked = 0
        self.clock = SharedClock(self.ask, here=lambda: self.time() + self.ahead, steady=lambda: self.passed)

    def time(self):
        return 1_000_000.0 + self.passed

    def ask(self):
        self.asked += 1
        if self.away:
            raise OperationalError("SELECT", {}, OSError("gone"))
        self.passed += self.slow
        return self.time()

    def let_pass(self, seconds):
        self.passed += seconds
        self.clock.now()
        for thread in threading.enumerate():
            if thread.name == "shared clock":
                thread.join()


@pytest.mark.parametrize("ahead", [-3600.0, 0.0, 3600.0])
def test_it_is_the_databases_time(ahead):
    server = Server(ahead)
    assert server.clock.now() == server.time()
    server.let_pass(7.0)
    assert server.clock.now() == server.time()
    assert server.asked == 1


def test_it_is_asked_again_from_time_to_time():
    server = Server(0.0)
    server.clock.now()
    for _ in range(10):
        server.let_pass(12.0)
    assert 3 <= server.asked <= 5


def test_a_jump_of_our_clock_changes_nothing():
    server = Server(0.0)
    server.clock.now()
    server.ahead = 3600.0
    assert server.clock.now() == server.time()


def test_without_the_database_time_goes_on():
    server = Server(5.0)
    server.clock.now()
    server.away = True
    server.let_pass(100.0)
    assert server.asked == 2
    assert server.clock.now() == server.time()


def test_what_was_never_told_is_our_own_time_until_it_is():
    server = Server(5.0)
    server.away = True
    assert server.clock.now() == server.time() + 5.0
    server.away = False
    assert server.clock.now() == server.time()


def test_a_slow_answer_does_not_count():
    server = Server(0.0)
    server.clock.now()
    server.slow = 8.0
    server.let_pass(40.0)
    assert server.clock.now() == server.time()


@pytest.mark.parametrize(("ahead", "told"), [(1.0, False), (-90.0, True), (90.0, True)])
def test_a_wrong_clock_is_told_once(ahead, told):
    server = Server(ahead)
    with capture_logs() as lines:
        server.clock.now()
        server.let_pass(100.0)
    assert [line["seconds_ahead"] for line in lines if line["log_level"] == "warning"] == (
        [ahead] if told else []
    )


@pytest.mark.both_databases
def test_a_database_tells_the_time(database):
    assert database.now() == pytest.approx(time.time(), abs=2.0)

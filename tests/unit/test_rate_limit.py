"""Requests at a steady rate, some at once, each caller alone."""

from __future__ import annotations

import pytest

from cloudmanager.api import rate_limit
from cloudmanager.api.rate_limit import RateLimit


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def test_a_burst_and_then_the_rate(clock):
    limit = RateLimit(2.0, 3, clock)
    assert [limit.wait("a") for _ in range(4)] == [0.0, 0.0, 0.0, 0.5]
    assert limit.wait("b") == 0.0
    clock.now += 0.5
    assert [limit.wait("a"), limit.wait("a")] == [0.0, 0.5]
    clock.now += 60
    assert [limit.wait("a") for _ in range(4)] == [0.0, 0.0, 0.0, 0.5]


def test_a_rate_of_nothing_is_no_limit(clock):
    limit = RateLimit(0.0, 1, clock)
    assert {limit.wait("a") for _ in range(100)} == {0.0}


def test_those_who_could_ask_freely_are_forgotten_first(clock, monkeypatch):
    monkeypatch.setattr(rate_limit, "_KEPT", 2)
    limit = RateLimit(1.0, 1, clock)
    limit.wait("old")
    clock.now += 5
    limit.wait("hasty")
    limit.wait("new")
    assert limit.wait("hasty") == 1.0
    limit.wait("one more")
    assert limit.wait("one more") == 1.0

"""Leases: one holder at a time, by the time of the database."""

from __future__ import annotations

import pytest

from cloudmanager import leases

pytestmark = pytest.mark.both_databases


def hold(database, holder, now):
    return leases.hold(database, "work", holder, now=now, seconds=10)


def test_one_holds_it_until_it_ends_or_is_given_back(database):
    assert hold(database, "a", 100.0)
    assert not hold(database, "b", 109.0)
    assert hold(database, "a", 109.0)
    assert not hold(database, "b", 118.0)
    assert hold(database, "b", 119.0)
    leases.release(database, "work", "a")
    assert not hold(database, "a", 120.0)
    leases.release(database, "work", "b")
    assert hold(database, "a", 120.0)


def test_leases_of_other_names_are_other_leases(database):
    assert hold(database, "a", 100.0)
    assert leases.hold(database, "other work", "b", now=100.0, seconds=10)


@pytest.mark.parametrize("length", [10.5, 60.0])
def test_a_holder_that_is_a_little_ahead_or_asked_for_more_is_not_robbed(database, length):
    assert leases.hold(database, "work", "a", now=100.0, seconds=length)
    assert not hold(database, "b", 100.0)


def test_a_lease_from_before_the_clock_was_set_back_is_free(database):
    assert hold(database, "a", 3700.0)
    assert hold(database, "b", 100.0)
    assert not hold(database, "a", 101.0)

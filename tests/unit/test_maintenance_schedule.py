"""When windows are open: daylight saving, openings once, and properties that hold for any schedule."""

from __future__ import annotations

import itertools
from contextlib import suppress
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cloudmanager.flows.maintenance.schedule import (
    Schedule,
    check_cron,
    check_time_zone,
    moment_of,
    seconds_of,
)

HOUR = 3600.0
BERLIN, NEW_YORK, LORD_HOWE, APIA = "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia"


def utc(text):
    return seconds_of(datetime.fromisoformat(text))


def opens(schedule, after, count):
    """The next openings as UTC, to the minute."""
    found = itertools.islice(schedule.openings(utc(after)), count)
    return [moment_of(opening.opens_at).isoformat(timespec="minutes") for opening in found]


def test_ten_in_the_evening_is_that_in_summer_and_in_winter():
    schedule = Schedule(HOUR, "0 22 * * SAT", BERLIN)
    assert opens(schedule, "2027-03-20T00:00", 3) == [
        "2027-03-20T21:00",
        "2027-03-27T21:00",
        "2027-04-03T20:00",
    ]


def test_a_time_that_the_clock_skips_is_the_first_moment_after_the_gap():
    """On 2027-03-28 clocks in Berlin go from 2 to 3, which is 01:00 UTC."""
    schedule = Schedule(HOUR, "30 2 * * *", BERLIN)
    assert opens(schedule, "2027-03-27T00:00", 3) == [
        "2027-03-27T01:30",
        "2027-03-28T01:00",
        "2027-03-29T00:30",
    ]


def test_a_time_that_comes_twice_counts_the_first_time():
    """On 2027-10-31 clocks in Berlin go from 3 back to 2, which is 01:00 UTC."""
    schedule = Schedule(HOUR, "30 2 * * *", BERLIN)
    assert opens(schedule, "2027-10-30T12:00", 2) == ["2027-10-31T00:30", "2027-11-01T01:30"]
    assert schedule.open_at(utc("2027-10-31T01:31")) is None, "the second half past two"


def test_every_hour_is_every_hour_whatever_the_clock_shows():
    schedule = Schedule(60.0, "0 * * * *", BERLIN)
    for day, first in (("2027-03-28T00:30", 1), ("2027-10-31T00:30", 1)):
        date = day.partition("T")[0]
        assert opens(schedule, day, 3) == [f"{date}T0{hour}:00" for hour in range(first, first + 3)]


def test_a_window_is_open_for_its_length_whatever_the_clock_does():
    schedule = Schedule(4 * HOUR, "0 0 * * SUN", BERLIN)
    (opening,) = itertools.islice(schedule.openings(utc("2027-03-27T12:00")), 1)
    assert opening.closes_at - opening.opens_at == 4 * HOUR
    assert datetime.fromtimestamp(opening.closes_at, ZoneInfo(BERLIN)).hour == 5


@pytest.mark.parametrize(
    ("zone", "after", "expected"),
    [
        (NEW_YORK, "2027-03-14T00:00", "2027-03-14T07:00"),  # 2:00 EST is 3:00 EDT
        (LORD_HOWE, "2027-10-02T12:00", "2027-10-02T15:30"),  # half an hour is skipped
        (APIA, "2011-12-30T00:00", "2011-12-30T10:00"),  # the whole 30th is skipped
    ],
)
def test_zones_that_are_less_usual(zone, after, expected):
    assert opens(Schedule(HOUR, "15 2 * * *", zone), after, 1) == [expected]


def test_open_at():
    schedule = Schedule(HOUR, "0 2 * * *")
    inside = schedule.open_at(utc("2027-01-01T02:59:59"))
    assert (inside.opens_at, inside.closes_at) == (utc("2027-01-01T02:00"), utc("2027-01-01T03:00"))
    assert schedule.open_at(utc("2027-01-01T02:00")) == inside, "it opens at its time"
    assert schedule.open_at(utc("2027-01-01T03:00")) is None, "and is closed at its end"
    assert schedule.open_at(utc("2027-01-01T01:59:59")) is None


def test_next_to_close_is_the_one_that_is_open_or_the_next():
    schedule = Schedule(HOUR, "0 2 * * *")
    assert schedule.next_to_close(utc("2027-01-01T02:30")).opens_at == utc("2027-01-01T02:00")
    assert schedule.next_to_close(utc("2027-01-01T03:30")).opens_at == utc("2027-01-02T02:00")


def test_once():
    schedule = Schedule.stored({"starts_at": "2027-01-01T02:00:00"}, HOUR)
    assert schedule.open_at(utc("2027-01-01T01:59")) is None
    assert schedule.next_to_close(utc("2027-01-01T01:59")).opens_at == utc("2027-01-01T02:00")
    assert schedule.open_at(utc("2027-01-01T02:59")).closes_at == utc("2027-01-01T03:00")
    assert schedule.next_to_close(utc("2027-01-01T03:00")) is None
    assert not schedule.overlaps(utc("2026-01-01T00:00"))


@pytest.mark.parametrize(
    ("cron", "zone", "length", "overlaps"),
    [
        ("0 2 * * *", "UTC", 24 * HOUR, False),
        ("0 2 * * *", "UTC", 24 * HOUR + 60, True),
        ("0 2 * * *", BERLIN, 24 * HOUR, True),  # once a year the next two o'clock comes after 23 hours
        ("0 2 * * *", BERLIN, 23 * HOUR, False),
        ("0 2,3 * * *", "UTC", HOUR, False),
        ("0 2,3 * * *", "UTC", HOUR + 60, True),
        ("0 0 29 2 *", "UTC", 7 * 24 * HOUR, False),
    ],
)
def test_overlaps(cron, zone, length, overlaps):
    assert Schedule(length, cron, zone).overlaps(utc("2027-01-01T00:00")) == overlaps


FIELDS = [(0, 59), (0, 23), (1, 31), (1, 12), (0, 7)]


@st.composite
def expressions(draw):
    """Cron expressions of all forms."""

    def field(low, high):
        number = st.integers(low, high)
        pair = st.tuples(number, number).map(lambda ends: f"{min(ends)}-{max(ends)}")
        step = st.integers(1, high).map(lambda every: f"*/{every}")
        several = st.lists(number, min_size=1, max_size=3).map(lambda many: ",".join(map(str, many)))
        return draw(st.one_of(st.just("*"), number.map(str), pair, step, several))

    return " ".join(field(low, high) for low, high in FIELDS)


SOME_TIME = st.integers(int(utc("2025-01-01T00:00")), int(utc("2029-01-01T00:00")))
TRANSITIONS = ("2027-03-28T00:59:59", "2027-10-31T00:15", "2027-10-31T01:15", "2027-03-14T06:59:59")
AROUND = st.one_of(
    SOME_TIME,
    st.tuples(st.sampled_from(TRANSITIONS), st.integers(-7200, 7200)).map(
        lambda near: int(utc(near[0])) + near[1]
    ),
)
ZONES = st.sampled_from(["UTC", BERLIN, NEW_YORK, LORD_HOWE, "America/St_Johns", "Asia/Beirut"])


@settings(max_examples=300, deadline=None)
@given(expressions(), ZONES, AROUND, st.integers(60, 7 * 86400))
@example("30 2 * * *", BERLIN, int(utc("2027-10-31T01:15")), 3600)
@example("0 0 * * *", "Asia/Beirut", int(utc("2027-03-27T21:00")), 3600)
def test_openings_are_in_order_and_found_again_from_anywhere(cron, zone, after, length):
    """A scheduler that looks at any moment sees the openings that one sees who has looked all along."""
    try:
        check_cron(cron)
    except ValueError:
        return  # such as 31 February
    schedule = Schedule(length, cron, zone)
    found = list(itertools.islice(schedule.openings(after), 5))
    times = [opening.opens_at for opening in found]
    assert all(at > after for at in times)
    assert times == sorted(set(times))
    for opening, following in itertools.pairwise(found):
        assert next(schedule.openings(opening.opens_at)) == following
        assert next(schedule.openings(following.opens_at - 1)) == following
        assert schedule.open_at(opening.opens_at) == opening
        last = min(opening.closes_at, following.opens_at) - 1
        assert schedule.open_at(last) == opening
        if following.opens_at > opening.closes_at:
            assert schedule.open_at(opening.closes_at) is None


@given(st.text("0123456789*/-,#LW MONSAT", max_size=40))
def test_any_text_is_a_cron_expression_or_refused(text):
    with suppress(ValueError):
        check_cron(text)
        next(Schedule(60, text).openings(0), None)


@pytest.mark.parametrize("name", ["Europe", "Europe/", "/etc/passwd", "../UTC", "", "europe/berlin", "Mars"])
def test_what_is_no_time_zone(name):
    with pytest.raises(ValueError, match="no time zone"):
        check_time_zone(name)


def test_times_go_there_and_back():
    assert moment_of(utc("2027-01-01T02:00")) == datetime(2027, 1, 1, 2, tzinfo=UTC).replace(tzinfo=None)

"""Audits by schedule: each time once, late if need be, and never two of an aggregate at a time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update

from cloudmanager.audits.rows import prune
from cloudmanager.errors import Misconfigured
from cloudmanager.flows.audits.opening import begin_audit
from cloudmanager.flows.audits.schedule import LATE, Entry, begin_due, due
from cloudmanager.models import Audit, FlowRow, utc_now
from cloudmanager.openstack.records import Aggregate

PROD = Aggregate(5, "prod", None, frozenset())
AT_3 = datetime(2027, 3, 7, 3, tzinfo=UTC).timestamp()
SUNDAYS = Entry.read("prod: 0 3 * * 0")
PARAMS = {"mode": "balance", "auto_apply": True}


def begin(database, now, entries=(SUNDAYS,), aggregates=(PROD,)):
    rung = []
    begun = begin_due(database, due(database, entries, now), aggregates, PARAMS, rung.extend)
    assert rung == begun
    return begun


def audits(database):
    with database.reading() as session:
        return list(session.scalars(select(Audit).order_by(Audit.id)))


@pytest.mark.both_databases
def test_each_time_is_begun_once(database):
    assert begin(database, AT_3 - 1) == []
    (task_id,) = begin(database, AT_3 + 1)
    assert begin(database, AT_3 + 5) == []
    (audit,) = audits(database)
    assert (audit.task_id, audit.scheduled_for, audit.auto_apply) == (task_id, AT_3, True)
    end(database, task_id)
    assert begin(database, AT_3 + 60) == []
    assert len(begin(database, AT_3 + 7 * 86400)) == 1


def test_two_schedulers_begin_it_once(database):
    both = [due(database, [SUNDAYS], AT_3 + 1) for _ in range(2)]
    begun = [begin_due(database, ready, [PROD], PARAMS, lambda _: None) for ready in both]
    assert [len(tasks) for tasks in begun] == [1, 0]


def test_by_id_as_well_as_by_name(database):
    assert len(begin(database, AT_3, [Entry.read(" 5 : 0 3 * * SUN")])) == 1
    assert due(database, [Entry.read("5: 0 3 * * 0"), SUNDAYS], AT_3 + 1) == []


def test_an_aggregate_that_is_being_balanced_waits(database):
    with database.transaction() as session:
        _, running = begin_audit(session, PROD, PARAMS, requested_by="me")
    assert begin(database, AT_3) == []
    end(database, running)
    assert begin(database, AT_3 + LATE + 1) == []
    assert len(begin(database, AT_3 + LATE - 1)) == 1


def test_an_aggregate_that_is_not_there_keeps_nobody_waiting(database):
    assert len(begin(database, AT_3, [Entry.read("lost: 0 3 * * *"), SUNDAYS])) == 1


@pytest.mark.parametrize("line", ["", "prod", "0 3 * * 0", ": 0 3 * * 0", "prod: often", "prod: 61 3 * * 0"])
def test_what_is_no_schedule_is_refused(line):
    with pytest.raises(Misconfigured, match=r"\[drs\] schedule"):
        Entry.read(line)


def end(database, task_id):
    with database.transaction() as session:
        session.execute(update(FlowRow).where(FlowRow.id == task_id).values(ended_at=utc_now()))


def test_audits_that_ended_long_ago_are_forgotten(database):
    for number in range(3):
        with database.transaction() as session:
            begin_audit(session, Aggregate(number, "x", None, frozenset()), PARAMS, requested_by="me")
    old, young, _ = audits(database)
    with database.transaction() as session:
        session.get(Audit, old.id).ended_at = utc_now() - timedelta(days=91)
        session.get(Audit, young.id).ended_at = utc_now() - timedelta(days=89)
    prune(database, utc_now() - timedelta(days=90))
    assert [audit.aggregate_id for audit in audits(database)] == [1, 2]

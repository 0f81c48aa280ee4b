"""The audit log is append-only in the database itself."""

from datetime import timedelta

import pytest
from sqlalchemy import delete, func, insert, select, text, update
from sqlalchemy.exc import IntegrityError

from cloudmanager.models import AuditRecord, utc_now

pytestmark = pytest.mark.both_databases


@pytest.fixture
def records(database):
    """One record of each age."""
    record = {
        "request_id": "r",
        "action": "a",
        "method": "POST",
        "path": "/",
        "status": 200,
        "outcome": "success",
    }
    with database.transaction() as session:
        for days in (0, 29, 31):
            session.execute(insert(AuditRecord).values(time=utc_now() - timedelta(days=days), **record))
    return database


def count(database):
    with database.reading() as session:
        return session.scalar(select(func.count()).select_from(AuditRecord))


def refused(database, statement):
    with pytest.raises(IntegrityError, match="append-only"), database.transaction() as session:
        session.execute(statement)


def test_no_record_is_changed(records):
    for changed in ({"user_name": "nobody"}, {"time": utc_now() - timedelta(days=99)}):
        refused(records, update(AuditRecord).values(**changed))
        refused(records, update(AuditRecord).where(AuditRecord.id == 3).values(**changed))


def test_only_old_records_are_deleted(records):
    refused(records, delete(AuditRecord))
    refused(records, delete(AuditRecord).where(AuditRecord.id == 2))
    assert count(records) == 3
    with records.transaction() as session:
        session.execute(delete(AuditRecord).where(AuditRecord.id == 3))
    assert count(records) == 2


def test_the_table_is_not_emptied_at_once(records):
    if records.dialect == "postgresql":
        refused(records, text("TRUNCATE audit_log"))
    assert count(records) == 3


def test_replacing_is_no_way_round(records):
    columns = "id, time, request_id, action, method, path, status, outcome"
    values = "1, '2026-01-01', 'x', 'x', 'x', 'x', 200, 'success'"
    if records.dialect == "sqlite":
        refused(records, text(f"REPLACE INTO audit_log ({columns}) VALUES ({values})"))

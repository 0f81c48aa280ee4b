"""Transactions on both databases: all or nothing, snapshots, writers that wait for each other, reconnecting."""

from __future__ import annotations

import threading
import time

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from cloudmanager.db import Database, after_commit, is_passing
from cloudmanager.errors import Busy
from cloudmanager.flows import FLOWS, start, store
from cloudmanager.flows.base import Flow
from cloudmanager.models import FlowRow, Node

both = pytest.mark.both_databases
on_postgresql = pytest.mark.usefixtures("only_postgresql")


@pytest.fixture
def backend(request):
    """PostgreSQL for a test that wants it alone."""
    default = "postgresql" if "only_postgresql" in request.fixturenames else "sqlite"
    return getattr(request, "param", default)


@pytest.fixture
def only_postgresql():
    pass


def names(database):
    with database.reading() as session:
        return sorted(session.scalars(select(Node.name)))


@both
def test_all_or_nothing(database):
    told = []
    with pytest.raises(ZeroDivisionError), database.transaction() as session:  # noqa: PT012
        session.add(Node(name="a"))
        session.flush()
        after_commit(session, lambda: told.append("a"))
        raise ZeroDivisionError
    assert (names(database), told) == ([], [])
    with database.transaction() as session:
        session.add(Node(name="b"))
        after_commit(session, lambda: told.append("b"))
        assert told == []
    assert (names(database), told) == (["b"], ["b"])


@both
def test_a_reader_sees_one_state(database):
    with database.reading() as session:
        assert session.scalars(select(Node.name)).all() == []
        with database.transaction() as other:
            other.add(Node(name="meanwhile"))
        assert session.scalars(select(Node.name)).all() == []
    assert names(database) == ["meanwhile"]


@both
def test_two_writers_of_one_row_take_turns(database):
    """Each adds one to what it read: no update is lost."""
    with database.transaction() as session:
        session.add(Node(name="n", ram_mb=0))

    def add_one():
        with database.transaction() as session:
            node = session.scalars(select(Node).with_for_update()).one()
            time.sleep(0.01)
            node.ram_mb += 1

    threads = [threading.Thread(target=add_one) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.reading() as session:
        assert session.scalar(select(Node.ram_mb)) == 8


@both
def test_one_name_for_one_of_many_writers(database):
    """Constraints hold between transactions that do not see each other."""
    gate = threading.Barrier(8)
    outcomes = []

    def insert():
        gate.wait()
        try:
            with database.transaction() as session:
                session.add(Node(name="the name"))
            outcomes.append("stored")
        except IntegrityError:
            outcomes.append("refused")

    threads = [threading.Thread(target=insert) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["refused"] * 7 + ["stored"]


@both
def test_one_open_flow_and_one_claim_under_contention(database, monkeypatch):
    monkeypatch.setitem(FLOWS, "test", Flow(kind="test", summary="", queue="power", steps=()))
    gate = threading.Barrier(8)
    started, claimed, holders = [], [], []

    def compete():
        gate.wait()
        try:
            with database.transaction() as session:
                started.append(
                    start(session, "test", subject="node:1", params={}, requested_by=None, request_id=None)
                )
        except Busy as busy:
            holders.append(busy.flow_id)
        gate.wait()
        claimed.extend(store.claim(database, list(started), time.time() + 1, horizon=5, lease=15))

    threads = [threading.Thread(target=compete) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert holders == started * 7
    assert [state.id for state in claimed] == started
    with database.reading() as session:
        assert session.scalars(select(FlowRow.lease_number)).all() == [1]


@on_postgresql
@pytest.mark.peer
def test_a_reader_cannot_write(database):
    with database.reading() as session:
        session.add(Node())
        with pytest.raises(DBAPIError, match="read-only"):
            session.flush()


@on_postgresql
@pytest.mark.peer
def test_a_restarted_server_is_met_again(database, postgresql_server):
    assert names(database) == []
    postgresql_server.stop()
    with pytest.raises(DBAPIError) as caught:
        names(database)
    assert is_passing(caught.value)
    postgresql_server.start()
    assert names(database) == []
    postgresql_server.stop()
    postgresql_server.start()  # unseen: the pool still holds connections to the one before
    with database.transaction() as session:
        session.add(Node(name="after"))
    assert names(database) == ["after"]


@on_postgresql
@pytest.mark.peer
def test_no_wait_is_endless(database_url):
    database = Database(database_url, busy_timeout=0.2, statement_timeout=0.5)
    with database.transaction() as session:
        session.add(Node(name="locked"))
    with database.transaction() as holder:
        holder.scalars(select(Node).with_for_update()).one()
        with pytest.raises(DBAPIError, match="lock timeout") as caught, database.transaction() as session:
            session.scalars(select(Node).with_for_update()).one()
        assert is_passing(caught.value)
    with pytest.raises(DBAPIError, match="statement timeout"), database.reading() as session:
        session.execute(text("SELECT pg_sleep(5)"))
    with pytest.raises(DBAPIError), database.transaction() as session:  # noqa: PT012
        session.add(Node(name="forgotten"))
        session.flush()
        time.sleep(1)
    assert names(database) == ["locked"]
    database.close()

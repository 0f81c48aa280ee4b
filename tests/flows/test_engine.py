"""What the engine promises about any flow, shown with small flows made for it."""

from __future__ import annotations

import asyncio

import pytest

from cloudmanager.errors import Busy, DeviceRefused, DeviceUnreachable, HostUnreachable
from cloudmanager.flows import FLOWS, cancel, store
from cloudmanager.flows.base import Child, Done, Fail, Flow, Wait
from cloudmanager.flows.engine import EngineOptions
from cloudmanager.models import FlowRow, Node

from .world import WorkerDied

pytestmark = pytest.mark.both_databases


@pytest.fixture
def define(monkeypatch):
    """Register a flow of these steps as kind `test`."""

    def register(*steps, kind="test", **flow):
        monkeypatch.setitem(FLOWS, kind, Flow(kind=kind, summary="", queue="power", steps=steps, **flow))

    return register


def step(*outcomes, name="step", calls=None):
    """A step that answers, or raises, these one after another; the last again and again."""
    left = list(outcomes)

    async def answer(run):
        if calls is not None:
            calls.append((name, run.attempt))
        outcome = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    answer.__name__ = name
    return answer


async def run(cloud, **start):
    flow_id = cloud.start("test", **start)
    await cloud.advance(flow_id)
    return cloud.flow(flow_id)


async def test_steps_run_in_order_and_the_memo_is_handed_on(cloud, define):
    async def first(run):
        run.memo["seen"] = run.params["word"]
        return Done("first done")

    async def second(run):
        run.result = run.memo["seen"] * 2
        return Done()

    define(first, second)
    flow = await run(cloud, word="ab")
    assert (flow.status, flow.result, flow.message) == ("SUCCESS", "abab", "first done")
    assert flow.started_at is not None
    assert flow.ended_at is not None


async def test_short_wait_is_slept_through_by_the_same_worker(cloud, define):
    calls = []
    define(step(Wait(3, "not yet"), Wait(3, "not yet"), Done(), calls=calls))
    flow = await run(cloud)
    assert flow.status == "SUCCESS"
    assert flow.lease_number == 1
    assert calls == [("step", 1)] * 3


async def test_long_wait_gives_the_claim_back(cloud, define):
    define(step(Wait(60, "later"), Done()))
    flow = await run(cloud)
    assert flow.status == "STARTED"
    assert flow.lease_until == 0
    assert store.due(cloud.database, cloud.clock.now() + 54, horizon=5) == []
    assert store.due(cloud.database, cloud.clock.now() + 56, horizon=5) == [(flow.id, "test")]
    cloud.clock.time += 60
    await cloud.advance(flow.id)
    assert cloud.flow(flow.id).status == "SUCCESS"


async def test_passing_error_is_tried_again_with_growing_pauses(cloud, define):
    calls = []
    define(step(DeviceUnreachable("gone"), HostUnreachable("gone"), Done(), calls=calls))
    begun = cloud.clock.now()
    assert (await run(cloud)).status == "SUCCESS"
    assert calls == [("step", 1), ("step", 2), ("step", 3)]
    assert cloud.clock.now() - begun == 1 + 2


async def test_gives_up_after_the_last_attempt(cloud, define):
    calls = []
    define(step(DeviceUnreachable("gone"), calls=calls))
    flow = await run(cloud)
    assert (flow.status, flow.error) == ("FAILURE", "gave up after 3 attempts: gone")
    assert len(calls) == 3


async def test_refusal_fails_at_once(cloud, define):
    calls = []
    define(step(DeviceRefused("wrong password"), calls=calls))
    flow = await run(cloud)
    assert (flow.status, flow.error, len(calls)) == ("FAILURE", "wrong password", 1)


async def test_a_bug_is_logged_not_told(cloud, define, capsys):
    define(step(ZeroDivisionError("secret detail")))
    flow = await run(cloud)
    assert flow.status == "FAILURE"
    assert "internal error" in flow.error
    assert "secret detail" not in flow.error
    assert "ZeroDivisionError" in capsys.readouterr().out


async def test_step_that_kills_its_worker_every_time_is_given_up(cloud, define):
    calls = []
    define(step(WorkerDied(), calls=calls))
    flow_id = cloud.start("test")
    for _ in range(6):
        await cloud.advance(flow_id)
        cloud.clock.time += 15
    flow = cloud.flow(flow_id)
    assert flow.status == "FAILURE"
    assert "gave up after 3 attempts" in flow.error
    assert [attempt for _, attempt in calls] == [1, 2, 3]


async def test_step_that_never_returns_is_cut_off(cloud, define):
    async def hangs(run):
        await asyncio.Event().wait()

    cloud.options = EngineOptions(lease=0.1, tries=1)
    define(hangs)
    flow = await run(cloud)
    assert flow.status == "FAILURE"
    assert "took longer than 0.08 s" in flow.error


async def test_failure_restores_in_order_and_keeps_its_reason(cloud, define):
    calls = []
    define(
        step(Done(), name="cordon", calls=calls),
        step(Fail("host is full"), name="move", calls=calls),
        undo=(step(Done(), name="uncordon", calls=calls), step(Done(), name="unlock", calls=calls)),
    )
    flow = await run(cloud)
    assert (flow.status, flow.error) == ("FAILURE", "host is full")
    assert [name for name, _ in calls] == ["cordon", "move", "uncordon", "unlock"]


async def test_failing_restore_goes_on_with_the_rest_and_is_told(cloud, define):
    calls = []
    define(
        step(Fail("first trouble")),
        undo=(step(Fail("second trouble")), step(Done(), name="unlock", calls=calls)),
    )
    flow = await run(cloud)
    assert (flow.status, flow.error) == ("FAILURE", "first trouble; while restoring: second trouble")
    assert len(calls) == 1


async def test_cancel_between_steps_restores(cloud, define):
    calls = []

    async def cancelled_meanwhile(run):
        with cloud.database.transaction() as session:
            cancel(session, run.id)
        return Done("done")

    define(
        cancelled_meanwhile,
        step(Done(), name="never", calls=calls),
        undo=(step(Done(), name="restore", calls=calls),),
    )
    flow = await run(cloud)
    assert flow.status == "REVOKED"
    assert [name for name, _ in calls] == ["restore"]


async def test_a_step_that_fails_because_of_a_cancel_is_no_failure(cloud, define):
    calls = []

    async def cancelled_below(run):
        with cloud.database.transaction() as session:
            cancel(session, run.id)
        return Fail("a child was cancelled")

    define(cancelled_below, undo=(step(Done(), name="restore", calls=calls),))
    flow = await run(cloud)
    assert (flow.status, flow.error) == ("REVOKED", "a child was cancelled")
    assert [name for name, _ in calls] == ["restore"]


async def test_deadline_fails_and_restores(cloud, define):
    calls = []
    define(step(Wait(4, "slow device")), undo=(step(Done(), name="restore", calls=calls),))
    flow_id = cloud.start("test")
    with cloud.database.transaction() as session:
        session.query(FlowRow).update({"deadline": cloud.clock.now() + 10})
    await cloud.advance(flow_id)
    flow = cloud.flow(flow_id)
    assert flow.status == "FAILURE"
    assert flow.error == "the deadline has passed; last: slow device"
    assert [name for name, _ in calls] == ["restore"]


async def test_worker_that_slept_too_long_cannot_overwrite(cloud, define):
    """The first worker's outcome comes after the lease has run out and a second has finished the work."""
    late = asyncio.Event()

    async def stalls_once(run):
        if not late.is_set():
            late.set()
            cloud.clock.time += 60
            await other.advance([flow_id])
            return Fail("I am late")
        return Done("in time")

    define(stalls_once)
    flow_id = cloud.start("test")
    other = cloud.worker()
    await cloud.advance(flow_id)
    flow = cloud.flow(flow_id)
    assert (flow.status, flow.message, flow.error) == ("SUCCESS", "in time", None)
    assert flow.lease_number == 2


async def test_claimed_flow_is_not_claimed_again(cloud, define):
    calls = []
    define(step(Wait(1, ""), Done(), calls=calls))
    flow_id = cloud.start("test")
    async with cloud._time_passes():
        await asyncio.gather(*(cloud._advance([flow_id]) for _ in range(5)))
    assert cloud.flow(flow_id).status == "SUCCESS"
    assert len(calls) == 2


async def test_stopping_worker_gives_sleeping_flows_back(cloud, define):
    calls = []
    define(step(Wait(4, ""), Done(), calls=calls))
    flow_id = cloud.start("test")
    worker = cloud.worker()
    task = asyncio.create_task(worker.advance([flow_id]))
    while not worker._sleeping:
        await asyncio.sleep(0.001)
    worker.stop()
    await task
    assert cloud.flow(flow_id).lease_until == 0
    cloud.clock.time += 4
    await cloud.advance(flow_id)
    assert cloud.flow(flow_id).status == "SUCCESS"
    assert calls == [("step", 1), ("step", 1)]


async def test_writes_of_a_step_come_with_its_outcome_or_not_at_all(cloud, define):
    cloud.add_node(name="n1")

    async def renames_and_breaks(run):
        run.write(lambda session, items: session.query(Node).update({"title": items[0]}), "changed")
        run.write(lambda session, items: 1 / 0, None)
        return Done()

    define(renames_and_breaks)
    flow = await run(cloud)
    assert flow.status == "STARTED"
    assert cloud.rows(Node)[0].title is None


async def test_one_bad_write_does_not_take_others_along(cloud, define):
    async def breaks(run):
        if run.params["bad"]:
            run.write(lambda session, items: 1 / 0, None)
        return Done()

    define(breaks)
    bad, *good = [cloud.start("test", bad=number == 0) for number in range(4)]
    await cloud.advance(bad, *good)
    assert cloud.flow(bad).status == "STARTED"
    assert {cloud.flow(flow_id).status for flow_id in good} == {"SUCCESS"}


async def test_many_flows_are_saved_in_few_transactions(cloud, define, monkeypatch):
    batches = []
    real = store.save_all

    def counting(database, saves):
        batches.append(len(saves))
        return real(database, saves)

    monkeypatch.setattr(store, "save_all", counting)
    define(step(Done("first")), step(Done("second")))
    await cloud.advance(*(cloud.start("test") for _ in range(200)))
    assert sum(batches) == 400
    assert len(batches) <= 20


async def test_children_start_once_and_those_held_are_named(cloud, define):
    define(step(Done()), kind="child")
    held = []

    async def begin(run):
        run.event("x", "info", "started")
        held.append(await run.start_children("child", [Child("a", {}), Child("b", {})]))
        return Done() if len(held) > 1 else Wait(1, "once more")

    async def watch(run):
        if await run.open_children():
            return Wait(1, "running")
        run.result = [child.succeeded for child in await run.children()]
        return Done()

    define(begin, watch)
    define(step(Wait(60, "holds b")), kind="holder")
    with cloud.database.transaction() as session:
        from cloudmanager.flows import start

        holder = start(session, "holder", subject="b", params={}, requested_by=None, request_id=None)
    flow = await run(cloud)
    assert held == [{"b": holder}, {"b": holder}]
    assert (flow.status, flow.result) == ("SUCCESS", [True])
    [child] = cloud.rows_of("child")
    assert (child.parent_id, child.requested_by, child.request_id) == (flow.id, "tester", "req-1")


async def test_cancel_reaches_the_children(cloud, define):
    define(step(Wait(60, "")), kind="child")

    async def begin(run):
        await run.start_children("child", [Child("a", {})])
        return Done()

    define(begin, step(Wait(60, "")))
    flow_id = cloud.start("test")
    await cloud.advance(flow_id)
    with cloud.database.transaction() as session:
        cancel(session, flow_id)
    await cloud.sweep_until_quiet()
    assert {row.status for row in cloud.rows(FlowRow)} == {"REVOKED"}


def test_fifty_at_once_one_starts(cloud, define):
    """Fifty threads want the same subject: one gets it, the others are told who has it."""
    from concurrent.futures import ThreadPoolExecutor

    define(step(Done()))

    def attempt(_):
        try:
            return cloud.start("test", node_id=7)
        except Busy as busy:
            return busy

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(attempt, range(50)))
    [winner] = [answer for answer in answers if isinstance(answer, str)]
    assert {answer.flow_id for answer in answers if isinstance(answer, Busy)} == {winner}


def test_prune_deletes_old_ends_only(cloud, define):
    from datetime import timedelta

    from cloudmanager.models import utc_now

    define(step(Done()))
    old, fresh, unfinished = (cloud.start("test") for _ in range(3))
    with cloud.database.transaction() as session:
        session.query(FlowRow).filter_by(id=old).update({"ended_at": utc_now() - timedelta(days=91)})
        session.query(FlowRow).filter_by(id=fresh).update({"ended_at": utc_now()})
    assert store.prune(cloud.database, utc_now() - timedelta(days=90)) == 1
    assert {row.id for row in cloud.rows(FlowRow)} == {fresh, unfinished}


async def test_step_with_nothing_to_do_is_not_saved_yet_its_follower_learns_of_a_death(
    cloud, define, monkeypatch
):
    saves, attempts = [], []
    real = store.save_all
    monkeypatch.setattr(
        store, "save_all", lambda database, batch: saves.extend(batch) or real(database, batch)
    )

    async def dies_once(run):
        attempts.append(run.attempt)
        if len(attempts) == 1:
            raise WorkerDied
        return Done("done")

    define(step(Done()), dies_once)
    flow_id = cloud.start("test")
    await cloud.advance(flow_id)
    assert saves == []
    await cloud.sweep_until_quiet()
    assert attempts == [1, 2]
    assert len(saves) == 1


async def test_memo_changed_in_its_depth_is_saved(cloud, define):
    async def first(run):
        run.memo["moved"] = []
        return Done("begun")

    async def second(run):
        run.memo["moved"].append("server")
        return Done()

    define(first, second, step(WorkerDied()))
    flow_id = cloud.start("test")
    await cloud.advance(flow_id)
    assert cloud.flow(flow_id).memo == {"moved": ["server"]}

"""Work beside the steps of flows: begun once, handed over once, and ended with its worker."""

from __future__ import annotations

import asyncio

import pytest

from cloudmanager.flows import desk as module
from cloudmanager.flows.desk import Desk


class Work:
    """Counts how often it was begun; ends when it is told to."""

    def __init__(self, result="done"):
        self.begun, self.cancelled = 0, 0
        self.may_end = asyncio.Event()
        self.result = result

    async def __call__(self):
        self.begun += 1
        try:
            await self.may_end.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if isinstance(self.result, Exception):
            raise self.result
        return self.result


async def settle():
    for _ in range(5):
        await asyncio.sleep(0)


async def test_it_is_begun_once_and_its_result_is_handed_over_once():
    desk, work = Desk(), Work()
    for _ in range(3):
        assert desk.ask("a", work) is None
        await settle()
    work.may_end.set()
    await settle()
    assert desk.ask("a", work) == "done"
    assert work.begun == 1
    assert desk.ask("a", work) is None
    await settle()
    assert work.begun == 2
    await desk.close()


async def test_what_fails_is_told_and_begun_anew():
    desk, work = Desk(), Work(ValueError("no"))
    work.may_end.set()
    for begun in (1, 2):
        assert desk.ask("a", work) is None
        await settle()
        with pytest.raises(ValueError, match="no"):
            desk.ask("a", work)
        assert work.begun == begun


async def test_what_nobody_wants_is_ended():
    desk, first, second = Desk(), Work(), Work()
    desk.ask("a", first)
    desk.ask("b", second)
    await settle()
    await desk.drop("a")
    await desk.drop("unknown")
    assert (first.cancelled, second.cancelled) == (1, 0)
    await desk.close()
    assert second.cancelled == 1


async def test_results_that_nobody_fetches_are_forgotten(monkeypatch):
    monkeypatch.setattr(module, "_KEPT", 1)
    desk, works = Desk(), {name: Work(name) for name in "abc"}
    works["b"].result = ValueError("nobody hears this")
    for name, work in works.items():
        work.may_end.set()
        desk.ask(name, work)
        await settle()
    assert desk.ask("d", Work()) is None
    assert desk.ask("c", works["c"]) == "c"
    assert desk.ask("a", works["a"]) is None
    await settle()
    assert works["a"].begun == 2
    await desk.close()

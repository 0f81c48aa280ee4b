"""The same question asked by many: one request, and its answer while it is young enough."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable

T = TypeVar("T")

_KEPT = 512
"""Questions whose answers are remembered; the oldest is forgotten."""


@dataclass(slots=True)
class _Question:
    """`sent` by the loop's clock: the answer is as old as that, for it cannot know what happened later."""

    task: asyncio.Task[Any] | None = None
    sent: float | None = None


class Shared:
    """Questions of one event loop. Failures are told to those who wait and then forgotten."""

    def __init__(self) -> None:
        self._questions: dict[Hashable, _Question] = {}

    async def ask(self, key: Hashable, ask: Callable[[], Awaitable[T]], max_age: float = 0.0) -> T:
        """The answer to `key`, of a request sent now or at most `max_age` seconds ago.

        Who asks before the request is sent shares it; one who gives up takes it from nobody.
        """
        now = asyncio.get_running_loop().time()
        question = self._questions.get(key)
        if question is None or (question.sent is not None and now - question.sent > max_age):
            question = self._send(key, ask)
        assert question.task is not None  # noqa: S101 - set by _send
        return cast("T", await asyncio.shield(question.task))

    def _send(self, key: Hashable, ask: Callable[[], Awaitable[Any]]) -> _Question:
        question = _Question()

        async def send() -> Any:
            question.sent = asyncio.get_running_loop().time()
            return await ask()

        question.task = asyncio.get_running_loop().create_task(send())
        question.task.add_done_callback(lambda task: self._ended(key, question, task))
        self._questions.pop(key, None)
        self._questions[key] = question
        while len(self._questions) > _KEPT:
            del self._questions[next(iter(self._questions))]
        return question

    def _ended(self, key: Hashable, question: _Question, task: asyncio.Task[Any]) -> None:
        failed = task.cancelled() or task.exception() is not None
        if failed and self._questions.get(key) is question:
            del self._questions[key]

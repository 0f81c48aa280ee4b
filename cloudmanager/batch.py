"""Doing together what is asked for at the same time: a batch is whatever came while the last one ran."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class Batcher(Generic[Item, Answer]):
    """Hands items in batches to `process`, which runs in a thread and answers one value or error per item.

    One item alone waits for nothing; a thousand at once become a few batches. One event loop only.
    """

    def __init__(
        self, process: Callable[[Sequence[Item]], Sequence[Answer | Exception]], *, limit: int = 500
    ) -> None:
        self._process = process
        self._limit = limit
        self._waiting: list[tuple[Item, asyncio.Future[Answer]]] = []
        self._worker: asyncio.Task[None] | None = None

    async def submit(self, item: Item) -> Answer:
        """What `process` answers for this item; raises the error that it answers."""
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._worker is None:
            self._worker = asyncio.create_task(self._work())
        return await future

    async def _work(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[: self._limit], self._waiting[self._limit :]
                await self._run(batch)
        finally:
            self._worker = None

    async def _run(self, batch: list[tuple[Item, asyncio.Future[Answer]]]) -> None:
        answers: Sequence[Answer | BaseException]
        try:
            answers = await asyncio.to_thread(self._process, [item for item, _ in batch])
        except BaseException as error:  # noqa: BLE001  # it belongs to those who asked
            answers = [error] * len(batch)
        for (_, future), answer in zip(batch, answers, strict=True):
            if future.done():  # the asker was cancelled
                continue
            if isinstance(answer, BaseException):
                future.set_exception(answer)
            else:
                future.set_result(answer)

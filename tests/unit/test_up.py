"""How `up` waits for its API."""

from __future__ import annotations

from asyncio import sleep as pass_on
from types import SimpleNamespace

from cloudmanager import config as configuration
from cloudmanager.up import _Product


class Asked(_Product):
    """Its API refuses connections at once, until it answers."""

    def __init__(self, tmp_path, *answers):
        super().__init__(SimpleNamespace(), configuration.load(), tmp_path / "conf", SimpleNamespace(), None)
        self.answers = list(answers)

    async def _ask(self, _path):
        return self.answers.pop(0)


async def test_an_api_that_refuses_is_asked_now_and_then(tmp_path, monkeypatch):
    pauses = []

    async def sleep(seconds):
        pauses.append(seconds)
        await pass_on(0)

    monkeypatch.setattr("asyncio.sleep", sleep)
    product = Asked(tmp_path, (b"", b""), (b"503", b"no worker"), (b"200", b""), (b"200", b""))
    await product._until_ready()
    assert product.answers == [(b"200", b"")]
    assert len(pauses) == 3
    assert min(pauses) >= 0.1

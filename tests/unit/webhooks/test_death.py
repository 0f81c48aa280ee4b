"""A monitor that is killed while a receiver has the event: another delivers it, under the same id."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time

import pytest


@pytest.mark.timeout(60)
async def test_an_event_outlives_the_monitor_that_was_sending_it(
    site, receiver, database_url, key_file, tmp_path
):
    arrived, released = threading.Event(), threading.Event()

    def hold(request):
        arrived.set()
        released.wait(30)
        request.reply(204)

    receiver.answers = [hold]
    site.webhook(receiver.url)
    site.tell("a", "b")
    file = tmp_path / "cloudmanager.conf"
    file.write_text(
        f"[database]\nconnection = {database_url}\n[secrets]\nkey_file = {key_file}\n[webhooks]\ntimeout = 30\n"
    )
    command = [sys.executable, "-m", "cloudmanager", "monitor", "--config", str(file)]
    state = ["--state-dir", str(tmp_path)]
    with (tmp_path / "log").open("wb") as log:
        monitor = subprocess.Popen([*command, *state], stdout=log, stderr=log)  # noqa: ASYNC220
    try:
        assert arrived.wait(30), (tmp_path / "log").read_text()
        monitor.send_signal(signal.SIGKILL)
    finally:
        monitor.kill()
        monitor.wait()
    released.set()
    assert site.rows("status", "attempts") == [("pending", 0), ("pending", 0)]

    site.now = time.time()
    await site.deliver(site.deliverer("two"))
    assert receiver.ids == ["a"]  # the dead one's lease still lasts
    site.now = time.time() + 60
    await site.deliver(site.deliverer("two"))
    assert receiver.ids == ["a", "a", "b"]
    assert site.rows("status") == [("delivered",), ("delivered",)]

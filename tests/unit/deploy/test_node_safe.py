"""The watchdog of nodes, with a ping, a virsh and storages of ours."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

WATCHDOG = Path(__file__).parents[3] / "deploy" / "node-safe" / "cloudmanager-nodesafe"
VIRSH = """#!/bin/sh
cd "{directory}" || exit 1
case "$*" in
  *list*) [ ! -e deaf ] || exit 1; ls servers;;
  *destroy*) echo "$@" >> destroyed; [ -e stubborn ] || rm servers/"$5";;
esac
"""
PING = """#!/bin/sh
for peer; do :; done
test -e "{directory}/peers/$peer"
"""


class Node:
    """A node with two peers, two storages and two servers."""

    def __init__(self, directory):
        self.directory = directory
        for name in ("peers", "servers", "one", "two"):
            (directory / name).mkdir()
        for name in ("peers/10.0.0.1", "peers/10.0.0.2", "servers/aaaa", "servers/bbbb"):
            (directory / name).touch()
        for name, text in (("virsh", VIRSH), ("ping", PING)):
            (directory / name).write_text(text.format(directory=directory))
            (directory / name).chmod(0o755)
        self.process = None
        self.log = directory / "log"

    def start(self, *options, after="0.6"):
        command = [WATCHDOG, "--after", after, "--every", "0.1", "--timeout", "2", "--not-mounted"]
        for peer in ("10.0.0.1", "10.0.0.2"):
            command += ["--peer", peer]
        for storage in ("one", "two"):
            command += ["--storage", self.directory / storage]
        command += ["--ping", self.directory / "ping", "--virsh", self.directory / "virsh", *options]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        return self

    def cut(self, *what):
        for name in what:
            (self.directory / name).rename(self.directory / f"{name}.gone")

    def mend(self, *what):
        for name in what:
            (self.directory / f"{name}.gone").rename(self.directory / name)

    @property
    def servers(self):
        return sorted(path.name for path in (self.directory / "servers").iterdir())

    @property
    def destroyed(self):
        path = self.directory / "destroyed"
        return path.read_text().splitlines() if path.exists() else []

    def said(self, text, within=20.0):
        return wait(lambda: text in self.log.read_text(), within)

    def end(self):
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def wait(condition, within=20.0):
    end = time.monotonic() + within
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return condition()


@pytest.fixture
def node(tmp_path):
    node = Node(tmp_path)
    yield node
    node.end()


ALL = ("peers/10.0.0.1", "peers/10.0.0.2", "one", "two")


def test_who_has_lost_everything_for_long_enough_stops_its_servers(node):
    node.start()
    assert node.said("alive")
    node.cut(*ALL)
    assert wait(lambda: node.servers == [])
    assert node.said("cut off for 0.6 s")
    node.mend("one")
    assert wait(lambda: node.log.read_text().count("alive") == 2)
    assert node.servers == []  # nothing is started again


@pytest.mark.parametrize("left", ALL)
def test_one_sign_of_life_is_enough_to_leave_all_alone(node, left):
    node.cut(*(name for name in ALL if name != left))
    node.start(after="0.2")
    assert node.said("alive")
    time.sleep(1.0)
    assert len(node.servers) == 2
    assert "cut off" not in node.log.read_text()


def test_a_loss_that_is_over_in_time_stops_nothing(node):
    node.start(after="30")
    assert node.said("alive")
    node.cut(*ALL)
    assert node.said("cut off")
    node.mend("two")
    assert wait(lambda: node.log.read_text().count("alive") == 2)
    assert node.destroyed == []


def test_who_has_never_seen_anything_stops_nothing(node):
    node.cut(*ALL)
    node.start(after="0.2")
    assert node.said("cut off")
    time.sleep(1.0)
    assert node.destroyed == []


@pytest.mark.parametrize("trouble", ["stubborn", "deaf"])
def test_what_could_not_be_stopped_is_tried_again(node, trouble):
    (node.directory / trouble).touch()
    node.start(after="0.2")
    assert node.said("alive")
    node.cut(*ALL)
    assert node.said("still running" if trouble == "stubborn" else "not stopped")
    (node.directory / trouble).unlink()
    assert wait(lambda: node.servers == [])


def test_a_storage_that_hangs_counts_as_lost(node):
    node.start("--timeout", "0.5")
    assert node.said("alive")
    for name in ("one", "two"):
        shutil.rmtree(node.directory / name)
        (node.directory / name).mkdir()
        os.mkfifo(node.directory / name / f".nodesafe-{os.uname().nodename}")  # opening it waits for a reader
    node.cut("peers/10.0.0.1", "peers/10.0.0.2")
    assert wait(lambda: node.servers == [])


def test_a_directory_that_is_no_mount_point_is_no_storage(node):
    plain = subprocess.run(
        [WATCHDOG, "--once", "--peer", "x", "--storage", node.directory, "--ping", "false"],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert plain.stdout == "cut off\n"


@pytest.mark.parametrize("options", [["--peer", "x"], ["--storage", "/x"], []])
def test_both_kinds_of_signs_must_be_named(options):
    refused = subprocess.run([WATCHDOG, *options], capture_output=True, text=True, timeout=20, check=False)
    assert refused.returncode == 2
    assert "at least one --peer and one --storage" in refused.stderr

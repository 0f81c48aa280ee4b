"""The node's agent, run with a virsh of ours, and a reader that nothing in a storage can harm."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloudmanager.availability import heartbeats
from cloudmanager.availability.evidence import Freshness, Sign
from cloudmanager.availability.heartbeats import Storage, Storages, Unreadable, read

AGENT = Path(__file__).parents[3] / "deploy" / "node-agent" / "cloudmanager-heartbeat"
RUNNING, PAUSED, HALTED = (f"{n}{n}{n}{n}0000-0000-4000-8000-000000000000" for n in "123")
VIRSH = f"""#!/bin/sh
case "$*" in
  *--state-running*) echo {RUNNING};;
  *--state-paused*) echo {PAUSED};;
  *--all*) echo {RUNNING}; echo {PAUSED}; echo {HALTED};;
  *) exit 1;;
esac
"""
HOST = "r1n01.demo.local"
FRESHNESS = Freshness(stale_after=60, max_clock_skew=30)


@pytest.fixture
def virsh(tmp_path):
    path = tmp_path / "virsh"
    path.write_text(VIRSH)
    path.chmod(0o755)
    return path


@pytest.fixture
def storage(tmp_path):
    path = tmp_path / "storage"
    path.mkdir()
    return path


def agent(storage, virsh, *options):
    return subprocess.run(
        [AGENT, storage, "--host", HOST, "--virsh", virsh, *options],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )


def put(storage, age=0.0, *, changed_ago=None, **document):
    """A heartbeat that was written so many seconds ago."""
    written_at = datetime.fromtimestamp(time.time() - age, UTC).isoformat()
    document = {"host": HOST, "written_at": written_at, "boot_id": "b", "instances": []} | document
    path = storage / f"{HOST}.json"
    path.write_text(json.dumps(document))
    changed_at = time.time() - (age if changed_ago is None else changed_ago)
    os.utime(path, (changed_at, changed_at))
    return path


async def sign(storage, down_since=None):
    [evidence] = await Storages().look(Storage(1, "s", str(storage)), [(HOST, down_since)], FRESHNESS)
    return evidence


# --- the agent ---------------------------------------------------------------------------------------------


def test_what_the_agent_writes_is_what_is_read(storage, virsh):
    assert agent(storage, virsh).returncode == 0
    now = time.time()
    beat = read(str(storage), HOST, now)
    assert beat.running == {RUNNING}
    assert beat.boot_id == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert abs(now - beat.written_at) < 5
    states = {
        row["uuid"]: row["state"] for row in json.loads((storage / f"{HOST}.json").read_text())["instances"]
    }
    assert states == {RUNNING: "running", PAUSED: "paused", HALTED: "shutoff"}
    assert [path.name for path in storage.iterdir()] == [f"{HOST}.json"]


@pytest.mark.parametrize(
    "broken", ["#!/bin/sh\nexit 1\n", "#!/bin/sh\nexec sleep 30\n"], ids=["fails", "hangs"]
)
def test_without_libvirt_the_node_still_lives(storage, virsh, broken):
    virsh.write_text(broken)
    assert agent(storage, virsh, "--virsh-timeout", "0.3").returncode == 0
    assert read(str(storage), HOST, 0).running is None


def test_the_agent_replaces_the_file_and_follows_no_link(storage, virsh, tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    (storage / f"{HOST}.json").symlink_to(victim)
    assert agent(storage, virsh).returncode == 0
    (storage / f".{HOST}.json.new").symlink_to(victim)
    assert agent(storage, virsh).returncode != 0
    assert victim.read_text() == "untouched"
    assert not (storage / f"{HOST}.json").is_symlink()


def test_what_is_not_mounted_is_not_written_to(storage, virsh):
    answer = agent(storage, virsh, "--mounted")
    assert answer.returncode != 0
    assert "not mounted" in answer.stderr
    assert list(storage.iterdir()) == []


@pytest.mark.parametrize("host", ["../elsewhere", ".hidden", ""])
def test_a_name_that_leads_elsewhere_is_refused(storage, virsh, host):
    assert agent(storage, virsh, "--host", host).returncode == 2


# --- the reader --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ('{"host": "r1n01.demo.local", "written_', "part"),
        ("[" * 100_000, "not JSON"),
        ("[]", "not an object"),
        ('{"host": "another"}', "another host"),
        ('{"host": "r1n01.demo.local"}', "boot_id"),
        ('{"host": "r1n01.demo.local", "boot_id": "b", "written_at": "soon"}', "written_at"),
        ('{"host": "r1n01.demo.local", "boot_id": "b", "instances": 3}', "no list"),
        ('{"host": "r1n01.demo.local", "boot_id": "b", "instances": [3]}', "uuid"),
        ("x" * (heartbeats.LONGEST + 1), "longer"),
        ("", "not JSON"),
    ],
)
def test_rubbish_is_unreadable(storage, content, why):
    (storage / f"{HOST}.json").write_text(content)
    with pytest.raises(Unreadable, match=why):
        read(str(storage), HOST, 0)


def test_what_is_no_plain_file_is_unreadable(storage, tmp_path):
    path = storage / f"{HOST}.json"
    with pytest.raises(Unreadable, match="No such file"):
        read(str(storage), HOST, 0)
    os.mkfifo(path)
    with pytest.raises(Unreadable, match="plain file"):
        read(str(storage), HOST, 0)
    path.unlink()
    path.mkdir()
    with pytest.raises(Unreadable):
        read(str(storage), HOST, 0)
    path.rmdir()
    elsewhere = put(tmp_path)
    path.symlink_to(elsewhere)
    with pytest.raises(Unreadable, match="symbolic"):
        read(str(storage), HOST, 0)
    with pytest.raises(Unreadable):
        read(str(storage / "not there"), HOST, 0)
    with pytest.raises(Unreadable, match="name"):
        read(str(storage), f"../{HOST}", 0)


@given(
    content=st.binary(max_size=300)
    | st.recursive(
        st.none() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.dictionaries(st.sampled_from(["host", "boot_id", "written_at", "instances", "uuid"]), inner)
            | st.lists(inner)
        ),
        max_leaves=8,
    ).map(lambda value: json.dumps(value).encode())
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_whatever_is_in_the_file_only_unreadable_comes_out(storage, content):
    (storage / f"{HOST}.json").write_bytes(content)
    with pytest.raises(Unreadable):
        read(str(storage), HOST, 0)


@pytest.mark.parametrize(
    ("age", "changed_ago", "down_for", "expected"),
    [
        (2, 2, 40, Sign.FRESH),
        (50, 50, 10, Sign.STALE),
        (50, 50, 25, Sign.FRESH),
        (100, 100, None, Sign.STALE),
        (-20, 0, 40, Sign.FRESH),
        (-200, 0, 40, Sign.DOUBTFUL),
        (3600, 3, 40, Sign.DOUBTFUL),
        (3600, 3600, 40, Sign.STALE),
    ],
    ids=[
        "fresh",
        "before it went down",
        "within the skew",
        "too old",
        "a little ahead",
        "far ahead",
        "far behind",
        "long ago",
    ],
)
async def test_age_and_clocks(storage, age, changed_ago, down_for, expected):
    put(storage, age, changed_ago=changed_ago)
    evidence = await sign(storage, None if down_for is None else time.time() - down_for)
    assert evidence.sign is expected, evidence.why
    if expected is Sign.DOUBTFUL:
        assert "clock" in evidence.why


async def test_a_storage_that_hangs_is_asked_once_and_holds_nobody_up(storage, monkeypatch):
    put(storage)
    release, asked = asyncio.Event(), []
    loop = asyncio.get_running_loop()
    original = heartbeats.read

    def hang(directory, host, now):
        asked.append(directory)
        asyncio.run_coroutine_threadsafe(release.wait(), loop).result(10)
        return original(directory, host, now)

    monkeypatch.setattr(heartbeats, "read", hang)
    storages = Storages(timeout=0.05)
    place = Storage(1, "s", str(storage))
    [first] = await storages.look(place, [(HOST, None)], FRESHNESS)
    [second] = await storages.look(place, [(HOST, None)], FRESHNESS)
    assert (first.sign, second.sign) == (Sign.UNREADABLE, Sign.UNREADABLE)
    assert len(asked) == 1
    release.set()
    while storages._busy:
        await asyncio.sleep(0.01)
    monkeypatch.setattr(heartbeats, "read", original)
    [third] = await storages.look(place, [(HOST, None)], FRESHNESS)
    assert third.sign is Sign.FRESH

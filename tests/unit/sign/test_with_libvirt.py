"""Definitions as libvirt itself prints them: its test driver, which starts nothing."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from cloudmanager.sign.definition import read
from tests.unit.sign.test_definition import UUID, XML

pytestmark = [pytest.mark.peer, pytest.mark.skipif(not shutil.which("virsh"), reason="needs virsh")]

NAME = "instance-00000068"
OURS = XML.replace("type='kvm'", "type='test'", 1).replace(
    "<qemu:commandline><qemu:arg value='-s'/></qemu:commandline>", ""
)
MARK = "==cut=="


def virsh(*commands):
    """What each command prints, in one libvirt that is there for them alone."""
    script = f"; echo {MARK}; ".join(commands)
    words = ["virsh", "--quiet", "--connect", "test:///default", script]
    ran = subprocess.run(words, capture_output=True, text=True, timeout=20, check=True)
    return [part.strip() for part in ran.stdout.split(MARK)]


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "domain.xml"
    path.write_text(OURS)
    return path


def test_a_definition_is_the_same_whether_the_server_runs_or_not(file):
    dump = f"dumpxml --inactive {UUID}"
    _, defined, _, running, active, _, stopped = map(
        str, virsh(f"define {file}", dump, f"start {NAME}", dump, f"dumpxml {NAME}", f"destroy {NAME}", dump)
    )
    found = [read(text) for text in (defined, running, stopped)]
    assert found[0] == found[1] == found[2]
    assert (found[0].uuid, found[0].name) == (UUID, NAME)
    assert found[0].own == ("/var/lib/libvirt/qemu/nvram/instance-00000068_VARS.fd",)
    assert "id='" in active.splitlines()[0]
    assert read(active).uuid == UUID


def test_the_same_definition_again_is_the_same(file):
    dump = f"dumpxml --inactive {NAME}"
    first, again = virsh(f"define {file}", dump, f"undefine --nvram {NAME}", f"define {file}", dump)[1::3]
    assert read(first) == read(again)


def test_what_nova_writes_into_the_metadata_does_not_count_and_memory_does(file, tmp_path):
    before, after = tmp_path / "before.xml", tmp_path / "after.xml"
    before.write_text(OURS.replace("2024-06-03 10:45:30", "2025-01-01 00:00:00"))
    after.write_text(OURS.replace("524288", "1048576"))
    dump = f"dumpxml --inactive {NAME}"
    printed = virsh(f"define {file}", dump, f"define {before}", dump, f"define {after}", dump)[1::2]
    first, second, third = map(read, printed)
    assert "2025-01-01" in printed[1]
    assert first == second
    assert third.strict != first.strict
    assert third.portable != first.portable

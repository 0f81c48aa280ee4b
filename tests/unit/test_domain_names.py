"""The command that makes domain names lead to addresses: how it is called, and what its status means."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from cloudmanager.domain_names import DomainHook
from cloudmanager.errors import Conflict, Misconfigured, Unavailable


@pytest.fixture
def hook(tmp_path):
    """Makes a hook whose command is a program in Python."""

    def made(program, timeout=20.0):
        script = tmp_path / "hook.py"
        script.write_text(f"import os, sys, time\n{program}\n")
        command = f"{sys.executable} {script} --zone 'example com'"
        return DomainHook(SimpleNamespace(domain_hook=command, domain_hook_timeout=timeout))

    return made


async def test_it_is_told_what_to_do(hook, tmp_path):
    told = tmp_path / "told"
    program = (
        f"open({str(told)!r}, 'a').write(repr(sys.argv[1:] + [os.environ['CLOUDMANAGER_PROJECT']]) + '\\n')"
    )
    names = hook(program)

    assert await names.publish("app.example.com", "192.0.2.7", "red") is True
    assert await names.withdraw("app.example.com", "192.0.2.7", "red") is True
    assert told.read_text().splitlines() == [
        "['--zone', 'example com', 'publish', 'app.example.com', '192.0.2.7', 'red']",
        "['--zone', 'example com', 'withdraw', 'app.example.com', '192.0.2.7', 'red']",
    ]


async def test_without_a_command_nobody_is_told():
    names = DomainHook(SimpleNamespace(domain_hook="", domain_hook_timeout=1.0))
    assert await names.publish("app.example.com", "192.0.2.7", "red") is False


@pytest.mark.parametrize(("status", "error"), [(1, Conflict), (75, Unavailable)])
async def test_its_status_and_its_last_line_say_what_became_of_it(hook, status, error):
    program = f"print('looking'); print('the name is taken', file=sys.stderr, flush=True); sys.exit({status})"
    with pytest.raises(error) as refused:
        await hook(program).publish("app.example.com", "192.0.2.7", "red")
    assert refused.value.message.endswith("app.example.com: the name is taken") or status == 75
    assert "the name is taken" in refused.value.message


async def test_one_that_takes_too_long_is_ended(hook, tmp_path):
    with pytest.raises(Unavailable, match=r"longer than 0\.3 s"):
        await hook("time.sleep(60)", timeout=0.3).publish("app.example.com", "192.0.2.7", "red")


async def test_one_that_is_not_there_is_named():
    names = DomainHook(SimpleNamespace(domain_hook="/nowhere/hook", domain_hook_timeout=1.0))
    with pytest.raises(Unavailable, match="domain_hook"):
        await names.publish("app.example.com", "192.0.2.7", "red")


def test_one_that_cannot_be_read_is_said_at_the_start():
    with pytest.raises(Misconfigured, match="domain_hook"):
        DomainHook(SimpleNamespace(domain_hook="hook 'a", domain_hook_timeout=1.0))

"""The product's commands on nodes: whatever they are given stays one word, and none outlasts a step of a flow."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudmanager.config import load as load_config
from cloudmanager.errors import InvalidInput
from cloudmanager.flows.engine import _STEP_SHARE
from cloudmanager.host.catalogue import load
from cloudmanager.host.line import line_of

OURS = ("os.toml", "storage.toml", "hardware.toml")
COMMANDS = [command for command in load() if command.source in OURS]
TAKING = [command for command in COMMANDS if command.arguments]
NASTY = st.text() | st.text(alphabet="ab1.-:[];|&$`'\"\\\n\r\t <>(){}*?#!=%~^/,", min_size=1)


def test_there_are_some():
    assert len(COMMANDS) > 50
    assert {argument for command in TAKING for argument in command.arguments} >= {
        "target",
        "portal",
        "address",
    }


@pytest.mark.parametrize("command", TAKING, ids=lambda command: command.name)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_an_argument_is_refused_or_stays_one_word(command, data):
    given_ = {name: data.draw(NASTY) for name in command.arguments}
    try:
        values = command.checked(given_)
    except InvalidInput:
        return
    for family in ("debian", "redhat"):
        words = command.words(family, values)
        plain = command.words(family, dict.fromkeys(values, "x"))
        assert len(words) == len(plain)
        split = shlex.split(line_of(words, sudo=True, timeout=1))
        assert split[-len(words) :] == list(words)
    for value in values.values():
        assert not set(value) & set(";|&$`'\"\\\n\r\t <>(){}*?#!=%~^\0")
        assert not value.startswith("-")


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_a_command_ends_within_a_step(command):
    assert command.timeout <= load_config().flows.lease * _STEP_SHARE - 2
    assert command.run.keys() in ({"any"}, {"debian", "redhat"}, {"debian", "any"}, {"redhat", "any"})

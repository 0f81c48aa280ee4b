"""The catalogue: what a file may say, what a command may be given, and what becomes of both."""

from __future__ import annotations

import pytest

from cloudmanager.errors import HostRefused, InvalidInput, Misconfigured, NotFound
from cloudmanager.host import catalogue

GREET = """
[greet]
summary = "Say hello."
run.any = ["printf", "%s-{name}!", "{name}", "{ print }"]
run.redhat = ["echo", "{greeting}", "{name}"]
unless.debian = ["test", "{name}", "=", "nobody"]
arguments.name = "[a-z\\n]{1,9}"
arguments.greeting = {pattern = ".*", default = "", dash = true}
sudo = true
stdin = true
success = [0, 5]
timeout = 2
max_output = 100
"""


@pytest.fixture
def file(tmp_path):
    def written(text):
        path = tmp_path / "commands.toml"
        path.write_text(text)
        return str(path)

    return written


@pytest.fixture
def greet(file):
    return catalogue.load(file(GREET))["greet"]


def test_commands_of_the_product_are_good_and_say_what_they_do():
    commands = list(catalogue.load())
    assert {"os-release", "boot-id", "uptime"} <= {command.name for command in commands}
    assert all(command.summary.endswith(".") for command in commands)


def test_an_operators_command_replaces_the_whole_of_ours(file):
    found = catalogue.load(file('[boot-id]\nsummary = "x"\nrun.debian = ["true"]\n'))
    assert found["boot-id"].run == {"debian": ("true",)}
    assert not found["boot-id"].idempotent
    assert found["uptime"].run


def test_a_command_that_there_is_not():
    with pytest.raises(NotFound, match="'rm'"):
        catalogue.load()["rm"]


def test_what_a_file_says_is_what_the_command_is(greet):
    assert (greet.sudo, greet.stdin, greet.idempotent) == (True, True, False)
    assert (greet.success, greet.timeout, greet.max_output) == ({0, 5}, 2.0, 100)
    assert greet.asks_family


def test_arguments_take_their_places_and_nothing_else_does(greet):
    values = greet.checked({"name": "ann"})
    assert greet.words("debian", values) == ("printf", "%s-ann!", "ann", "{ print }")
    assert greet.words("redhat", values) == ("echo", "", "ann")
    assert greet.check_words("debian", values) == ("test", "ann", "=", "nobody")
    assert greet.check_words("any", values) == ()


def test_an_argument_that_looks_like_a_placeholder_is_not_one(file):
    text = GREET.replace("[a-z\\n]{1,9}", ".*")
    command = catalogue.load(file(text))["greet"]
    assert command.words("redhat", command.checked({"name": "{greeting}", "greeting": "{name}"})) == (
        "echo",
        "{name}",
        "{greeting}",
    )


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({}, "name is missing"),
        ({"name": "Ann"}, "does not match"),
        ({"name": "ann\nann\nann"}, "does not match"),
        ({"name": "a\0b"}, "NUL"),
        ({"name": "-n"}, "option"),
        ({"name": "\ud800"}, "encoded"),
        ({"name": "ann", "other": ""}, "other is not an argument"),
    ],
    ids=["missing", "pattern", "whole", "nul", "dash", "surrogate", "strange"],
)
def test_bad_arguments(greet, given, why):
    with pytest.raises(InvalidInput, match=why) as caught:
        greet.checked(given)
    assert set(caught.value.fields) == set(given or {"name": ""}) - ({"name"} if "other" in given else set())


def test_a_dash_where_the_command_allows_it(greet):
    assert greet.checked({"name": "ann", "greeting": "-n"})["greeting"] == "-n"


def test_a_family_that_is_not_known(file):
    command = catalogue.load(file('[only]\nsummary = "x"\nrun.redhat = ["true"]\n'))["only"]
    with pytest.raises(HostRefused, match="redhat only"):
        command.words("debian", {})


GOOD = {"summary": '"x"', "run.any": '["true"]'}
BAD = {
    "no table": ("greet = 1", "not a table"),
    "name": ('["Greet me"]\n', "small letters"),
    "no summary": ('[x]\nrun.any = ["true"]', "summary is missing"),
    "no run": ('[x]\nsummary = "x"', "run is missing"),
    "strange": ({"shell": "true"}, "shell is not known"),
    "family": ({"run.suse": '["true"]'}, "run.suse: the families"),
    "text for words": ({"run.any": '"true"'}, "list of words"),
    "no words": ({"run.any": "[]"}, "list of words"),
    "nul": ({"run.any": '["tr\\u0000ue"]'}, "cannot be run"),
    "seconds": ({"timeout": "0"}, "timeout is not"),
    "truth as seconds": ({"timeout": "true"}, "timeout is not"),
    "bytes": ({"max_output": "1.5"}, "max_output is not"),
    "statuses": ({"success": "[256]"}, "exit statuses"),
    "no statuses": ({"success": "[]"}, "exit statuses"),
    "sudo": ({"sudo": '"yes"'}, "sudo is neither"),
    "pattern": ({"run.any": '["echo", "{a}"]', "arguments.a": '"["'}, "arguments.a: the pattern is wrong"),
    "argument": ({"run.any": '["echo", "{a}"]', "arguments.a": "{default = ''}"}, "neither a pattern"),
    "unknown": ({"run.any": '["echo", "{a}"]'}, "{a} is not one of its arguments"),
    "idle": ({"arguments.a": '"x"'}, "the argument a is used nowhere"),
    "program": ({"run.any": '["{a}"]', "arguments.a": '"x"'}, "neither a program nor"),
    "script": ({"run.any": '["sh", "-c", "echo {a}"]', "arguments.a": '"x"'}, "pass it as \\$1"),
    "script of many flags": ({"run.any": '["/bin/bash", "-euc", "{a}"]', "arguments.a": '"x"'}, "pass it as"),
    "script behind another program": (
        {"run.any": '["chroot", "/x", "python3", "-c", "{a}"]', "arguments.a": '"x"'},
        "pass it as",
    ),
    "script in the check": ({"unless.any": '["sh", "-c", "{a}"]', "arguments.a": '"x"'}, "pass it as"),
}


@pytest.mark.parametrize(("said", "why"), BAD.values(), ids=BAD)
def test_a_bad_file_is_refused_with_file_command_and_reason(file, said, why):
    if isinstance(said, dict):
        said = "[x]\n" + "".join(f"{field} = {value}\n" for field, value in (GOOD | said).items())
    path = file(said)
    with pytest.raises(Misconfigured, match=why) as caught:
        catalogue.load(path)
    assert path in caught.value.message
    assert "command " in caught.value.message


def test_a_file_that_is_no_toml_or_not_there(file, tmp_path):
    with pytest.raises(Misconfigured, match=r"commands\.toml.*\]"):
        catalogue.load(file("[x"))
    with pytest.raises(Misconfigured, match="No such file"):
        catalogue.load(str(tmp_path / "none.toml"))


def test_a_script_that_gets_its_arguments_as_its_own(file):
    text = '[x]\nsummary = "x"\nrun.any = ["sh", "-c", "echo $1", "sh", "{a}"]\narguments.a = ".*"\n'
    command = catalogue.load(file(text))["x"]
    assert command.words("any", {"a": "; id"}) == ("sh", "-c", "echo $1", "sh", "; id")

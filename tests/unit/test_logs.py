"""Every line in one form, and no secret in any."""

from __future__ import annotations

import json
import logging
import warnings

import pytest
import structlog

from cloudmanager import config, logs


@pytest.fixture
def set_up(request):
    """Set logging up as a process does; afterwards everything is as before."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level

    def set_up(form="json", level="info"):
        logs.set_up(config.load(None, {("log", "format"): form, ("log", "level"): level}), "api")

    yield set_up
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
    logging.captureWarnings(capture=False)
    root.handlers[:], root.level = handlers, level
    for library in logs.CHATTY:
        logging.getLogger(library).setLevel(logging.NOTSET)


def lines(capsys):
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_our_lines_and_those_of_libraries_have_one_form(set_up, capsys):
    set_up()
    structlog.contextvars.bind_contextvars(request_id="req-1", task_id="t-1")
    structlog.get_logger("ours").info("node is %s", "off", node="n1")
    logging.getLogger("theirs").warning("%d lost", 3)

    ours, theirs = lines(capsys)
    assert ours["message"] == "node is off"
    assert ours["node"] == "n1"
    assert theirs["message"] == "3 lost"
    for line in (ours, theirs):
        assert line["request_id"] == "req-1"
        assert line["task_id"] == "t-1"
        assert line["process"] == "api"
        assert line["timestamp"].endswith("Z")


def test_console_lines_are_for_people(set_up, capsys):
    set_up("console")
    structlog.get_logger("ours").info("node is off", node="n1")

    (line,) = capsys.readouterr().err.splitlines()
    assert "node is off" in line
    assert "node=n1" in line
    assert "process" not in line


@pytest.mark.parametrize("form", ["json", "console"])
def test_no_secret_is_written(set_up, capsys, form):
    secret = "hunter2"
    set_up(form)
    log = structlog.get_logger("ours")
    log.info("a", password=secret, sealed_password=secret, ssh_key=secret, token=secret)
    log.info("b", body={"power_control": {"password": secret, "hosts": [{"X-Auth-Token": secret}]}})
    log.info("lost redis+socket://:%s@/run/broker.sock", secret, url=f"postgresql://cm:{secret}@db/cm")
    logging.getLogger("theirs").error("cannot reach amqp://guest:%s@host//", secret)

    written = capsys.readouterr().err
    assert secret not in written
    assert written.count("***") >= 9


def test_what_only_sounds_like_a_secret_is_written(set_up, capsys):
    set_up()
    structlog.get_logger("ours").info("made", token_name="ci", password="", url="http://host:80/a@b")

    (line,) = lines(capsys)
    assert (line["token_name"], line["password"], line["url"]) == ("ci", "", "http://host:80/a@b")


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_traceback_has_no_local_variables(set_up, capsys, form):
    set_up(form)

    def open_session(credentials):
        raise ValueError("no answer")

    try:
        open_session("hunter" + "2")
    except ValueError:
        structlog.get_logger("ours").exception("failed")
        logging.getLogger("theirs").exception("failed")

    written = capsys.readouterr().err
    assert written.count("ValueError: no answer") == 2
    assert "hunter2" not in written


def test_levels(set_up, capsys):
    set_up(level="warning")
    structlog.get_logger("ours").info("unseen")
    logging.getLogger("celery.worker").info("unseen")
    structlog.get_logger("ours").warning("seen")
    assert [line["message"] for line in lines(capsys)] == ["seen"]

    set_up(level="info")
    logging.getLogger("celery.worker").info("unseen")
    assert lines(capsys) == []


def test_python_warnings_are_lines_too(set_up, capsys):
    set_up()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=True)
        warnings.warn("old", DeprecationWarning, stacklevel=1)
        logging.captureWarnings(capture=False)

    (line,) = lines(capsys)
    assert "DeprecationWarning: old" in line["message"]

"""Structured logs on standard error: our own lines and those of the libraries, in one form.

Code logs with `structlog.get_logger()` and names its values: `log.info("node is off", node="n1")`. What is
bound with `structlog.contextvars` (request_id, task_id) is on every line. Secrets and the local variables of
a failing function never are.
"""

from __future__ import annotations

import logging
import os
import re
import sys
from typing import TYPE_CHECKING, Any

import structlog

if TYPE_CHECKING:
    from structlog.typing import EventDict, Processor, WrappedLogger

    from cloudmanager.config import Config

HIDDEN = "***"
CHATTY = (
    "alembic",
    "amqp",
    "celery",
    "gunicorn",
    "keystoneauth",
    "keystonemiddleware",
    "kombu",
    "paramiko",
    "sqlalchemy",
    "urllib3",
)
"""Libraries whose `info` is of no use to an operator: they begin at `warning` unless the level is `debug`."""

_SECRET_NAME = re.compile(
    r"(^|[_-])(passw(or)?d|secret|token|ssh_key|private_key|community|authorization|credentials?)$",
    re.IGNORECASE,
)
_PASSWORD_IN_URL = re.compile(r"(://[^:/@\s]*:)[^/@\s]+@")


def set_up(config: Config, process: str) -> None:
    """Send all lines of this process to standard error in the form of [log].

    In JSON each line carries the name of the process; for people `cloudmanager up` puts it in front.
    """
    options = config.log
    shared = _shared_processors(process)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_renderers(options.format),
            ],
        )
    )
    level = logging.getLevelNamesMapping()[options.level.upper()]
    logging.basicConfig(handlers=[handler], level=level, force=True)
    logging.captureWarnings(capture=True)
    for library in CHATTY:
        logging.getLogger(library).setLevel(level if level == logging.DEBUG else max(level, logging.WARNING))


def hide_secrets(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Mask the value of every key that is named like a secret, at any depth, and passwords within URLs."""
    return {name: _hidden(name, value) for name, value in event.items()}


def _hidden(name: str, value: Any) -> Any:
    if _SECRET_NAME.search(name):
        return HIDDEN if value else value
    if isinstance(value, str):
        return _PASSWORD_IN_URL.sub(rf"\1{HIDDEN}@", value)
    if isinstance(value, dict):
        return {key: _hidden(str(key), inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_hidden("", inner) for inner in value]
    return value


def _shared_processors(process: str) -> list[Processor]:
    """What happens to a line, whether ours or a library's."""

    def name_process(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        event["process"] = process
        return event

    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,  # the plain traceback: without local variables
        name_process,
        hide_secrets,
    ]


def _drop_process(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    event.pop("process", None)
    return event


def _renderers(form: str) -> list[Processor]:
    if form == "json":
        return [structlog.processors.EventRenamer("message"), structlog.processors.JSONRenderer(default=str)]
    colours = sys.stderr.isatty() or "FORCE_COLOR" in os.environ
    console = structlog.dev.ConsoleRenderer(colors=colours and "NO_COLOR" not in os.environ, pad_event_to=0)
    return [_drop_process, console]

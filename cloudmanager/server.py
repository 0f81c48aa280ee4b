"""The web server: gunicorn with our logging, our form of errors, and patience that has an end."""

from __future__ import annotations

import gc
import socket
import sys
import uuid
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog
from gunicorn import util
from gunicorn.app.base import BaseApplication
from gunicorn.glogging import Logger
from gunicorn.http import errors as refusals
from gunicorn.workers.gthread import ThreadWorker
from prometheus_client.multiprocess import mark_process_dead

from cloudmanager import metrics_directory, schema
from cloudmanager.api.answers import error_body
from cloudmanager.api.services import Services
from cloudmanager.app import check, create_app
from cloudmanager.bell import Bell
from cloudmanager.blocking import Blocking
from cloudmanager.db import Database
from cloudmanager.host_access import host_port
from cloudmanager.lifeline import die_with_parent
from cloudmanager.nova_database import NovaDatabase
from cloudmanager.openstack.cloud import cloud_for
from cloudmanager.openstack.tenants import tenants_for
from cloudmanager.power import Probe
from cloudmanager.vault import Vault

if TYPE_CHECKING:
    from flask import Flask

    from cloudmanager.config import Config

LOG = structlog.get_logger(__name__)

GRACE = 20  # seconds for running requests when the server stops
CLIENT_TIMEOUT = 10.0  # seconds that a client may be silent in the middle of its request
MAX_REQUEST_LINE = 8190  # bytes, the most that gunicorn takes; the application refuses a little less

_STATUS: tuple[tuple[type[Exception], HTTPStatus], ...] = (
    (refusals.InvalidResponseHeader, HTTPStatus.INTERNAL_SERVER_ERROR),
    (refusals.InvalidResponseHeaderName, HTTPStatus.INTERNAL_SERVER_ERROR),
    (refusals.ConfigurationProblem, HTTPStatus.INTERNAL_SERVER_ERROR),
    (refusals.LimitRequestLine, HTTPStatus.REQUEST_URI_TOO_LONG),
    (refusals.LimitRequestHeaders, HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE),
    (refusals.UnsupportedTransferCoding, HTTPStatus.NOT_IMPLEMENTED),
    (refusals.ExpectationFailed, HTTPStatus.EXPECTATION_FAILED),
    (refusals.ForbiddenProxyRequest, HTTPStatus.FORBIDDEN),
    (refusals.ParseException, HTTPStatus.BAD_REQUEST),
    (refusals.InvalidChunkSize, HTTPStatus.BAD_REQUEST),
    (refusals.ChunkMissingTerminator, HTTPStatus.BAD_REQUEST),
)
_LONGEST_REASON = 200


def serve(config: Config, listener: socket.socket) -> None:
    """Serve the API until SIGTERM; then let running requests end."""
    vault = Vault(Path(config.secrets.key_file))  # what is wrong is better said here than in each process
    check(config)
    database = Database.from_config(config)
    host_port(database, vault, config)
    schema.check(database)
    database.close()  # a connection must not be shared with the processes that are forked
    gc.freeze()  # what is imported stays: no collection need look at it again, nor copy its pages
    _Server(config, listener).run()


def application(config: Config) -> Flask:
    """The application with everything that it uses."""
    database, vault = Database.from_config(config), Vault(Path(config.secrets.key_file))
    services = Services(
        config=config,
        database=database,
        vault=vault,
        bell=Bell(config),
        power=Probe(config),
        cloud=Blocking("cloud", lambda: cloud_for(config)),
        host=Blocking("host", lambda: host_port(database, vault, config)),
        nova_database=NovaDatabase(config.nova.database_connection),
        tenants=Blocking("tenants", lambda: tenants_for(config)),
    )
    return create_app(services)


class _Server(BaseApplication):  # type: ignore[misc]
    def __init__(self, config: Config, listener: socket.socket) -> None:
        self._config = config
        self._listener = listener
        super().__init__()

    def load_config(self) -> None:
        """Give gunicorn its settings."""
        for name, value in _settings(self._config, self._listener.detach()).items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        """Make the application, in the process that serves it."""
        return application(self._config)


def _settings(config: Config, descriptor: int) -> dict[str, Any]:
    return {
        "bind": f"fd://{descriptor}",
        "workers": config.api.processes,
        "threads": config.api.threads,
        "worker_class": ApiWorker,
        "logger_class": ServerLogger,
        "loglevel": "debug" if config.log.level == "debug" else "warning",
        "graceful_timeout": GRACE,
        "keepalive": 5,
        "limit_request_line": MAX_REQUEST_LINE,
        "control_socket_disable": True,
        "post_fork": _after_fork,
        "child_exit": _after_exit,
    }


def _after_fork(_arbiter: Any, worker: Any) -> None:
    die_with_parent(worker.ppid)


def _after_exit(_arbiter: Any, worker: Any) -> None:
    if metrics_directory.is_shared():
        mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]


class ApiWorker(ThreadWorker):  # type: ignore[misc]
    """A process that serves requests in threads."""

    def enqueue_req(self, conn: Any) -> None:
        """Hand a connection to a thread; a silent client must not keep that thread."""
        if not isinstance(conn.sock, BoundedSocket):
            conn.sock = BoundedSocket(fileno=conn.sock.detach())
        super().enqueue_req(conn)

    def handle_error(self, req: Any, client: socket.socket, addr: Any, exc: Exception) -> None:
        """Answer what never reached the application, or what it did not catch."""
        status = next((code for kind, code in _STATUS if isinstance(exc, kind)), None)
        request_id = f"req-{uuid.uuid4()}"
        if status is None or status == HTTPStatus.INTERNAL_SERVER_ERROR:
            status = HTTPStatus.INTERNAL_SERVER_ERROR
            LOG.error("request failed", request_id=request_id, path=getattr(req, "path", None), exc_info=exc)
        else:
            LOG.warning("request refused", request_id=request_id, status=int(status), client=addr and addr[0])
        try:
            util.write_nonblock(client, _refusal(status, _reason(status, exc), request_id))
        except OSError:  # the client has gone
            return


class BoundedSocket(socket.socket):
    """A socket whose blocking operations end: a client that is silent for too long is dropped."""

    def setblocking(self, flag: bool) -> None:
        """Block for a bounded time or not at all."""
        self.settimeout(CLIENT_TIMEOUT if flag else 0.0)


class ServerLogger(Logger):  # type: ignore[misc]
    """Gunicorn's own lines, sent where all lines go."""

    def setup(self, cfg: Any) -> None:
        """Undo gunicorn's handlers: the lines go up to ours."""
        super().setup(cfg)
        self.error_log.handlers.clear()
        self.error_log.propagate = True

    def exception(self, msg: str, *args: Any, **kwargs: Any) -> None:
        """Log a failure; that a client was silent for too long is none."""
        if isinstance(sys.exception(), TimeoutError):
            self.debug("A client was silent for too long and was dropped.")
        else:
            super().exception(msg, *args, **kwargs)


def _reason(status: HTTPStatus, error: Exception) -> str:
    if status == HTTPStatus.REQUEST_URI_TOO_LONG:
        return f"the request line is longer than {MAX_REQUEST_LINE} bytes: ask in several requests"
    if status == HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE:
        return f"too many or too large header fields: {error}"
    if status == HTTPStatus.INTERNAL_SERVER_ERROR:
        return "internal error: report it with the request id, the log has the details"
    return f"this is not a request that we understand: {error}"[:_LONGEST_REASON]


def _refusal(status: HTTPStatus, message: str, request_id: str) -> bytes:
    body = error_body(status, message, request_id)
    head = (
        f"HTTP/1.1 {int(status)} {status.phrase}\r\n"
        "Connection: close\r\n"
        "Content-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n"
        f"X-Openstack-Request-Id: {request_id}\r\n\r\n"
    )
    return head.encode("ascii") + body

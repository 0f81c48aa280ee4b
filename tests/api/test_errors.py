"""Every error in one form, and no error that tells too much."""

import contextlib
import io
import sqlite3
from http import HTTPStatus

import pytest
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from cloudmanager import errors
from cloudmanager.api import constraints
from cloudmanager.api.errors import STATUS
from cloudmanager.app import create_app

JSON = "application/json"
MOST = 8_388_608


def descendants(kind):
    yield kind
    for child in kind.__subclasses__():
        yield from descendants(child)


def test_the_table_is_complete():
    assert set(STATUS) == set(descendants(errors.CloudManagerError))


def test_every_constraint_has_words():
    assert {name for name, _ in constraints.named()} == set(constraints.WORDS)


@pytest.fixture
def raising(api):
    """Makes `GET /boom` raise what is given."""
    holder = {}

    def boom():
        raise holder["error"]

    app = create_app(api.services)
    app.add_url_rule("/boom", "boom", boom)

    def ask(error):
        holder["error"] = error
        return app.test_client().get("/boom")

    return ask


EXAMPLES = [
    (errors.Malformed("m"), 400),
    (errors.InvalidInput("m", {"f": ["x"]}), 422),
    (errors.Unauthenticated("m"), 401),
    (errors.Forbidden("m"), 403),
    (errors.NotFound("m"), 404),
    (errors.Conflict("m"), 409),
    (errors.Busy("m", "the-task"), 409),
    (errors.Unavailable("m", retry_after=7), 503),
    (errors.DeviceError("m"), 502),
    (errors.DeviceRefused("m"), 502),
    (errors.DeviceUnreachable("m"), 504),
    (errors.Unsupported("m"), 409),
]


@pytest.mark.parametrize(("error", "status"), EXAMPLES, ids=lambda value: type(value).__name__)
def test_our_errors(raising, error, status):
    response = raising(error)
    told = response.get_json()["error"]
    assert response.status_code == told["code"] == status
    assert (told["title"], told["message"]) == (HTTPStatus(status).phrase, "m")
    assert told["request_id"] == response.headers["X-Openstack-Request-Id"]
    assert told.get("errors") == ({"f": ["x"]} if status == 422 else None)
    assert told.get("task_id") == ("the-task" if isinstance(error, errors.Busy) else None)
    assert response.headers.get("Retry-After") == ("7" if status == 503 else None)
    assert ("WWW-Authenticate" in response.headers) is (status == 401)


@pytest.mark.parametrize(
    "error",
    [
        ValueError("S3cret"),
        errors.Misconfigured("S3cret"),
        errors.CloudManagerError("S3cret"),
        RecursionError("S3cret"),
    ],
)
def test_what_is_unforeseen_tells_nothing_but_the_request_id(raising, error, capsys):
    response = raising(error)
    assert response.status_code == 500
    assert "S3cret" not in response.text
    assert "Traceback" not in response.text
    logged = capsys.readouterr().out
    assert response.get_json()["error"]["request_id"] in logged
    assert type(error).__name__ in logged


def test_errors_of_the_database(raising):
    busy = OperationalError("SELECT secret", {}, sqlite3.OperationalError("database is locked"))
    for error in (busy, PoolTimeout("pool")):
        response = raising(error)
        assert (response.status_code, response.headers["Retry-After"]) == (503, "5")
        assert "SELECT" not in response.text
    for text, words in (
        ("UNIQUE constraint failed: nodes.name", constraints.WORDS["uq_nodes_name"]),
        ("CHECK constraint failed: ck_nodes_condition", "condition is 0..4"),
        ("FOREIGN KEY constraint failed", constraints.OTHERWISE),
        ("something new", constraints.OTHERWISE),
    ):
        response = raising(IntegrityError("INSERT secret", {}, sqlite3.IntegrityError(text)))
        assert (response.status_code, response.get_json()["error"]["message"]) == (409, words)


def test_constraints_are_found_by_the_name_that_postgresql_gives():
    class Diagnosis:
        constraint_name = "uq_nodes_name"

    class Original(Exception):
        diag = Diagnosis

    assert constraints.in_words(IntegrityError("", {}, Original())) == constraints.WORDS["uq_nodes_name"]


def test_a_database_that_is_locked_is_503(api):
    with contextlib.closing(sqlite3.connect(api.database.engine.url.database)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert api.ask("POST", "/v1/nodes/", {"node": {}}).status_code == 503
        other.rollback()
    api.node()


def test_errors_of_the_framework(api):
    for method, path, status in (
        ("GET", "/v1/nothing", 404),
        ("GET", "/", 404),
        ("GET", "//v1/nodes/", 404),
        ("PATCH", "/v1/nodes/", 405),
        ("POST", "/v1/info", 405),
        ("GET", "/v1/nodes/x", 404),
        ("GET", "/v1/nodes/-1", 404),
        ("GET", "/v1/nodes/1/actions/reset", 405),
    ):
        response = api.ask(method, path)
        assert response.status_code == status, path
        assert response.get_json()["error"]["code"] == status
        assert response.content_type == JSON
    assert set(api.ask("PATCH", "/v1/nodes/").headers["Allow"].split(", ")) == {
        "GET",
        "HEAD",
        "OPTIONS",
        "POST",
    }
    assert api.ask("GET", "/v1/nodes/?name=" + "x" * 8000).status_code == 414


MALFORMED = [
    b"{", b"nonsense", b'{"node": }', b"\xff\xfe", b'{"node": {"name": "\xff"}}', b'{"node": {"name": "\\ud800"}}',
    b'{"node": {"ram_mb": NaN}}', b'{"node": {"ram_mb": Infinity}}', b"\xef\xbb\xbf{}", b'{"node": {}, "node": {}}',
    b'{"node": {"name": "a", "name": "b"}}', b"[" * 5000, b'{"a":' * 5000, b'{"a":' * 1020 + b"1" + b"}" * 1020,
    b'{"node": {"ram_mb": ' + b"9" * 5000 + b"}}", b"{}{}", b"\0", '{"node": {}}'.encode("utf-16"),
]  # fmt: skip


@pytest.mark.parametrize("body", MALFORMED, ids=range(len(MALFORMED)))
def test_malformed_json(api, body):
    for method, path in (("POST", "/v1/nodes/"), ("POST", "/v1/nodes/actions/reset")):
        response = api.ask(method, path, data=body, content_type=JSON)
        assert response.status_code == 400, response.text
        assert response.get_json()["error"]["title"] == "Bad Request"


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"1",
        b'"x"',
        b"null",
        b"true",
        b'{"node": 1}',
        b'{"node": {"node": {}}}',
        b'{"node": {"name": "\\u0000"}}',
        b'{"node": {"metadata": ' + b'{"a":' * 500 + b"1" + b"}" * 502,
    ],
)
def test_json_that_is_not_what_we_take(api, body):
    assert api.ask("POST", "/v1/nodes/", data=body, content_type=JSON).status_code == 422


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "application/json; charset=latin-1"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
    ],
)
def test_media_types_that_we_do_not_take(api, headers):
    response = api.ask("POST", "/v1/nodes/", data=b'{"node": {}}', headers=headers)
    assert (response.status_code, response.get_json()["error"]["code"]) == (415, 415)


@pytest.mark.parametrize("content_type", [None, JSON, "application/json; charset=utf-8", "Application/JSON"])
def test_media_types_that_we_take(api, content_type):
    assert api.ask("POST", "/v1/nodes/", data=b'{"node": {}}', content_type=content_type).status_code == 201


def test_a_body_that_is_too_large(api):
    body = b'{"node": {}}' + b" " * (MOST - 12)
    assert api.ask("POST", "/v1/nodes/", data=body, content_type=JSON).status_code == 201
    response = api.ask("POST", "/v1/nodes/", data=body + b" ", content_type=JSON)
    assert response.status_code == 413
    response = api.ask("POST", "/v1/nodes/", data=body * 2, content_type=JSON)
    assert response.status_code == 413
    assert "max_body_bytes" in response.get_json()["error"]["message"]


@pytest.mark.parametrize(("length", "status"), [(MOST, 201), (MOST + 1, 413), (2 * MOST, 413)])
def test_a_body_without_a_length(api, length, status):
    body = b'{"node": {}}'
    response = api.ask(
        "POST",
        "/v1/nodes/",
        input_stream=io.BytesIO(body + b" " * (length - len(body))),
        content_type=JSON,
        environ_overrides={"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"},
    )
    assert response.status_code == status

"""What surrounds requests: ids, log lines, health, metrics."""

import structlog

from cloudmanager.flows import start

ID = "req-01234567-89ab-cdef-0123-456789abcdef"


def test_every_answer_has_its_own_request_id(api):
    ids = {
        api.ask("GET", path).headers["X-Openstack-Request-Id"]
        for path in ("/v1/info", "/v1/info", "/nothing", "/healthz")
    }
    assert len(ids) == 4


def test_a_line_for_every_request(api):
    with structlog.testing.capture_logs() as lines:
        response = api.ask("GET", "/v1/nodes/77?", role="reader")
    [line] = [line for line in lines if line["event"] == "request"]
    assert line.pop("duration_ms") >= 0
    assert line == {
        "event": "request",
        "log_level": "info",
        "method": "GET",
        "path": "/v1/nodes/77",
        "status": 404,
        "user": "the reader",
        "request_id": response.headers["X-Openstack-Request-Id"],
    }


def test_who_watches_fills_no_log(api):
    with structlog.testing.capture_logs() as lines:
        for path in ("/healthz", "/readyz", "/metrics", "/healthz/", "/v1/info"):
            api.ask("GET", path)
    levels = {line["path"]: line["log_level"] for line in lines if line["event"] == "request"}
    assert levels == {
        "/healthz": "debug",
        "/readyz": "debug",
        "/metrics": "debug",
        "/healthz/": "debug",
        "/v1/info": "info",
    }


def test_the_callers_id_is_noted_but_not_taken_over(api, capsys):
    response = api.ask("GET", "/v1/info", headers={"X-Openstack-Request-Id": ID})
    assert response.headers["X-Openstack-Request-Id"] != ID
    assert f"global_request_id={ID}" in capsys.readouterr().out
    api.ask("GET", "/v1/info", headers={"X-Openstack-Request-Id": "req-x evil=1"})
    logged = capsys.readouterr().out
    assert "evil" not in logged
    assert ID not in logged


def test_liveness_asks_nobody(api, count_queries):
    assert count_queries(lambda: api.get("/healthz", role="nobody")) == 0


def test_readiness_names_what_is_missing(api, monkeypatch):
    good = {"ok": True, "why": None}
    assert api.get("/readyz", role="nobody") == {"database": good, "broker": good, "worker": good}
    api.bell.worker = False
    answer = api.get("/readyz", 503)
    assert (answer["worker"]["ok"], answer["broker"]) == (False, good)
    assert "worker" in answer["worker"]["why"]
    api.bell.broker = False
    answer = api.get("/readyz", 503)
    assert (answer["worker"]["ok"], answer["broker"]["ok"]) == (False, False)

    def fail(self):
        from sqlalchemy.exc import OperationalError

        raise OperationalError("", {}, Exception())

    monkeypatch.setattr(type(api.database), "ping", fail)
    assert api.get("/readyz", 503)["database"]["ok"] is False


def test_metrics(api):
    api.get("/v1/nodes/77", 404)
    with api.database.transaction() as session:
        start(session, "reset", subject=None, params={}, requested_by=None, request_id=None)
    response = api.ask("GET", "/metrics", role="nobody")
    assert response.content_type.startswith("text/plain")
    assert (
        'cloudmanager_requests_total{endpoint="/v1/nodes/<id:node_id>",method="GET",status="404"}'
        in response.text
    )
    assert (
        'cloudmanager_request_seconds_bucket{endpoint="/v1/nodes/<id:node_id>",le="0.1",method="GET"}'
        in response.text
    )
    assert 'cloudmanager_flows{status="PENDING"} 1.0' in response.text
    assert 'cloudmanager_flows{status="FAILURE"} 0.0' in response.text


def test_paths_that_are_not_there_are_one_series(api):
    api.get("/v1/one", 404)
    api.get("/v1/two", 404)
    text = api.ask("GET", "/metrics").text
    assert "/v1/one" not in text
    assert 'endpoint="(unknown)"' in text


def test_metrics_of_several_processes(api, monkeypatch, tmp_path):
    (tmp_path / "metrics").mkdir()
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path / "metrics"))
    text = api.ask("GET", "/metrics").text
    assert "cloudmanager_requests_total{" not in text
    assert "cloudmanager_flows{" in text

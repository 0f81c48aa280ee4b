"""The whole product with Keystone's tokens: real processes, and a simulated Keystone on a real socket."""

from __future__ import annotations

import json

import httpx
import pytest

from tests.keystone import PASSWORD, RunningKeystone

from .product import Product


@pytest.fixture
def keystone():
    with RunningKeystone() as running:
        yield running


@pytest.fixture
def product(tmp_path, keystone):
    state = tmp_path / "state"
    config = {
        "auth": {"strategy": "keystone"},
        "keystone_authtoken": keystone.options(http_request_max_retries=0),
        "oslo_policy": {"policy_file": "policy.yaml"},
    }
    product = Product(state, config=config)
    (state / "policy.yaml").write_text('"nodes:create": "rule:member"\n')
    yield product
    product.end()


def ask(product, token, method, path, **options):
    headers = {"X-Auth-Token": token} if token else {}
    return httpx.request(method, product.url + path, headers=headers, timeout=30, **options)


def test_from_a_start_without_keystone_to_the_audit_log(product, keystone):
    tokens = {name: keystone.token(name) for name in ("admin", "member", "reader")}
    keystone.stop()
    product.start()
    assert ask(product, None, "GET", "/readyz").status_code == 200
    away = ask(product, tokens["reader"], "GET", "/v1/nodes/")
    assert (away.status_code, away.headers["Retry-After"]) == (503, "5")
    keystone.start()
    product.stop()
    product.start()

    refused = ask(product, product.token, "GET", "/v1/nodes/")  # a token of our own counts for nothing here
    assert refused.status_code == 401
    assert refused.headers["WWW-Authenticate"] == f'Keystone uri="{keystone.url}"'
    body = {"node": {"name": "n1"}}
    assert ask(product, tokens["reader"], "POST", "/v1/nodes/", json=body).status_code == 403
    assert ask(product, tokens["member"], "POST", "/v1/nodes/", json=body).status_code == 201
    assert ask(product, tokens["reader"], "GET", "/v1/audit-log/").status_code == 403
    found = ask(product, tokens["admin"], "GET", "/v1/audit-log/").json()["audit_log"]
    member = keystone.user("member")
    assert [(one["user_id"], one["project_id"], one["roles"], one["status"]) for one in found] == [
        (keystone.user("reader").id, keystone.fleet.id, "reader", 403),
        (member.id, keystone.fleet.id, "member,reader", 201),
    ]
    assert found[1]["subject"] == "node:1"

    run = product.cli("audit", "export")
    assert [json.loads(line) for line in run.stdout.splitlines()] == found
    logged = product.log()
    for secret in (PASSWORD, *tokens.values()):
        assert secret not in logged


def test_what_is_wrong_in_the_configuration_stops_the_start(product):
    (product.state_dir / "policy.yaml").write_text('"nodes:create": "nonsense or"\n')
    product.launch()
    assert product.wait() == 2
    assert "nodes:create: cannot understand" in product.log_end()

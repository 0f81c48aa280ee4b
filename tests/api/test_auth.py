"""Who may call what: every operation of the document with every role."""

import re
from datetime import timedelta

import pytest
from sqlalchemy import update

from cloudmanager import errors
from cloudmanager.api import memory
from cloudmanager.api.token_strategy import TokenStrategy
from cloudmanager.app import openapi_document
from cloudmanager.models import ApiToken, utc_now
from cloudmanager.tokens import Role, create_token, digest, find_holder

OPERATIONS = [
    (method.upper(), path, operation.get("x-role"))
    for path, methods in openapi_document()["paths"].items()
    for method, operation in methods.items()
    if method != "parameters" and not path.startswith("/api/cloud/compute/")  # test_portal.py
]
PUBLIC = {"/healthz", "/readyz", "/metrics", "/openapi.json", "/docs", "/docs/{name}"}
LOG_IN = "/onecloud/v3/auth/tokens"
"""What gives a token needs none; without OpenStack there is nobody who gives one."""


@pytest.mark.parametrize(("method", "path", "role"), OPERATIONS, ids=str)
def test_every_operation_takes_its_role_and_no_lesser(api, method, path, role):
    template = path
    path = re.sub("{(task|server|volume)_id}|{instance_uuid}", "00000000-0000-0000-0000-000000000000", path)
    path = re.sub("{[a-z_]+}", "77", path)
    if role is None:
        assert template in PUBLIC | {LOG_IN}
        if template == LOG_IN:
            assert api.ask(method, path, role="nobody").status_code in (415, 422, 501)
            return
        assert api.ask(method, path, role="nobody").status_code == (404 if "{" in template else 200)
        return
    refused = api.ask(method, path, role="nobody")
    assert (refused.status_code, "WWW-Authenticate" in refused.headers) == (401, True)
    for known in Role:
        status = api.ask(method, path, role=known.title).status_code
        assert (status == 403) is (known < Role[role.upper()]), (known, status)


def test_roles_of_the_groups():
    roles = {(method, path): role for method, path, role in OPERATIONS}
    assert roles["POST", "/v1/nodes/{node_id}/actions/reset"] == "member"
    assert roles["GET", "/v1/nodes/"] == "reader"
    assert {role for (_, path), role in roles.items() if path.startswith("/v1/power-controls")} == {"admin"}


@pytest.mark.parametrize("token", ["", " ", "wrong", "ä", "\x00", "x" * 5000])
def test_unknown_tokens(api, token):
    api.tokens["strange"] = None
    response = api.ask(
        "GET", "/v1/info", role="strange", headers={"X-Auth-Token": token.encode().decode("latin-1")}
    )
    assert response.status_code == 401
    assert response.get_json()["error"]["title"] == "Unauthorized"


def test_expired_tokens(api):
    with api.database.transaction() as session:
        api.tokens["short"] = create_token(session, "short", "admin", ttl=3600)
        api.tokens["past"] = create_token(session, "past", "admin", ttl=-1)
    api.get("/v1/info", role="short")
    assert "expired" in api.get("/v1/info", 401, role="past")["error"]["message"]
    with api.database.transaction() as session:
        session.execute(
            update(ApiToken)
            .where(ApiToken.name == "short")
            .values(expires_at=utc_now() - timedelta(seconds=1))
        )


def test_only_the_digest_is_stored(api):
    with api.database.transaction() as session:
        token = create_token(session, "mine", "member")
        holder = find_holder(session, digest(token))
        assert (holder.name, holder.role, holder.expires_at) == ("mine", Role.MEMBER, None)
        assert find_holder(session, token) is None
        with pytest.raises(errors.Conflict):
            create_token(session, "mine", "member")
        with pytest.raises(errors.InvalidInput):
            create_token(session, "other", "emperor")


def test_a_token_is_remembered_for_a_moment_only(api, monkeypatch):
    now = 1000.0
    monkeypatch.setattr(memory, "monotonic", lambda: now)
    cache = TokenStrategy(size=2)
    token = api.tokens["reader"]
    assert cache.find(api.database, token).name == "the reader"
    with api.database.transaction() as session:
        session.execute(update(ApiToken).where(ApiToken.name == "the reader").values(digest="x"))
    assert cache.find(api.database, token) is not None
    now += 5.1
    assert cache.find(api.database, token) is None
    for role in ("member", "admin", "member"):
        assert cache.find(api.database, api.tokens[role]) is not None


def test_the_token_is_not_in_the_log(api, capsys):
    api.get("/v1/nodes/?name=S3cret")
    api.get("/v1/nodes/", 401, role="nobody", headers={"X-Auth-Token": "S3cret-token"})
    logged = capsys.readouterr().out
    assert "/v1/nodes/" in logged
    assert "S3cret" not in logged
    assert api.tokens["admin"] not in logged

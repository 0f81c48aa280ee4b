"""Tenants' tokens at the API: whom they belong to, and how they are refused."""

from dataclasses import replace

import pytest
from flask import g, request

from cloudmanager import config
from cloudmanager.api import auth, bearer
from cloudmanager.api import errors as api_errors
from cloudmanager.api.services import attach
from cloudmanager.app import check
from cloudmanager.errors import (
    CloudManagerError,
    CloudNotConfigured,
    Forbidden,
    Misconfigured,
    Unauthenticated,
    Unavailable,
)
from cloudmanager.oidc import keys
from tests.issuer import AUDIENCE, ISSUER, Issuer, raw


@pytest.fixture(scope="module")
def issuer():
    return Issuer()


@pytest.fixture
def portal(api, issuer, monkeypatch):
    """The application, where the issuer's keys are at hand."""
    monkeypatch.setattr(keys, "fetch", lambda url, **_: issuer.published)
    use(api, issuer=ISSUER, audiences=[AUDIENCE], jwks_url=f"{ISSUER}/certs")
    return api


def use(api, **options):
    made = config.load(overrides={("oidc", name): value for name, value in options.items()})
    attach(api.app, replace(api.services, config=made))
    bearer.register(api.app)


def ask(api, authorization=None):
    """The caller, or the error and the challenge with which it is answered."""
    headers = {} if authorization is None else {"Authorization": authorization}
    with api.app.test_request_context("/", headers=headers):
        try:
            return bearer.caller(request), g.caller
        except CloudManagerError as error:
            return error, auth.challenge()


def test_the_caller(portal, issuer):
    user, recorded = ask(portal, f"Bearer {issuer.token()}")
    assert (user.name, user.project_id, user.roles) == ("alice", "red", ("member",))
    assert (recorded.name, recorded.user_id, recorded.project_id) == ("alice", user.subject, "red")
    assert ask(portal, f"bearer  {issuer.token()} ")[0] == user


@pytest.mark.parametrize("authorization", [None, "", "Basic YTpi", "Bearer", "Token x"])
def test_without_a_token(portal, authorization):
    error, challenge = ask(portal, authorization)
    assert isinstance(error, Unauthenticated)
    assert challenge.startswith('Bearer realm="cloudmanager"')
    assert ("error=" in challenge) is (authorization == "Bearer")


def test_a_bad_token_is_told_so_in_the_challenge(portal, issuer):
    error, challenge = ask(portal, f"Bearer {issuer.token(exp=1)}")
    assert isinstance(error, Unauthenticated)
    assert (
        'error="invalid_token", error_description="the token does not count: Signature has exp' in challenge
    )
    _, challenge = ask(portal, "Bearer " + raw({"alg": "RS256", "kid": "rsa", "b64": False}, {}))
    assert challenge.count('"') == 6
    assert "\\" not in challenge


def test_two_tokens_are_none(portal, issuer):
    assert isinstance(ask(portal, f"Bearer {issuer.token()}, Bearer {issuer.token()}")[0], Unauthenticated)


def test_the_answer(portal, issuer):
    with portal.app.test_request_context("/", headers={"Authorization": "Bearer x"}):
        g.request_id = "req-1"
        with pytest.raises(Unauthenticated) as caught:
            bearer.caller(request)
        response = api_errors._ours(caught.value)
    assert response.status_code == 401
    assert 'error="invalid_token"' in response.headers["WWW-Authenticate"]


def test_the_challenge_of_other_operations_stays(portal):
    response = portal.ask("GET", "/v1/info", role="nobody", headers={"Authorization": "Bearer x"})
    assert response.headers["WWW-Authenticate"] == 'X-Auth-Token realm="cloudmanager"'


def test_no_project(portal, issuer):
    error, _ = ask(portal, f"Bearer {issuer.token(project_id=None)}")
    assert isinstance(error, Forbidden)
    assert "project_id" in error.message


def test_the_issuer_is_away(portal, issuer, monkeypatch):
    def fetch(url, **_):
        raise Unavailable(f"{url} cannot be reached")

    monkeypatch.setattr(keys, "fetch", fetch)
    error, _ = ask(portal, f"Bearer {issuer.token()}")
    assert isinstance(error, Unavailable)
    assert ISSUER in error.message


def test_no_issuer(api, issuer):
    use(api)
    error, _ = ask(api, f"Bearer {issuer.token()}")
    assert isinstance(error, CloudNotConfigured)
    assert "[oidc] issuer" in error.message


@pytest.mark.parametrize(
    ("options", "named"),
    [({}, "audiences"), ({"audiences": ["a"], "algorithms": []}, "algorithms")],
    ids=["nobody", "no algorithm"],
)
def test_configurations_that_keep_the_api_from_starting(options, named):
    overrides = {("oidc", name): value for name, value in ({"issuer": ISSUER} | options).items()}
    with pytest.raises(Misconfigured, match=named):
        check(config.load(overrides=overrides))

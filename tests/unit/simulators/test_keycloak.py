"""The simulated Keycloak, asked by OpenStack's client of OpenID Connect; its tokens read by jwcrypto."""

import json

import httpx
import pytest
from jwcrypto import jwk, jwt
from keystoneauth1 import exceptions, session
from keystoneauth1.identity import v3

from cloudmanager import config
from cloudmanager.errors import Unauthenticated
from cloudmanager.oidc import IssuerKeys, Verifier, tenant_of
from cloudmanager.simulators.clock import LoopClock, ManualClock
from cloudmanager.simulators.keycloak import Keycloak, Realm
from tests.background import Background

AUDIENCE = "compute-portal"
FORM = {"grant_type": "password", "client_id": "web", "username": "alice", "password": "s3cret"}


class Running:
    """A realm `cloud` with alice, who logs in by `web`, and the program `robot`."""

    def __init__(self):
        self.loop = Background()
        self.realm = Realm(LoopClock())
        self.realm.add_person("alice", "s3cret", claims={"project_id": "red"}, roles=["member"])
        self.realm.add_client("web", AUDIENCE)
        self.realm.add_client("robot", AUDIENCE, secret="r0bot", claims={"project_id": "blue"})
        self.service = Keycloak(self.realm)
        self.loop.run(self.service.start("127.0.0.1", 0))

    def close(self):
        self.loop.run(self.service.stop())
        self.loop.end()

    @property
    def certs(self):
        return httpx.get(f"{self.service.issuer}/protocol/openid-connect/certs").json()

    def post(self, form=None, **options):
        url = f"{self.service.issuer}/protocol/openid-connect/token"
        return httpx.post(url, data=FORM if form is None else form, **options)

    def token(self):
        return self.post().json()["access_token"]

    def verifier(self, **options):
        values = {"issuer": self.service.issuer, "audiences": [AUDIENCE], **options}
        made = config.load(overrides={("oidc", name): value for name, value in values.items()})
        return Verifier(made.oidc, IssuerKeys(made.oidc)), made.oidc


@pytest.fixture(scope="module")
def keycloak():
    running = Running()
    yield running
    running.close()


def claims_of(keycloak, token):
    """What another implementation reads in a token, after it has checked the signature."""
    keys = jwk.JWKSet.from_json(json.dumps(keycloak.certs))
    kid = json.loads(jwt.JWT(jwt=token).token.objects["protected"])["kid"]
    return json.loads(jwt.JWT(jwt=token, key=keys.get_key(kid), algs=["RS256"]).claims)


def plugin(keycloak, kind, **more):
    return kind(
        "http://127.0.0.1:1/v3",
        identity_provider="keycloak",
        protocol="openid",
        discovery_endpoint=f"{keycloak.service.issuer}/.well-known/openid-configuration",
        **more,
    )


def got_by(made):
    """The token that OpenStack's client gets by discovery and its grant."""
    asking = session.Session()
    return made._get_access_token(asking, made.get_payload(asking) | {"grant_type": made.grant_type})


def test_a_person_logs_in(keycloak):
    made = plugin(
        keycloak, v3.OidcPassword, client_id="web", client_secret="", username="alice", password="s3cret"
    )
    claims = claims_of(keycloak, got_by(made))
    assert (claims["preferred_username"], claims["project_id"], claims["azp"]) == ("alice", "red", "web")
    assert claims["exp"] - claims["iat"] == 300
    assert AUDIENCE in claims["aud"]


def test_a_program_logs_in(keycloak):
    made = plugin(keycloak, v3.OidcClientCredentials, client_id="robot", client_secret="r0bot")
    claims = claims_of(keycloak, got_by(made))
    assert (claims["preferred_username"], claims["project_id"]) == ("service-account-robot", "blue")
    wrong = plugin(keycloak, v3.OidcClientCredentials, client_id="robot", client_secret="robot")
    with pytest.raises(exceptions.Unauthorized):
        got_by(wrong)


@pytest.mark.parametrize(
    ("changes", "status", "error"),
    [
        ({"password": "wrong"}, 401, "invalid_grant"),
        ({"username": "mallory"}, 401, "invalid_grant"),
        ({"client_id": "shop"}, 401, "invalid_client"),
        ({"client_id": "robot"}, 401, "invalid_client"),
        ({"grant_type": "client_credentials"}, 401, "unauthorized_client"),
        ({"grant_type": "refresh_token"}, 400, "unsupported_grant_type"),
        ({"grant_type": None}, 400, "invalid_request"),
    ],
    ids=["password", "person", "client", "no secret", "public client", "refresh", "no grant"],
)
def test_refusals(keycloak, changes, status, error):
    form = {name: value for name, value in (FORM | changes).items() if value is not None}
    answer = keycloak.post(form)
    assert (answer.status_code, answer.json()["error"]) == (status, error)


def test_paths_that_are_not_there(keycloak):
    for path in ("/", "/realms/other", "/realms/cloud/nothing", "/realms/cloud"):
        assert httpx.get(f"{keycloak.service.url}{path}").status_code == 404
    assert httpx.get(f"{keycloak.service.issuer}/protocol/openid-connect/token").status_code == 405


def test_our_own_check_follows_a_rotation(keycloak):
    verifier, options = keycloak.verifier()
    before = keycloak.token()
    assert tenant_of(verifier.verify(before), options).project_id == "red"
    kid = keycloak.loop.change(keycloak.realm.rotate)
    assert [key["kid"] for key in keycloak.certs["keys"]].index(kid) == 1  # after that for encryption
    after, (fresh, _) = keycloak.token(), keycloak.verifier()
    for token in (before, after):
        assert fresh.verify(token)["project_id"] == "red"
    keycloak.loop.change(keycloak.realm.rotate)
    with pytest.raises(Unauthenticated, match="none of the issuer's"):
        keycloak.verifier()[0].verify(before)


def test_nobody_signs_with_the_key_for_encryption(keycloak):
    use = {key["use"]: key["alg"] for key in keycloak.certs["keys"]}
    assert use == {"enc": "RSA-OAEP", "sig": "RS256"}


def test_it_is_kept_without_being_shown(keycloak):
    kept = Realm.from_dict(json.loads(json.dumps(keycloak.realm.to_dict())), ManualClock())
    assert kept.keys() == keycloak.realm.keys()
    assert kept.clients["robot"].account == keycloak.realm.clients["robot"].account
    shown = repr((kept.people, kept.clients, kept._keys))
    assert "s3cret" not in shown
    assert "r0bot" not in shown
    assert "PRIVATE" not in shown

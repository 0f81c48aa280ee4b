"""Which project verified claims lead to."""

from __future__ import annotations

import pytest

from cloudmanager import config
from cloudmanager.errors import Forbidden
from cloudmanager.oidc import tenant_of
from tests.issuer import good_claims

TABLE = {"/tenants/red": "0" * 32, "/tenants/scarlet": "0" * 32, "/tenants/blue": "b" * 32}


def tenant(claims, **options):
    overrides = {("oidc", name): value for name, value in options.items()}
    return tenant_of(good_claims() | claims, config.load(overrides=overrides).oidc)


def test_a_claim_may_be_the_id():
    found = tenant({})
    assert (found.name, found.project_id, found.roles) == ("alice", "red", ("member",))
    assert found.subject == good_claims()["sub"]


def test_a_user_without_a_name_goes_by_the_subject():
    for name in (None, "", 1, ["alice"]):
        assert tenant({"preferred_username": name}).name == good_claims()["sub"]


@pytest.mark.parametrize(
    "groups", [["/tenants/red"], ["/a", "/tenants/red", "/tenants/scarlet"], "/tenants/red"]
)
def test_a_table_leads_from_groups_to_projects(groups):
    assert tenant({"groups": groups}, project_claim="groups", projects=TABLE).project_id == "0" * 32


def test_with_a_table_the_claim_is_never_the_id():
    with pytest.raises(Forbidden, match="no project"):
        tenant({"groups": ["b" * 32]}, project_claim="groups", projects=TABLE)


def test_which_of_two_is_not_guessed():
    with pytest.raises(Forbidden, match="several"):
        tenant({"groups": ["/tenants/red", "/tenants/blue"]}, project_claim="groups", projects=TABLE)


@pytest.mark.parametrize("path", ["openstack.project", "https://cloud.example/project"])
def test_claims_within_claims_and_names_with_dots(path):
    claims = {"openstack": {"project": "p1"}, "https://cloud.example/project": "p1"}
    assert tenant(claims, project_claim=path).project_id == "p1"


@pytest.mark.parametrize("value", [None, "", [], {}, 7, [1], "a b", "../x", "x" * 65, "p1\n"], ids=repr)
def test_what_is_no_project(value):
    with pytest.raises(Forbidden, match="project_id"):
        tenant({"project_id": value})


def test_roles_that_are_not_there():
    assert tenant({"realm_access": None}).roles == ()
    assert tenant({"realm_access": "x"}).roles == ()

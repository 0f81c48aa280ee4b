"""Domains: their options, as Keystone takes them and keeps them."""

import pytest

from cloudmanager.domain_file import ALLOWED
from cloudmanager.errors import CloudRefused, NotFound

LDAP = {"identity": {"driver": "ldap"}, "ldap": {"url": "ldap://127.0.0.1", "password": "s3cret"}}


@pytest.fixture
async def domain(site, place):
    domain_id = await site.ask(place.add_domain, site.sdk, "contract.example")
    yield await site.cloud.domain(domain_id)
    await site.ask(place.remove_domain, site.sdk, domain_id)


async def shown(site, domain):
    answer = await site.ask(site.sdk.identity.get, f"/domains/{domain.id}/config")
    return answer.json()["config"]


async def test_a_domain_is_known_by_its_id(site, domain):
    assert domain.name == "contract.example"
    with pytest.raises(NotFound):
        await site.cloud.domain("0" * 32)


async def test_options_are_replaced_as_a_whole_and_the_password_is_not_shown(site, domain):
    await site.cloud.configure_domain(domain.id, LDAP)
    assert await shown(site, domain) == {"identity": {"driver": "ldap"}, "ldap": {"url": "ldap://127.0.0.1"}}
    await site.cloud.configure_domain(domain.id, {"identity": {"driver": "sql"}})
    assert await shown(site, domain) == {"identity": {"driver": "sql"}}


async def test_all_that_we_let_pass_is_taken(site, domain):
    wish = {}
    for name in sorted(ALLOWED):
        group, _, option = name.partition(".")
        wish.setdefault(group, {})[option] = "1"
    await site.cloud.configure_domain(domain.id, wish)
    del wish["ldap"]["password"]
    assert await shown(site, domain) == wish


@pytest.mark.parametrize("options", [{"ldap": {"no_such": "1"}}, {"database": {"connection": "x"}}, {}])
async def test_what_a_domain_cannot_have_is_refused(site, domain, options):
    with pytest.raises(CloudRefused) as refused:
        await site.cloud.configure_domain(domain.id, options)
    assert refused.value.status in (400, 403)
    assert "s3cret" not in refused.value.message

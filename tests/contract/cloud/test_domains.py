"""Domains: their options, as Keystone takes them and keeps them."""

import asyncio
import uuid

import pytest

from cloudmanager.domain_file import ALLOWED
from cloudmanager.errors import CloudRefused, NotFound

LDAP = {"identity": {"driver": "ldap"}, "ldap": {"url": "ldap://127.0.0.1", "password": "s3cret"}}


@pytest.fixture
async def cloud(place):
    cloud = place.cloud()
    yield cloud
    await cloud.close()


@pytest.fixture
def sdk(place):
    """An independent client."""
    sdk = place.sdk()
    yield sdk
    sdk.close()


@pytest.fixture
async def domain(cloud, sdk, place):
    """One of our own."""
    name = f"contract-{uuid.uuid4().hex[:8]}.example"
    domain_id = await asyncio.to_thread(place.add_domain, sdk, name)
    yield await cloud.domain(domain_id)
    await asyncio.to_thread(place.remove_domain, sdk, domain_id)


async def shown(sdk, domain):
    answer = await asyncio.to_thread(sdk.identity.get, f"/domains/{domain.id}/config")
    return answer.json()["config"]


async def test_a_domain_is_known_by_its_id(cloud, domain):
    assert domain.name.startswith("contract-")
    with pytest.raises(NotFound):
        await cloud.domain("0" * 32)


async def test_options_are_replaced_as_a_whole_and_the_password_is_not_shown(cloud, sdk, domain):
    await cloud.configure_domain(domain.id, LDAP)
    assert await shown(sdk, domain) == {"identity": {"driver": "ldap"}, "ldap": {"url": "ldap://127.0.0.1"}}
    await cloud.configure_domain(domain.id, {"identity": {"driver": "sql"}})
    assert await shown(sdk, domain) == {"identity": {"driver": "sql"}}


async def test_all_that_we_let_pass_is_taken(cloud, sdk, domain):
    wish = {}
    for name in sorted(ALLOWED):
        group, _, option = name.partition(".")
        wish.setdefault(group, {})[option] = "1"
    await cloud.configure_domain(domain.id, wish)
    del wish["ldap"]["password"]
    assert await shown(sdk, domain) == wish


@pytest.mark.parametrize("options", [{"ldap": {"no_such": "1"}}, {"database": {"connection": "x"}}, {}])
async def test_what_a_domain_cannot_have_is_refused(cloud, domain, options):
    with pytest.raises(CloudRefused) as refused:
        await cloud.configure_domain(domain.id, options)
    assert refused.value.status in (400, 403)
    assert "s3cret" not in refused.value.message

"""Tokens of others: got for them, and used as theirs; only on the simulated cloud, whose users we know."""

import asyncio

import pytest

from cloudmanager.errors import CloudRefused, CloudUnreachable, NotFound
from cloudmanager.openstack.cloud import Cloud
from cloudmanager.openstack.definitions import NewServer
from cloudmanager.openstack.session import CloudSession
from cloudmanager.openstack.settings import Settings
from tests.answering import answering
from tests.contract.cloud.sites import PASSWORD, image

SECRET = "gAAAA-no-token-of-this-keystone"


def login(name, password=PASSWORD, project="fleet"):
    """What Keystone takes."""
    user = {"name": name, "password": password, "domain": {"name": "Default"}}
    scope = {"scope": {"project": {"name": project, "domain": {"name": "Default"}}}} if project else {}
    return {"identity": {"methods": ["password"], "password": {"user": user}}, **scope}


@pytest.fixture
async def cloud(simulated):
    cloud = simulated.cloud()
    yield cloud
    await cloud.close()


@pytest.fixture
async def member(cloud):
    """The cloud, as a member of the project."""
    return cloud.with_token((await cloud.issue_token(login("member"))).token)


async def test_a_token_is_issued_with_the_projects_of_its_user(cloud):
    issued = await cloud.issue_token(login("member"))
    assert issued.document["user"]["name"] == "member"
    assert [project["name"] for project in issued.projects] == ["fleet"]
    assert issued.token not in repr(issued)


@pytest.mark.parametrize(
    ("auth", "status"),
    [
        (login("member", "wrong"), 401),
        (login("nobody"), 401),
        (login("member", project="other"), 401),
        ({"identity": {"methods": []}}, 400),
    ],
    ids=["password", "user", "project", "malformed"],
)
async def test_what_keystone_refuses_is_refused_in_its_words(cloud, auth, status):
    with pytest.raises(CloudRefused) as refused:
        await cloud.issue_token(auth)
    assert refused.value.status == status
    assert refused.value.message.startswith("Keystone: ")
    assert "[nova]" not in refused.value.message
    assert "wrong" not in refused.value.message


async def test_credentials_are_not_sent_on_to_whomever_an_answer_names():
    with (
        answering(b"{}") as (other, asked),
        answering(b"", 307, [("Location", f"{other}/v3/auth/tokens")]) as (url, _),
    ):
        settings = Settings(login={"auth_url": url, "username": "us", "password": "ours"})
        cloud = Cloud(CloudSession(settings))
        with pytest.raises(CloudUnreachable):
            await cloud.issue_token(login("member"))
        await cloud.close()
    assert not asked


async def test_nothing_is_asked_with_our_own_token_while_somebody_logs_in(simulated, cloud):
    asked = simulated.model.servers["keystone"].requests
    asked.clear()
    await cloud.issue_token(login("member"))
    assert list(asked) == ["POST /v3/auth/tokens", "GET /v3/auth/projects"]


async def test_what_is_made_with_a_token_belongs_to_its_project(simulated, cloud, member):
    flavors = await cloud.flavor_ids()
    new = NewServer("theirs", flavors["m1.nano"], image_id=await image_id(simulated))
    made = await member.create_server(new)
    server = await cloud.server(made.id)
    assert (server.name, server.project_id) == ("theirs", simulated.project.id)
    users = simulated.model.identity.users
    assert users[server.user_id].name == "member"
    await member.describe_server(made.id, name="called otherwise", description="for a test")
    server = await cloud.server(made.id)
    assert (server.name, server.description) == ("called otherwise", "for a test")
    await member.delete_server(made.id)


async def test_no_new_token_is_made_of_a_borrowed_one(simulated, member):
    simulated.model.servers["keystone"].requests.clear()
    with pytest.raises(NotFound):
        await member.server("00000000-0000-0000-0000-000000000000")
    assert "POST /v3/auth/tokens" not in simulated.model.servers["keystone"].requests


async def test_a_member_may_not_do_what_we_may(member):
    with pytest.raises(CloudRefused) as refused:
        await member.services()
    assert refused.value.status == 403
    assert "[nova]" not in refused.value.message


async def test_a_token_that_keystone_does_not_know_is_refused(cloud):
    with pytest.raises((CloudRefused, NotFound)) as refused:
        await cloud.with_token(SECRET).services()
    assert SECRET not in refused.value.message


async def test_all_servers_or_those_of_a_project(simulated, cloud):
    other = simulated.model.identity.add_project("other")
    identity = simulated.model.identity
    identity.grant(next(u for u in identity.users.values() if u.name == "member"), other, "member")
    flavors, image_of_all = await cloud.flavor_ids(), await image_id(simulated)
    for project in ("fleet", "other"):
        token = (await cloud.issue_token(login("member", project=project))).token
        new = NewServer(project, flavors["m1.nano"], image_id=image_of_all)
        await cloud.with_token(token).create_server(new)
    assert {server.name for server in await cloud.all_servers()} == {"fleet", "other"}
    assert {server.name for server in await cloud.all_servers(other.id)} == {"other"}
    projects = await cloud.projects()
    assert (projects[other.id].name, projects[other.id].domain) == ("other", "Default")


async def image_id(simulated):
    sdk = await asyncio.to_thread(simulated.sdk)
    try:
        return (await asyncio.to_thread(image, sdk)).id
    finally:
        await asyncio.to_thread(sdk.close)

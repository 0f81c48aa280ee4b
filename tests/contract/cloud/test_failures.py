"""A cloud that does not answer, answers no, or is old; only the simulated one can be made so."""

import asyncio

import pytest
import structlog
from prometheus_client import REGISTRY

from cloudmanager.errors import CloudRefused, CloudUnreachable, NotFound
from cloudmanager.openstack import calls
from cloudmanager.simulators.http_faults import HttpFaults
from cloudmanager.simulators.openstack.nova import versions
from tests.contract.cloud.sites import HOST, PASSWORD

OURS = "req-11111111-2222-3333-4444-555555555555"
NOBODY = "00000000-0000-0000-0000-000000000000"


@pytest.fixture
async def cloud(simulated):
    cloud = simulated.cloud()
    yield cloud
    await cloud.close()


def asked(simulated, text):
    return [line for line in simulated.model.servers["nova"].requests if text in line]


def fail(simulated, name, **faults):
    simulated.model.servers[name].faults = HttpFaults(**faults)


@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_a_question_is_asked_three_times(simulated, cloud, status):
    await cloud.services()
    fail(simulated, "nova", status=status)
    before = len(asked(simulated, "os-services"))
    with pytest.raises(CloudUnreachable, match="Nova"):
        await cloud.services()
    assert len(asked(simulated, "os-services")) - before == 3
    fail(simulated, "nova")
    assert await cloud.services()


async def test_a_move_is_asked_once(simulated, cloud):
    await cloud.services()
    fail(simulated, "nova", status=503)
    for move in (cloud.live_migrate, cloud.cold_migrate):
        before = len(asked(simulated, "action"))
        with pytest.raises(CloudUnreachable):
            await move(NOBODY)
        assert len(asked(simulated, "action")) - before == 1


async def test_a_silent_cloud_is_not_waited_for(simulated):
    cloud = simulated.cloud(timeout=0.2)
    try:
        await cloud.services()
        fail(simulated, "nova", lag=2.0)
        with pytest.raises(CloudUnreachable, match="timed out"):
            await cloud.live_migrate(NOBODY)
    finally:
        await cloud.close()


async def test_a_cloud_that_hangs_up_is_asked_again(simulated, cloud):
    fail(simulated, "nova", down=True)
    with pytest.raises(CloudUnreachable):
        await cloud.services()
    fail(simulated, "nova")
    assert await cloud.services()


async def test_a_daemon_starts_while_keystone_is_away(simulated):
    fail(simulated, "keystone", status=503)
    cloud = simulated.cloud()
    try:
        with pytest.raises(CloudUnreachable):
            await cloud.services()
        fail(simulated, "keystone")
        assert await cloud.services()
    finally:
        await cloud.close()


async def test_all_wait_for_one_log_in(simulated, cloud):
    fail(simulated, "keystone", status=503, lag=0.2)
    told = await asyncio.gather(*(cloud.cold_migrate(NOBODY) for _ in range(8)), return_exceptions=True)
    assert {type(one) for one in told} == {CloudUnreachable}
    tried = [line for line in simulated.model.servers["keystone"].requests if "POST" in line]
    assert len(tried) == 1


async def test_an_expired_token_is_renewed(simulated, cloud):
    await cloud.services()
    simulated.change(simulated.model.identity.expire_tokens)
    assert await cloud.services()


async def test_an_expired_token_is_renewed_for_all_who_are_refused_at_once(simulated, cloud):
    await cloud.services()
    for _ in range(5):
        fail(simulated, "nova", lag=0.1)
        simulated.change(simulated.model.identity.expire_tokens)
        told = await asyncio.gather(*(cloud.cold_migrate(NOBODY) for _ in range(8)), return_exceptions=True)
        assert {type(one) for one in told} == {NotFound}


@pytest.mark.parametrize(
    ("options", "status", "way_out"),
    [
        ({"password": "wrong-password"}, 401, r"\[nova\] username and password"),
        ({"username": "member"}, 403, r"role admin.*\[nova\] username and project_name"),
        ({"region_name": "nowhere"}, 404, r"\[nova\] interface and region_name"),
    ],
)
async def test_a_refusal_of_us_says_the_way_out(simulated, options, status, way_out):
    cloud = simulated.cloud(**options)
    try:
        with pytest.raises(CloudRefused, match=way_out) as refused:
            await cloud.services()
        assert refused.value.status == status
        assert PASSWORD not in str(refused.value)
        assert "wrong-password" not in str(refused.value)
    finally:
        await cloud.close()


async def test_a_closed_port_is_a_cloud_that_is_unreachable(simulated):
    cloud = simulated.cloud(auth_url=f"http://{HOST}:1/v3")
    try:
        with pytest.raises(CloudUnreachable, match="Unable to establish connection"):
            await cloud.services()
    finally:
        await cloud.close()


async def test_an_old_nova_is_refused_by_name(simulated, cloud, monkeypatch):
    monkeypatch.setattr(versions, "NEWEST", (2, 60))
    assert await cloud.hypervisors()
    with pytest.raises(CloudRefused, match=r"services needs microversion 2\.80, its newest is 2\.60"):
        await cloud.services()


async def test_long_lists_are_read_to_their_end(simulated, cloud, monkeypatch):
    monkeypatch.setattr(calls, "PAGE", 3)
    assert {one.host for one in await cloud.hypervisors()} == {"c1", "c2", "c3", "c4"}
    assert len(asked(simulated, "os-hypervisors/detail")) == 2


async def test_ids_pass_through(cloud, monkeypatch):
    sent, request = [], cloud._nova._adapter.request

    def spy(*args, **how):
        sent.append(how["headers"].get("X-Openstack-Request-Id"))
        return request(*args, **how)

    monkeypatch.setattr(cloud._nova._adapter, "request", spy)
    with structlog.testing.capture_logs() as lines:
        structlog.contextvars.bind_contextvars(request_id=OURS)
        try:
            accepted = await cloud.cordon("c1", "here")
        finally:
            structlog.contextvars.unbind_contextvars("request_id")
    [line] = [line for line in lines if line.get("verb") == "cordon"]
    assert line["cloud_request_id"] == accepted.request_id
    assert line["cloud_request_id"] != OURS
    assert line["outcome"] == "ok"
    assert sent == [OURS, OURS]


async def test_calls_are_counted_by_outcome(cloud):
    def count(outcome):
        labels = {"service": "compute", "verb": "server", "outcome": outcome}
        return REGISTRY.get_sample_value("cloudmanager_cloud_call_seconds_count", labels) or 0.0

    before = count("NotFound")
    with pytest.raises(Exception, match="could not be found"):
        await cloud.server(NOBODY)
    assert count("NotFound") == before + 1


@pytest.mark.parametrize("name", ["", "..", "detail", "a/b", "a?b", "a b"])
async def test_what_cannot_be_an_id_is_asked_of_nobody(simulated, cloud, name):
    with pytest.raises(Exception, match="the cloud knows no"):
        await cloud.server(name)
    assert not asked(simulated, "servers")

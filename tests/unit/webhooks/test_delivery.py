"""Delivering to receivers that lag, refuse, close, redirect, are gone, or are where nothing may be sent."""

from __future__ import annotations

import asyncio
import json
import re
import time
from pathlib import Path

import pytest
from sqlalchemy import insert, select, update
from standardwebhooks import Webhook as Peer
from standardwebhooks import WebhookVerificationError

from cloudmanager.errors import Misconfigured
from cloudmanager.models import Event, WebhookDelivery, utc_now
from cloudmanager.simulators.certificates import self_signed
from cloudmanager.webhooks import outbox, queue
from tests.peers.sockets import free_tcp_port

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
GUIDE = Path(__file__).parents[3] / "docs" / "operator-guide.md"


@pytest.mark.both_databases
async def test_an_event_arrives_signed_and_in_the_form_of_cloudevents(site, receiver):
    site.webhook(receiver.url)
    site.tell("event-1")
    await site.deliver()
    [heard] = receiver.heard
    assert heard.path == "/in"
    assert heard.headers["content-type"] == "application/cloudevents+json; charset=utf-8"
    event = Peer(SECRET).verify(heard.body, heard.headers)  # who made the standard takes our signature
    assert event == {
        "specversion": "1.0",
        "id": "event-1",
        "source": "/cloudmanager",
        "type": "cloudmanager.host.down",
        "subject": "host:h1",
        "time": event["time"],
        "datacontenttype": "application/json",
        "data": {"message": "event-1 happened"},
    }
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", event["time"])
    assert site.rows("status", "attempts", "last_status", "error") == [("delivered", 1, 204, None)]
    with pytest.raises(WebhookVerificationError):
        Peer(SECRET).verify(heard.body + b" ", heard.headers)


async def test_the_guide_shows_how_to_verify(site, receiver):
    [example] = re.findall(r"```python\n(def verified.+?)```", GUIDE.read_text(), re.DOTALL)
    known = {}
    exec("import base64, hmac, time\n" + example, known)
    site.webhook(receiver.url)
    site.tell("event-1")
    await site.deliver()
    [heard] = receiver.heard
    verified = known["verified"]
    assert verified(heard.headers, heard.body, SECRET)
    assert not verified(heard.headers, heard.body + b" ", SECRET)
    assert not verified(heard.headers, heard.body, SECRET.replace("M", "N"))
    assert not verified({**heard.headers, "webhook-id": "event-2"}, heard.body, SECRET)
    old = str(int(heard.headers["webhook-timestamp"]) - 3600)
    assert not verified({**heard.headers, "webhook-timestamp": old}, heard.body, SECRET)


@pytest.mark.parametrize("status", [500, 503, 429, 408])
async def test_who_is_busy_is_left_alone_for_longer_and_longer_and_hears_all_in_order(site, receiver, status):
    site.webhook(receiver.url)
    site.tell("a", "b")
    receiver.answers = [status] * 3
    pauses = []
    for _ in range(3):
        await site.deliver()
        assert site.hook().failing_since is not None
        pauses.append(site.hook().paused_until - site.now)
        await site.deliver()  # too early
        site.now = site.hook().paused_until
    assert all(
        low <= pause <= high for pause, low, high in zip(pauses, (3.7, 7.5, 15), (6.3, 12.5, 25), strict=True)
    )
    await site.deliver()
    assert receiver.ids == ["a", "a", "a", "a", "b"]
    assert site.hook().failing_since is None
    assert site.rows("status", "attempts") == [("delivered", 4), ("delivered", 1)]


async def test_one_event_that_breaks_the_receiver_does_not_hold_up_the_others_for_ever(site, receiver):
    site.webhook(receiver.url)
    site.tell("bad", "good")
    receiver.answers = [500] * 6
    while "good" not in receiver.ids:
        await site.deliver()
        site.now = max(site.now, site.hook().paused_until)
    assert receiver.ids == ["bad"] * 6 + ["good"]
    assert site.rows("status") == [("pending",), ("delivered",)]


@pytest.mark.parametrize("status", [400, 401, 404, 410, 413])
async def test_an_event_that_is_refused_is_passed_by_and_tried_again(site, receiver, status):
    site.webhook(receiver.url)
    site.tell("a", "b")
    receiver.answers = [status]
    await site.deliver()
    assert receiver.ids == ["a", "b"]
    assert site.rows("status", "last_status", "error")[0] == ("pending", status, f"answered {status}")
    site.now += 10
    await site.deliver()
    assert receiver.ids == ["a", "b", "a"]


async def test_redirects_are_not_followed(site, receiver):
    site.webhook(receiver.url)
    site.tell("a")
    receiver.answers = [lambda request: request.reply(307, Location=receiver.url + "/elsewhere")]
    await site.deliver()
    assert [each.path for each in receiver.heard] == ["/in"]
    assert site.rows("status", "error") == [("pending", "answered 307: redirects are not followed")]


async def test_a_receiver_may_say_when_it_is_to_be_asked_again_within_bounds(site, receiver):
    site.webhook(receiver.url)
    site.tell("a")
    receiver.answers = [lambda request: request.reply(503, Retry_After="100")]
    await site.deliver()
    assert site.hook().paused_until == pytest.approx(site.now + 100, abs=1)
    site.now = site.hook().paused_until
    receiver.answers = [lambda request: request.reply(503, Retry_After="99999")]
    await site.deliver()
    assert site.hook().paused_until == pytest.approx(site.now + 7200, abs=1)


async def test_who_closes_without_a_word_hears_it_again(site, receiver):
    site.webhook(receiver.url)
    site.tell("a")
    receiver.answers = [lambda request: request.connection.close()]
    await site.deliver()
    [(status, last, error)] = site.rows("status", "last_status", "error")
    assert (status, last) == ("pending", None)
    assert "Error" in error
    site.now += 10
    await site.deliver()
    assert receiver.ids == ["a", "a"]


async def test_who_answers_without_end_is_not_listened_to(site, receiver):
    def endless(request):
        request.reply(200)
        while True:
            request.wfile.write(b"x" * 65536)

    site.webhook(receiver.url)
    site.tell("a", "b")
    receiver.answers = [endless]
    await site.deliver()
    assert site.rows("status") == [("delivered",), ("delivered",)]


async def test_who_lags_or_is_gone_delays_nobody_else(site, receiver):
    site.options["webhooks", "timeout"] = 1.0
    site.webhook(f"http://127.0.0.1:{free_tcp_port()}/")
    lame = site.webhook(receiver.url + "?lame", kinds=["host.lame"])
    site.webhook(receiver.url)

    def limp(request):
        if "lame" in request.path:
            time.sleep(3)
        else:
            request.reply(204)

    receiver.answers = [limp] * 9
    site.tell("slow", kind="host.lame")
    site.tell("a", "b", kind="host.down")
    await site.deliver()
    assert {"a", "b"} < set(receiver.ids)
    by_hook = {key: (status, error) for key, status, error in site.rows("webhook_id", "status", "error")}
    assert by_hook[1][0] == "pending"
    assert by_hook[lame] == ("pending", "no answer within 1 s")
    assert site.hook(1).failures == 1


async def test_a_name_that_leads_where_nothing_may_be_sent_is_not_connected_to(site, receiver):
    site.options["webhooks", "refused_networks"] = ["127.0.0.0/8", "::1/128"]
    site.webhook(receiver.url.replace("127.0.0.1", "localhost"))
    site.tell("a")
    await site.deliver()
    assert receiver.heard == []
    [(status, error)] = site.rows("status", "error")
    assert status == "pending"
    assert error.endswith("is in [webhooks] refused_networks")


async def test_what_is_allowed_goes_before_what_is_refused_and_all_else_is_not(site, receiver):
    site.options["webhooks", "refused_networks"] = ["127.0.0.0/8"]
    site.options["webhooks", "allowed_networks"] = ["127.0.0.1/32"]
    site.webhook(receiver.url)
    site.webhook("http://192.0.2.7/")
    site.tell("a")
    await site.deliver()
    assert receiver.ids == ["a"]
    assert site.rows("error") == [(None,), ("192.0.2.7 is not in [webhooks] allowed_networks",)]


def test_a_network_that_is_none_keeps_the_monitor_from_starting(site):
    site.options["webhooks", "allowed_networks"] = ["10.0.0.0/99"]
    with pytest.raises(Misconfigured, match="allowed_networks"):
        site.deliverer()


async def test_certificates_are_checked(site, receiver, tmp_path):
    context, certificate = self_signed("receiver", "127.0.0.1")
    receiver.server.socket = context.wrap_socket(receiver.server.socket, server_side=True)
    site.webhook(receiver.url.replace("http:", "https:"))
    site.tell("a")
    await site.deliver()
    assert receiver.heard == []
    [(error,)] = site.rows("error")
    assert "CERTIFICATE_VERIFY_FAILED" in error

    cafile = tmp_path / "ca.pem"
    cafile.write_bytes(certificate)
    site.options["webhooks", "cafile"] = str(cafile)
    site.now = site.hook().paused_until
    await site.deliver()
    assert receiver.ids == ["a"]


async def test_a_secret_that_no_key_opens_is_told(site, receiver):
    site.webhook(receiver.url, sealed_secret="gAAAAAnonsense")
    site.tell("a")
    await site.deliver()
    assert receiver.heard == []
    assert site.rows("error") == [("no key in [secrets] key_file opens its secret",)]


async def test_nothing_is_sent_to_who_is_disabled(site, receiver):
    site.webhook(receiver.url)
    site.tell("a")
    with site.database.transaction() as session:
        session.execute(update(queue.Webhook).values(enabled=False))
    await site.deliver()
    assert receiver.heard == []


@pytest.mark.both_databases
async def test_events_are_relayed_once_and_those_taken_back_are_not_told(site, receiver):
    site.webhook(receiver.url, kinds=["host.*"])
    with site.database.transaction() as session:
        session.execute(insert(Event), [{"kind": "host.down", "subject": "host:h1", "message": "h1 is down"}])
        session.execute(insert(Event), [{"kind": "power.drift", "subject": "node:1", "message": "off"}])
    with pytest.raises(ZeroDivisionError), site.database.transaction() as session:  # noqa: PT012
        session.execute(insert(Event), [{"kind": "host.down", "subject": "host:h2", "message": "no"}])
        raise ZeroDivisionError
    for name in ("one", "two"):
        await site.deliver(site.deliverer(name))
    [heard] = receiver.heard
    event = json.loads(heard.body)
    assert (event["id"], event["type"], event["data"]) == (
        "event-1",
        "cloudmanager.host.down",
        {"message": "h1 is down"},
    )
    assert outbox.relay(site.database) == 0


async def test_several_deliverers_share_a_webhook_without_doubling(site, receiver):
    site.webhook(receiver.url)
    site.tell(*(f"e{at:03}" for at in range(20)))
    both = [site.deliverer("one"), site.deliverer("two")]
    await asyncio.gather(*(deliverer.look() for deliverer in both))
    await asyncio.gather(*(deliverer.settle() for deliverer in both))
    assert receiver.ids == [f"e{at:03}" for at in range(20)]


@pytest.mark.both_databases
async def test_what_is_given_up_is_an_event_for_all_others(site, receiver):
    dead = site.webhook("http://127.0.0.1:1/")
    site.tell("a", "b")
    await site.deliver()
    other = site.webhook(receiver.url)
    with site.database.transaction() as session:
        long_ago = utc_now().replace(year=2020)
        session.execute(
            update(WebhookDelivery).where(WebhookDelivery.event_id == "a").values(created_at=long_ago)
        )
    assert queue.give_up(site.database, 3.0) == 1
    await site.deliver()
    assert site.rows("webhook_id", "event_id", "status") == [
        (dead, "a", "given_up"),
        (dead, "b", "pending"),
        (other, "event-1", "delivered"),
    ]
    event = json.loads(receiver.heard[0].body)
    assert (event["type"], event["subject"]) == ("cloudmanager.webhook.gave_up", f"webhook:{dead}")
    assert "1 deliveries given up after 3 days; last: ConnectError" in event["data"]["message"]


async def test_the_hourly_round_gives_up_and_forgets(site):
    site.webhook("http://127.0.0.1:1/", enabled=False)
    row = {"webhook_id": 1, "event_id": "x", "kind": "k", "event": {}}
    old = utc_now().replace(year=2020)
    with site.database.transaction() as session:
        session.execute(insert(WebhookDelivery), [{**row, "created_at": old}])
        session.execute(insert(WebhookDelivery), [{**row, "status": "delivered", "ended_at": old}])
        session.execute(insert(WebhookDelivery), [{**row, "status": "delivered", "ended_at": utc_now()}])
    await site.deliver()
    assert site.rows("id", "status") == [(1, "given_up"), (3, "delivered")]
    with site.database.reading() as session:
        assert session.scalars(select(Event.kind)).all() == ["webhook.gave_up"]


def test_pauses_grow_to_their_bound():
    pace = queue.Pace(5.0, 7200.0)
    assert all(3.75 <= pace.pause(1, 0) <= 6.25 for _ in range(100))
    assert all(5400 <= pace.pause(1000, 0) <= 9000 for _ in range(100))
    assert len({pace.pause(3, 0) for _ in range(10)}) > 5

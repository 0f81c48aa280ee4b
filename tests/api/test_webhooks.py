"""Webhooks: what bodies may say, who may see them, what waits for them, tests and replays."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import insert, select, update

from cloudmanager.models import DeliveryStatus, Event, Webhook, WebhookDelivery, utc_now
from cloudmanager.webhooks.outbox import Happening, enqueue, relay

PATH = "/v1/webhooks/"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
URL = "https://alarms.example.net/in?from=us"


def create(api, status=201, **values):
    answer = api.post(PATH, {"webhook": {"url": URL, "secret": SECRET, **values}}, status)
    return answer["webhook"] if status == 201 else answer["error"]


def happen(api, *kinds):
    """Something is told of each kind."""
    with api.database.transaction() as session:
        told = [Happening(f"{kind}-{at}", kind, "host:h1", {"n": at}) for at, kind in enumerate(kinds)]
        enqueue(session, lambda: told)


def deliveries(api, key=1, query=""):
    return api.get(f"{PATH}{key}/deliveries/?sort=id{query}")["deliveries"]


def end(api, *ids, status=DeliveryStatus.DELIVERED, **values):
    with api.database.transaction() as session:
        ended = {"status": status, "ended_at": utc_now(), **values}
        session.execute(update(WebhookDelivery).where(WebhookDelivery.id.in_(ids)).values(ended))


@pytest.mark.both_databases
def test_a_new_webhook_wants_everything_and_never_shows_its_secret(api):
    webhook = create(api)
    assert webhook == {
        "id": 1,
        "url": URL,
        "kinds": ["*"],
        "enabled": True,
        "created_at": webhook["created_at"],
        "updated_at": None,
        "failing_since": None,
        "pending": 0,
    }
    assert api.get(f"{PATH}1")["webhook"] == webhook
    assert SECRET[6:] not in api.ask("GET", "/v1/audit-log").text
    with api.database.reading() as session:
        sealed = session.scalars(select(Webhook.sealed_secret)).one()
    assert SECRET not in sealed
    assert api.services.vault.open(sealed) == SECRET


@pytest.mark.parametrize("role", ["reader", "member"])
def test_webhooks_are_for_admins_alone(api, role):
    create(api)
    for path in (PATH, f"{PATH}1", f"{PATH}1/deliveries/"):
        api.get(path, 403, role=role)
    api.post(f"{PATH}1/actions/test", status=403, role=role)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.net/",
        "https://user:password@example.net/",
        "https://user@example.net/",
        "https://example.net/#top",
        "https://example.net:99999/",
        "https://exa mple.net/",
        "https://example.net/\n",
        "https://[::1/",
        "https://[:::::]/",
        "//example.net/",
        "https://2852039166/",
        "https://" + "a" * 64 + ".net/",
    ],
)
def test_what_is_no_address_for_a_webhook_is_refused(api, url):
    assert list(create(api, 422, url=url)["errors"]) == ["url"]


@pytest.mark.parametrize(
    "host", ["169.254.169.254", "[fe80::1]", "[::ffff:169.254.169.254]", "0.0.0.0", "[64:ff9b::a9fe:a9fe]"]
)
def test_nothing_is_sent_to_metadata_services(api, host):
    error = create(api, 422, url=f"http://{host}/latest")
    assert "refused_networks" in error["message"]
    create(api)
    assert "url" in api.put(f"{PATH}1", {"webhook": {"url": f"http://{host}/"}}, 422)["error"]["errors"]


@pytest.mark.parametrize("secret", ["geheim", "whsec_", "whsec_c2hvcnQ=", "whsec_" + "!" * 32, SECRET[6:]])
def test_a_secret_that_is_none_is_refused_and_not_repeated(api, secret):
    answer = api.ask("POST", PATH, {"webhook": {"url": URL, "secret": secret}})
    assert answer.status_code == 422
    assert len(secret) < 7 or secret not in answer.text


@pytest.mark.parametrize(
    "kinds", [[], ["Host.Down"], ["host."], ["*.down"], ["host.*.x"], ["**"], ["host.down\n"]]
)
def test_filters_are_kinds_or_beginnings_of_kinds(api, kinds):
    assert create(api, 422, kinds=kinds)["errors"]


def test_only_what_is_wanted_is_queued_and_nothing_for_those_disabled(api):
    create(api, kinds=["host.*", "guard.refused"])
    create(api, kinds=["task.failed"])
    create(api, enabled=False)
    happen(api, "host.down", "hosts.many", "task.failed", "guard.refused", "guard.other")
    assert [each["kind"] for each in deliveries(api, 1)] == ["host.down", "guard.refused"]
    assert [each["kind"] for each in deliveries(api, 2)] == ["task.failed"]
    assert deliveries(api, 3) == []
    assert api.get(f"{PATH}1")["webhook"]["pending"] == 2


@pytest.mark.both_databases
def test_a_delivery_shows_what_is_sent(api):
    create(api)
    happen(api, "host.down")
    [delivery] = deliveries(api)
    assert delivery == {
        "id": 1,
        "event_id": "host.down-0",
        "kind": "host.down",
        "subject": "host:h1",
        "event": {
            "specversion": "1.0",
            "id": "host.down-0",
            "type": "cloudmanager.host.down",
            "subject": "host:h1",
            "time": delivery["event"]["time"],
            "datacontenttype": "application/json",
            "data": {"n": 0},
        },
        "status": "pending",
        "attempts": 0,
        "next_attempt_at": delivery["created_at"],
        "last_status": None,
        "error": None,
        "created_at": delivery["created_at"],
        "ended_at": None,
    }
    assert delivery["event"]["time"].endswith("Z")
    assert deliveries(api, query="&status=delivered") == []
    api.get(f"{PATH}2/deliveries/", 404)


def test_a_test_is_queued_whatever_kinds_are_wanted_and_ends_pauses(api):
    create(api, kinds=["host.down"])
    happen(api, "host.down")
    with api.database.transaction() as session:
        session.execute(update(Webhook).values(paused_until=4e9, failures=9))
        session.execute(update(WebhookDelivery).values(next_attempt_at=4e9))
    assert deliveries(api)[0]["next_attempt_at"].startswith("2096")
    answer = api.post(f"{PATH}1/actions/test", status=202)
    assert answer == {"delivery_ids": [2]}
    assert deliveries(api)[1]["kind"] == "webhook.test"
    with api.database.reading() as session:
        assert session.execute(select(Webhook.paused_until, Webhook.failures)).one() == (0.0, 0)
        assert session.scalars(select(WebhookDelivery.next_attempt_at)).all() == [0.0, 0.0]


def test_a_test_is_done_once_under_a_key(api):
    create(api)
    for _ in range(2):
        api.post(f"{PATH}1/actions/test", status=202, headers={"Idempotency-Key": "k"})
    assert len(deliveries(api)) == 1


def test_a_disabled_webhook_is_neither_tested_nor_replayed(api):
    create(api, enabled=False)
    api.post(f"{PATH}1/actions/test", status=409)
    api.post(f"{PATH}1/actions/replay", {"delivery_ids": [1]}, 409)


@pytest.mark.both_databases
def test_deliveries_that_have_ended_are_sent_again_as_new_ones_of_the_same_events(api):
    create(api)
    happen(api, "host.down", "host.back", "host.alive")
    end(api, 1, 2)
    assert api.post(f"{PATH}1/actions/replay", {"delivery_ids": [2, 1]}, 202) == {"delivery_ids": [4, 5]}
    again = deliveries(api, query="&status=pending")
    assert [each["event_id"] for each in again] == ["host.alive-2", "host.down-0", "host.back-1"]
    assert again[1]["event"] == deliveries(api)[0]["event"]
    assert "3" in api.post(f"{PATH}1/actions/replay", {"delivery_ids": [3]}, 409)["error"]["message"]
    assert "77" in api.post(f"{PATH}1/actions/replay", {"delivery_ids": [77]}, 422)["error"]["message"]


def test_replay_since_a_time(api):
    create(api)
    create(api)
    happen(api, "host.down", "host.back")
    end(api, 1, 2, 3, 4)
    end(api, 1, 2, created_at=utc_now() - timedelta(hours=2), status=DeliveryStatus.GIVEN_UP)
    since = (utc_now() - timedelta(hours=1)).isoformat()
    assert api.post(f"{PATH}1/actions/replay", {"since": since}, 202) == {"delivery_ids": [5]}
    assert deliveries(api, query="&id=5")[0]["event_id"] == "host.back-1"


@pytest.mark.parametrize(
    "body", [{}, {"since": "yesterday"}, {"since": "2027-01-01T00:00:00", "delivery_ids": [1]}]
)
def test_a_replay_says_what(api, body):
    create(api)
    api.post(f"{PATH}1/actions/replay", body, 422)


def test_a_webhook_goes_with_what_waited_for_it(api):
    create(api)
    happen(api, "host.down")
    api.delete(f"{PATH}1")
    with api.database.reading() as session:
        assert session.scalars(select(WebhookDelivery.id)).all() == []


def test_a_change_ends_pauses_and_keeps_what_is_not_said(api):
    create(api, kinds=["host.*"])
    with api.database.transaction() as session:
        session.execute(update(Webhook).values(paused_until=4e9, failures=3))
    changed = api.put(f"{PATH}1", {"webhook": {"url": "http://other.example.net"}})["webhook"]
    assert (changed["url"], changed["kinds"]) == ("http://other.example.net", ["host.*"])
    assert changed["updated_at"] is not None
    with api.database.reading() as session:
        assert session.scalars(select(Webhook.paused_until)).one() == 0.0


@pytest.mark.both_databases
def test_metrics_tell_how_much_waits_and_for_how_long(api):
    def outbox():
        lines = api.ask("GET", "/metrics").text.splitlines()
        told = dict(line.rsplit(" ", 1) for line in lines if line.startswith("cloudmanager_webhook_outbox"))
        return float(told["cloudmanager_webhook_outbox"]), float(
            told["cloudmanager_webhook_outbox_age_seconds"]
        )

    with api.database.transaction() as session:
        old = utc_now() - timedelta(hours=1)
        row = {"kind": "host.down", "subject": "host:h1", "message": "", "time": old}
        session.execute(insert(Event), [row])
    assert outbox() == (0, 0)  # nobody is to be told
    create(api)
    number, age = outbox()
    assert number == 0
    assert 3600 <= age < 3700
    assert relay(api.database) == 1
    happen(api, "host.back")
    assert outbox()[0] == 2
    assert outbox()[1] < 100
    api.put(f"{PATH}1", {"webhook": {"enabled": False}})
    assert outbox() == (0, 0)

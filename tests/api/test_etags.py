"""ETag, If-None-Match and If-Match: who has it need not read it, who has not seen it does not overwrite it."""

import threading

import pytest
from sqlalchemy import update

from cloudmanager.models import Node
from tests.api.test_resources import CASES, changeable, create, every

ASSIGNED = "/v1/nodes/1/power-controls/1"


def tag_of(api, path):
    return api.ask("GET", path).headers["ETag"]


@every
def test_who_has_it_gets_304(api, case):
    item = f"{case.path}{create(api, case)['id']}"
    tag = tag_of(api, item)
    for sent in (tag, f"W/{tag}", "*", f'"other", {tag}'):
        response = api.ask("GET", item, headers={"If-None-Match": sent})
        assert (response.status_code, response.data, response.headers["ETag"]) == (304, b"", tag)
        assert "Content-Type" not in response.headers
    assert api.ask("GET", item, headers={"If-None-Match": '"other"'}).status_code == 200
    assert tag_of(api, item) == tag


@every
def test_create_and_update_answer_the_tag(api, case):
    made = api.ask("POST", case.path, {case.noun: case.create})
    item = made.headers["Location"]
    assert made.headers["ETag"] == tag_of(api, item)
    if case.change:
        changed = api.ask("PUT", item, {case.noun: case.change})
        assert changed.headers["ETag"] == tag_of(api, item) != made.headers["ETag"]


@changeable
def test_a_stale_update_is_412_and_changes_nothing(api, case):
    item = f"{case.path}{create(api, case)['id']}"
    seen = tag_of(api, item)
    api.put(item, {case.noun: case.change}, headers={"If-Match": seen})
    shown = api.get(item)
    for sent in (seen, '"other"', f"W/{tag_of(api, item)}", ""):
        api.put(item, {case.noun: case.create}, 412, headers={"If-Match": sent})
        error = api.delete(item, 412, headers={"If-Match": sent})["error"]
        assert error["title"] == "Precondition Failed"
    assert api.get(item) == shown


@every
def test_a_fresh_delete_is_done(api, case):
    item = f"{case.path}{create(api, case)['id']}"
    api.delete(item, 412, headers={"If-Match": '"other"'})
    api.delete(item, headers={"If-Match": f'"other", {tag_of(api, item)}'})
    api.delete(item, 404, headers={"If-Match": "*"})


def test_a_star_is_whatever_there_is(api):
    api.node()
    api.put("/v1/nodes/1", {"node": {"title": "x"}}, headers={"If-Match": "*"})
    api.put("/v1/nodes/2", {"node": {"title": "x"}}, 404, headers={"If-Match": "*"})


def test_what_was_observed_is_nobodys_edit(api):
    api.node()
    seen = tag_of(api, "/v1/nodes/1")
    with api.database.transaction() as session:
        session.execute(update(Node).values(power_state="power_on"))
    assert tag_of(api, "/v1/nodes/1") != seen
    api.get("/v1/nodes/1", headers={"If-None-Match": seen})
    api.put("/v1/nodes/1", {"node": {"title": "x"}}, headers={"If-Match": seen})
    api.put("/v1/nodes/1", {"node": {"title": "y"}}, 412, headers={"If-Match": seen})


def test_a_tag_of_a_longer_answer_is_good_for_if_match(api):
    api.node()
    seen = tag_of(api, "/v1/nodes/1?with_os_object=true")
    assert seen != tag_of(api, "/v1/nodes/1")
    api.put("/v1/nodes/1", {"node": {"title": "x"}}, headers={"If-Match": seen})


def test_assigned_controls_have_tags_too(api):
    api.powered_node()
    api.assign(1, api.control(title="second")["id"])
    seen = tag_of(api, ASSIGNED)
    assert api.ask("GET", ASSIGNED, headers={"If-None-Match": seen}).status_code == 304
    api.put("/v1/nodes/1/power-controls/2", {"is_default": True})
    api.put(ASSIGNED, {"is_default": True}, 412, headers={"If-Match": seen})
    api.delete(ASSIGNED, 412, headers={"If-Match": seen})
    api.delete(ASSIGNED, headers={"If-Match": tag_of(api, ASSIGNED)})


@pytest.mark.both_databases
@pytest.mark.parametrize("case", [case for case in CASES if case.change], ids=lambda case: case.id)
def test_of_writers_at_once_one_wins(api, case):
    item = f"{case.path}{create(api, case)['id']}"
    seen = tag_of(api, item)
    [name] = case.change
    gate = threading.Barrier(4)
    answers = []

    def write(number):
        gate.wait()
        body = {case.noun: {name: f"writer {number}"}}
        answers.append(api.ask("PUT", item, body, headers={"If-Match": seen}).status_code)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [200, 412, 412, 412]


@pytest.mark.parametrize("sent", ['""', '"\\"', 'W/""', ",", "", '"a", "", W/"b"', '"'])
def test_tags_that_are_none_are_nobodys(api, sent):
    node = api.node(name="n")["id"]
    api.put(f"/v1/nodes/{node}", {"node": {"title": "x"}}, 412, headers={"If-Match": sent})
    api.get(f"/v1/nodes/{node}", headers={"If-None-Match": sent})

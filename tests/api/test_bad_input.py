"""What is hostile or careless, at every resource: stored as it is, or refused with the field named."""

import threading

import pytest

from tests.api.test_resources import CASES, create, every

HOSTILE = [
    "'; DROP TABLE nodes; --",
    '" OR 1=1 --',
    "%_\\",
    "\u202egnp.exe",
    "\U0001f600" * 60,
    "<script>alert(1)</script>",
    "{{7*7}}${7*7}",
    "eq:in:a,b",
]
NO_TEXT = ["x" * 256, "a\0b", "\0", 7, True, ["a"], {"a": 1}]
QUERIES = [
    ("offset=999999999999999999", 200),
    ("offset=9999999999999999999", 422),
    ("offset=-1", 422),
    ("limit=-1", 422),
    ("limit=1e3", 422),
    ("limit=99999999999999999", 200),
    ("limit=", 422),
    ("offset=1&offset=2", 422),
    ("id=2147483648", 422),
    ("id=in:", 422),
    ("id=in:1,,2", 422),
    ("id=in:1,2;DROP TABLE nodes", 422),
    ("id=like:1", 422),
    ("id=null:maybe", 422),
    ("id=gt:", 422),
    ("id=1%00", 422),
    ("id=%F0%9F%98%80", 422),
    ("sort=id;DROP", 422),
    ("sort=--id", 422),
    ("sort=", 422),
    ("ID=1", 422),
    ("id[]=1", 422),
    ("=1", 422),
]
NAMES = {"node_image": "image_name", "power_control": "title"}
named = pytest.mark.parametrize("case", [c for c in CASES if c.noun != "power_control"], ids=lambda c: c.id)


def name_of(case):
    return NAMES.get(case.noun, "name")


@every
@pytest.mark.both_databases
def test_text_is_text(api, case):
    field = name_of(case)
    for hostile in HOSTILE:
        made = create(api, case, **{field: hostile})
        assert made[field] == hostile
        found = api.ask("GET", case.path, query_string={field: f"eq:{hostile}"})
        assert [item["id"] for item in found.get_json()[case.plural]] == [made["id"]]
    assert len(api.get(case.path)[case.plural]) >= len(HOSTILE)


@every
@pytest.mark.both_databases
def test_text_that_no_field_takes(api, case):
    for text in NO_TEXT:
        error = api.post(case.path, {case.noun: {**case.create, name_of(case): text}}, 422)["error"]
        assert list(error["errors"]) == [name_of(case)]


@every
def test_half_a_character_is_no_text(api, case):
    body = f'{{"{case.noun}": {{"{name_of(case)}": "\\ud800"}}}}'
    response = api.ask("POST", case.path, data=body, content_type="application/json")
    assert response.status_code == 400


@every
@pytest.mark.both_databases
def test_queries(api, case):
    for query, status in QUERIES:
        answer = api.ask("GET", f"{case.path}?{query}")
        assert answer.status_code == status, (query, answer.text)


@every
def test_ids_that_are_no_numbers(api, case):
    for number in ("1.0", "-1", "1'", "one", "%00", "1;2", "\u0661"):
        assert api.ask("GET", f"{case.path}{number}").status_code == 404, number


@named
@pytest.mark.both_databases
def test_of_namesakes_at_once_one_is_made(api, case):
    gate = threading.Barrier(4)
    answers = []

    def send():
        gate.wait()
        answers.append(api.ask("POST", case.path, {case.noun: case.create}))

    run_all(*[send] * 4)
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]
    for answer in answers:
        assert "UNIQUE" not in answer.text
        assert "duplicate key" not in answer.text


@every
@pytest.mark.both_databases
def test_of_deletes_at_once_one_is_done(api, case):
    item = f"{case.path}{create(api, case)['id']}"
    gate = threading.Barrier(4)
    answers = []

    def send():
        gate.wait()
        answers.append(api.ask("DELETE", item).status_code)

    run_all(*[send] * 4)
    assert sorted(answers) == [204, 404, 404, 404]


@pytest.mark.both_databases
def test_what_is_put_to_use_while_it_is_deleted(api):
    """Either it is gone and the assignment is refused, or it is used and stays: never half of each."""
    api.node()
    storage = {"name": "s", "compute_path": "/a", "controller_path": "/b"}
    for number in range(5):
        body = {"availability_storage": {**storage, "name": f"s{number}"}}
        path = api.ask("POST", "/v1/availability-storages/", body).headers["Location"]
        gate = threading.Barrier(2)
        answers = {}

        def delete(path=path, gate=gate, answers=answers):
            gate.wait()
            answers["delete"] = api.ask("DELETE", path).status_code

        def use(path=path, gate=gate, answers=answers):
            gate.wait()
            answers["use"] = api.ask("POST", f"{path}/nodes/", {"nodes": [1]}).status_code

        run_all(delete, use)
        assert (answers["delete"], answers["use"]) in {(204, 404), (204, 409), (409, 204)}


def run_all(*functions):
    threads = [threading.Thread(target=function) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

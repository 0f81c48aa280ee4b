"""Stories: requests as the reference shows them, one after the other, and what it shows that they answer.

`$name` in an answer is what cannot be known beforehand: it is remembered when first seen and goes into later
paths and bodies. Objects may have more than is shown, never less, and nothing of another type; lists may that end
in `...`. A function in a story is called with the API between two requests.
"""

import re
from string import Template

from sqlalchemy import update

from cloudmanager.models import FlowRow, Status, utc_now

TIME = "2018-10-17T12:18:35"
HTTP_TIME = "Mon, 03 Jun 2024 10:45:36 GMT"
TASK_ID = "7c8fbc6c-468d-4afb-a292-e70a3d475edc"
LV_UUID = "XSOJgt-6xDf-mTWA-NG7q-MyR7-MheT-e39yp3"
TEXT = "default vesamenu.c32"
ANY = {
    TIME: r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d",
    HTTP_TIME: r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT",
    TASK_ID: r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    TEXT: r"(?s).+",
    LV_UUID: r"[A-Za-z0-9]{6}(-[A-Za-z0-9]{4}){5}-[A-Za-z0-9]{6}",
}
"""Each of these examples stands for any value of its form."""
NOTHING = None
NO_BODY = object()
"""No body, though the request says of which type it is."""


def play(api, story, **known):
    """Send the requests of a story; answers what was remembered."""
    for step in story:
        if callable(step):
            step(api)
        else:
            _send(api, known, step)
    return known


def _send(api, known, step):
    method, path, body, status, documented = step
    where = f"{method} {path}"
    if body is NO_BODY:
        sent = {"headers": {"Content-Type": "application/json"}}
    else:
        sent = {"body": _filled(body, known)}
    response = api.ask(method, Template(path).substitute(known), **sent)
    assert response.status_code == status, (where, response.text)
    if status == 202:
        assert re.fullmatch(rf"/v1/tasks/{ANY[TASK_ID]}", response.headers["Location"]), where
    if documented is NOTHING:
        assert response.data == b"", where
    else:
        assert_shows(response.get_json(), documented, known, where)


def _filled(body, known):
    if isinstance(body, dict):
        return {name: _filled(value, known) for name, value in body.items()}
    return known[body[1:]] if isinstance(body, str) and body.startswith("$") else body


def end_tasks(api):
    """The worker's part: whatever was started has succeeded."""
    with api.database.transaction() as session:
        session.execute(
            update(FlowRow)
            .where(FlowRow.ended_at.is_(None))
            .values(status=Status.SUCCESS, ended_at=utc_now(), result={})
        )


def assert_shows(answer, documented, known, where=""):
    if isinstance(documented, dict):
        assert isinstance(answer, dict), where
        assert documented.keys() <= answer.keys(), where
        for name, value in documented.items():
            assert_shows(answer[name], value, known, f"{where}.{name}")
    elif isinstance(documented, list):
        assert isinstance(answer, list), where
        shown = documented[:-1] if documented[-1:] == [...] else documented
        assert len(answer) >= len(shown) if shown is not documented else len(answer) == len(shown), where
        for place, value in enumerate(shown):
            assert_shows(answer[place], value, known, f"{where}.{place}")
    elif isinstance(documented, str) and documented in ANY:
        assert re.fullmatch(ANY[documented], answer), where
    elif isinstance(documented, str) and documented.startswith("$"):
        assert known.setdefault(documented[1:], answer) == answer, where
    else:
        assert (answer, type(answer)) == (documented, type(documented)), where

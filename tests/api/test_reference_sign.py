"""The reference's examples of the Sign API, with and without `/v1`."""

import pytest

from tests.api.story import HTTP_TIME, TASK_ID, end_tasks, play
from tests.api.test_sign import S1, S2, host  # noqa: F401  # a fixture

SIGN, OTHER = (
    {
        "id": number,
        "instance_name": f"instance-{number:08x}",
        "server_id": server_id,
        "node_id": "$node_id",
        "is_valid": "true",
        "created_at": HTTP_TIME,
        "updated_at": None,
    }
    for number, server_id in ((1, S1), (2, S2))
)
AGAIN = {**SIGN, "updated_at": HTTP_TIME}
ACTION = "/v1/sign/node/$node_id/action"
STARTED = {"node_id": "$node_id", "success": True, "task_id": TASK_ID}


def guarded(action):
    return {**STARTED, "action": action}


STORY = [
    ("POST", "/v1/sign", {"server_id": S1}, 201, {"sign": SIGN}),
    ("POST", "/v1/sign", {"server_id": S2}, 201, {"sign": OTHER}),
    ("GET", f"/v1/sign/{S1}", None, 200, {"sign": SIGN}),
    ("GET", "/sign?offset=0&limit=10", None, 200, {"signs": [SIGN, OTHER]}),
    ("GET", "/v1/sign?offset=1&limit=10", None, 200, {"signs": [OTHER]}),
    ("PUT", "/v1/sign", {"server_id": S1}, 200, {"sign": AGAIN}),
    ("GET", ACTION, {"action": "activate"}, 202, guarded("activate")),
    end_tasks,
    ("GET", ACTION, {"action": "deactivate"}, 202, guarded("deactivate")),
    end_tasks,
    ("POST", ACTION, {"action": "activate"}, 202, guarded("activate")),
]


@pytest.mark.usefixtures("host")
@pytest.mark.parametrize("base", ["/v1", ""])
def test_sign(api, base):
    steps = [step if callable(step) else (step[0], step[1].replace("/v1", base), *step[2:]) for step in STORY]
    play(api, steps, node_id=1)

"""What `RedfishDevice` makes of every status, message and document, also of those that no service should send."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudmanager.drivers.base import Action, PowerState
from cloudmanager.drivers.http_client import Answer, Effect
from cloudmanager.drivers.redfish import RedfishDevice, problems
from cloudmanager.drivers.redfish.systems import effect_of, member_paths, parse_action_info, parse_system
from cloudmanager.drivers.tls import TlsSettings
from cloudmanager.errors import DeviceError, DeviceRefused, DeviceUnreachable

TITLE = "redfish://RedfishDevice@bmc:443"


def error(message_id, text="Some text.", status=400):
    extended = [{"MessageId": message_id, "Message": text}]
    return Answer(status, {}, json.dumps({"error": {"@Message.ExtendedInfo": extended}}).encode())


@pytest.mark.parametrize("key", problems._PASSING)
def test_messages_that_pass(key):
    found = problems.problem(TITLE, error(f"Base.1.18.{key}"), acts=True)
    assert type(found) is DeviceUnreachable
    assert not found.maybe_applied
    assert f"{TITLE} {problems._PASSING[key]} ({key})" in found.message


@pytest.mark.parametrize("registry", ["Base.1.18.", "iLO.2.14.", "IDRAC.2.8.", ""])
@pytest.mark.parametrize("key", problems._LASTING)
def test_messages_that_last(key, registry):
    found = problems.problem(TITLE, error(registry + key, status=503), acts=True)
    assert type(found) is DeviceRefused
    assert found.message == f"{TITLE} {problems._LASTING[key]} ({key})"


@pytest.mark.parametrize(
    ("status", "kind", "maybe_applied", "words"),
    [
        (301, DeviceRefused, False, "refuses this"),
        (400, DeviceRefused, False, "refuses this"),
        (401, DeviceRefused, False, "credentials"),
        (403, DeviceRefused, False, "does not allow this to the account"),
        (404, DeviceRefused, False, "no such resource"),
        (405, DeviceRefused, False, "does not allow this on the resource"),
        (409, DeviceRefused, False, "present state"),
        (412, DeviceRefused, False, "has changed meanwhile"),
        (428, DeviceRefused, False, "which version"),
        (429, DeviceUnreachable, False, "too often"),
        (500, DeviceUnreachable, True, "error inside itself"),
        (501, DeviceRefused, False, "not implemented"),
        (502, DeviceUnreachable, False, "gateway"),
        (503, DeviceUnreachable, False, "busy"),
        (504, DeviceUnreachable, False, "gateway"),
        (599, DeviceUnreachable, True, "error inside itself"),
    ],
)
def test_statuses(status, kind, maybe_applied, words):
    for answer in (Answer(status, {}, b"<html>"), error("Oem.1.0.Strange", "Quoted \x07text.", status)):
        found = problems.problem(TITLE, answer, acts=True)
        assert type(found) is kind
        assert words in found.message
        assert str(status) in found.message
        assert getattr(found, "maybe_applied", False) is maybe_applied
    assert found.message.endswith(": Quoted text.")


def test_a_message_that_repeats_the_password_is_not_quoted():
    answer = error("Oem.1.0.Strange", "the password hunter2 is too short")
    assert "hunter2" not in problems.problem(TITLE, answer, acts=False, secrets=("hunter2",)).message
    assert "hunter2" in problems.problem(TITLE, answer, acts=False, secrets=("other", "")).message


@pytest.mark.parametrize("state", ["Exception", "Killed", "Cancelled"])
def test_a_task_that_failed_at_once(state):
    task = {"TaskState": state, "Messages": [{"MessageId": "Base.1.0.X", "Message": "No fan."}]}
    failure = problems.failed_task(TITLE, Answer(202, {}, json.dumps(task).encode()))
    assert failure.message == f"{TITLE} gave the task up at once ({state}): No fan."


@pytest.mark.parametrize("body", [b"", b"{}", b'{"TaskState": "Running"}', b'{"TaskState": []}'])
def test_a_task_that_runs(body):
    assert problems.failed_task(TITLE, Answer(202, {}, body)) is None


@pytest.mark.parametrize(
    ("told", "state"),
    [
        ("On", PowerState.ON),
        ("Off", PowerState.OFF),
        ("PoweringOn", PowerState.UNKNOWN),
        ("PoweringOff", PowerState.UNKNOWN),
        ("Paused", PowerState.UNKNOWN),
        ("on", PowerState.UNKNOWN),
        (None, PowerState.UNKNOWN),
        (["On"], PowerState.UNKNOWN),
    ],
)
def test_power_states(told, state):
    assert parse_system({"PowerState": told}, "").state is state
    assert parse_system({}, "").state is PowerState.UNKNOWN


def test_a_service_that_lists_no_kinds_gets_the_usual():
    system = parse_system({"PowerState": "On"}, "")
    kinds = [system.kind_for(action, PowerState.ON) for action in (Action.ON, Action.OFF, Action.RESET)]
    assert kinds == ["On", "ForceOff", "ForceRestart"]


@pytest.mark.parametrize(
    ("kind", "effect"),
    [
        ("On", Effect.STATE),
        ("ForceOn", Effect.STATE),
        ("ForceOff", Effect.STATE),
        ("PushPowerButton", Effect.ONCE),
        ("GracefulShutdown", Effect.ONCE),
        ("ForceRestart", Effect.ONCE),
        ("PowerCycle", Effect.ONCE),
    ],
)
def test_what_may_be_sent_again(kind, effect):
    assert effect_of(kind) is effect


def test_members_come_in_the_order_of_their_numbers():
    members = [{"@odata.id": f"/Systems/{name}"} for name in ("Node10", "Node2", "Node02b", "Alone", "Node2")]
    found = member_paths({"Members": [*members, {}, None, {"@odata.id": 7}]})
    assert found == ["/Systems/Alone", "/Systems/Node2", "/Systems/Node02b", "/Systems/Node10"]


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.text(max_size=8)
    | st.sampled_from(["/redfish/v1/x", "On"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
KEYS = [
    "@odata.id", "Actions", "#ComputerSystem.Reset", "target", "PowerState", "Systems", "Members", "Links",
    "Sessions", "SessionService", "error", "@Message.ExtendedInfo", "MessageId", "Message", "code", "Boot",
    "@Redfish.ActionInfo", "ResetType@Redfish.AllowableValues", "Parameters", "Name", "AllowableValues",
    "BootSourceOverrideTarget@Redfish.AllowableValues", "TaskState", "Messages",
]  # fmt: skip
DOCUMENT = st.recursive(
    JSON,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=6),
    max_leaves=20,
)
BODY = st.one_of(st.binary(max_size=60), DOCUMENT.map(lambda found: json.dumps(found).encode()))
ANSWER = st.builds(
    Answer,
    st.sampled_from([200, 201, 202, 204, 301, 400, 401, 403, 404, 412, 500, 503]),
    st.dictionaries(st.sampled_from(["x-auth-token", "location", "etag"]), st.text(max_size=20), max_size=3),
    BODY,
)
GOOD_ROOT = Answer(200, {}, b'{"Systems": {"@odata.id": "/s"}, "Links": {"Sessions": {"@odata.id": "/l"}}}')
GOOD_LIST = Answer(200, {}, b'{"Members": [{"@odata.id": "/s/1"}]}')
GOOD_LOG_ON = Answer(201, {"x-auth-token": "t", "location": "/l/1"}, b"{}")


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    good=st.integers(0, 3),
    hostile=st.lists(ANSWER, min_size=1, max_size=4),
    action=st.sampled_from([*Action, None]),
)
async def test_hostile_answers(good, hostile, action):
    """However far a log-on came, whatever comes then is an error of the device or an answer."""
    device = RedfishDevice(TlsSettings(host="bmc", port=443, tls="off", timeout=0.001, password="hunter2"))
    answers = iter([GOOD_ROOT, GOOD_LOG_ON, GOOD_LIST][:good])
    count = 0

    async def ask(*_, **__):
        nonlocal count
        count += 1
        assert count < 20, "it asks without end"
        return next(answers, hostile[count % len(hostile)])

    device._connected()._http.ask = ask
    said = ""
    try:
        if action is None:
            states = await device.read_states(["1"])
            assert set(states) == {"1"}
            await device.set_next_boot_from_network("1")
        else:
            await device.apply("1", action)
    except DeviceError as found:
        said = found.message
    await device.close()
    assert "hunter2" not in said


@settings(max_examples=200, deadline=None, derandomize=True)
@given(DOCUMENT)
def test_hostile_documents(document):
    if isinstance(document, dict):
        parse_system(document, "")
        parse_action_info(document)
        member_paths(document)
    problems.problem(TITLE, Answer(400, {}, json.dumps(document).encode()), acts=False)


def test_deep_documents():
    deep = b'{"error":' * 5000 + b"1" + b"}" * 5000
    with pytest.raises(DeviceRefused, match="not a JSON object"):
        problems.document_of(TITLE, Answer(200, {}, deep))

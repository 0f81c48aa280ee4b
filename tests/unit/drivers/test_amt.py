"""What `IntelAMT` makes of every answer, also of those that no firmware should give."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudmanager.drivers.amt import IntelAMT, wsman
from cloudmanager.drivers.amt.digest import Digest
from cloudmanager.drivers.amt.driver import AmtSettings, _with_tls
from cloudmanager.drivers.base import Action, PowerState, Settings
from cloudmanager.drivers.http_client import Answer
from cloudmanager.drivers.tls import TlsSettings
from cloudmanager.errors import DeviceError, DeviceRefused, DeviceUnreachable

TITLE = "intel_amt://IntelAMT@pc:16992"
STATE = '<g:PowerState xmlns:g="{}">{}</g:PowerState>'
FAULT = """<e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope"><e:Body><e:Fault>
<e:Code><e:Value>e:Sender</e:Value><e:Subcode><e:Value>{}</e:Value></e:Subcode></e:Code>
<e:Reason><e:Text>{}</e:Text></e:Reason></e:Fault></e:Body></e:Envelope>"""


def state_of(text):
    return wsman.power_state(wsman.parse(TITLE, STATE.format(wsman.POWER_STATE, text).encode()))


@pytest.mark.parametrize("number", range(20))
def test_power_states(number):
    on, off = {2, 3, 4}, {6, 7, 8, 9, 13}
    expected = PowerState.ON if number in on else PowerState.OFF if number in off else PowerState.UNKNOWN
    assert state_of(number) is expected


@pytest.mark.parametrize("text", ["", "on", "-2", "2.0", "\u0662", "9" * 5000])
def test_power_states_that_are_none(text):
    assert state_of(text) is PowerState.UNKNOWN


def test_a_state_of_another_class_is_none():
    tree = wsman.parse(TITLE, STATE.format("http://example/", 2).encode())
    assert wsman.power_state(tree) is PowerState.UNKNOWN


@pytest.mark.parametrize(
    ("code", "kind", "maybe_applied"),
    [
        ("wsman:AccessDenied", DeviceRefused, False),
        ("wsa:DestinationUnreachable", DeviceRefused, False),
        ("a:InvalidSelectors", DeviceRefused, False),
        ("wsman:TimedOut", DeviceUnreachable, True),
        ("wsman:InternalError", DeviceUnreachable, False),
        ("wsman:Concurrency", DeviceUnreachable, False),
        ("wsman:QuotaLimit", DeviceUnreachable, False),
        ("wsa:EndpointUnavailable", DeviceUnreachable, False),
    ],
)
def test_faults(code, kind, maybe_applied):
    tree = wsman.parse(TITLE, FAULT.format(code, "The \u0007reason.".replace("\u0007", "")).encode())
    assert wsman.is_fault(tree)
    found = wsman.fault(TITLE, tree, 400, acts=True)
    assert type(found) is kind
    assert getattr(found, "maybe_applied", False) is maybe_applied
    assert f"{TITLE} refuses this: The reason. ({code.rpartition(':')[2]})" in found.message


@pytest.mark.parametrize(
    ("status", "kind", "maybe_applied"), [(404, DeviceRefused, False), (500, DeviceUnreachable, True)]
)
def test_statuses_without_a_fault(status, kind, maybe_applied):
    found = wsman.fault(TITLE, None, status, acts=True)
    assert type(found) is kind
    assert getattr(found, "maybe_applied", False) is maybe_applied
    assert str(status) in found.message


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<a>",
        b"\xff\xfe\x00",
        b'<?xml version="1.0" encoding="nonsense"?><a/>',
        b'<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>',
        b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>',
        b"<a>&undefined;</a>",
    ],
)
def test_what_is_not_soap(body):
    with pytest.raises(DeviceRefused, match="not SOAP"):
        wsman.parse(TITLE, body)


def test_deep_answers():
    deep = b"<a>" * 50_000 + b"</a>" * 50_000
    assert wsman.power_state(wsman.parse(TITLE, deep)) is PowerState.UNKNOWN


def test_requests_are_built_of_trees():
    """Whatever a name contains, it stays text."""
    name = '</x><y z="1">&amp;'
    tree = ET.fromstring(wsman.change_boot_order(name))
    assert [found.text for found in tree.iter(f"{{{wsman.WSMAN}}}Selector")][-1] == name


class TestDigest:
    def test_the_example_of_the_standard(self, monkeypatch):
        """RFC 7616 §3.9.1."""
        monkeypatch.setattr("secrets.token_hex", lambda _: "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ")
        for algorithm, response in (
            ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
            ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
        ):
            digest = Digest("Mufasa", "Circle of Life")
            nonce = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"
            said = f'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm={algorithm}, nonce="{nonce}"'
            assert digest.learn(said)
            assert f'response="{response}"' in digest.authorization("GET", "/dir/index.html")

    def test_each_use_counts(self):
        digest = Digest("admin", "hunter2")
        assert digest.learn('Digest realm="r", nonce="n", qop="auth"')
        said = [digest.authorization("POST", "/wsman") for _ in range(2)]
        assert "nc=00000001" in said[0]
        assert "nc=00000002" in said[1]
        assert "hunter2" not in "".join(said)

    @pytest.mark.parametrize(
        "challenge",
        [
            "",
            'Basic realm="r"',
            "Digest",
            'Digest realm="r"',
            'Digest nonce="n", algorithm=SHA-512',
            'Digest nonce="n", qop="auth-int"',
        ],
    )
    def test_challenges_that_cannot_be_answered(self, challenge):
        digest = Digest("admin", "hunter2")
        assert not digest.learn(challenge)
        assert not digest.ready


TEXT = st.sampled_from(["2", "8", "0", "4097", "x", "", "99999999999"])
XML = st.one_of(
    st.binary(max_size=60),
    st.builds(lambda text: STATE.format(wsman.POWER_STATE, text).encode(), TEXT),
    st.builds(
        lambda text: f'<g:ReturnValue xmlns:g="{wsman.POWER_SERVICE}">{text}</g:ReturnValue>'.encode(), TEXT
    ),
    st.builds(lambda code: FAULT.format(code, "why").encode(), st.text("abc:TimedOut", max_size=12)),
)
ANSWER = st.builds(
    Answer,
    st.sampled_from([200, 400, 401, 404, 500]),
    st.dictionaries(
        st.just("www-authenticate"),
        st.one_of(
            st.text(max_size=30),
            st.just('Digest realm="r", nonce="n", qop="auth"'),
            st.just('Digest realm="r", nonce="n", qop="auth", stale=TRUE'),
        ),
    ),
    XML,
)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(hostile=st.lists(ANSWER, min_size=1, max_size=5), action=st.sampled_from([*Action, None]))
async def test_hostile_answers(hostile, action):
    device = IntelAMT(TlsSettings(host="pc", port=16992, tls="off", timeout=0.001, password="hunter2"))
    count = 0

    async def ask(*_, **__):
        nonlocal count
        count += 1
        assert count < 20, "it asks without end"
        return hostile[count % len(hostile)]

    device._client().ask = ask
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


@pytest.mark.parametrize(
    ("port", "tls", "meant"),
    [
        (16992, "auto", "off"),
        (16993, "auto", "verify"),
        (16993, "off", "off"),
        (16992, "insecure", "insecure"),
    ],
)
def test_the_port_tells_about_tls_unless_it_is_said(port, tls, meant):
    pin = "ab" * 32
    made = _with_tls(AmtSettings(host="pc", port=port, password="p", tls=tls, fingerprint=pin))
    assert made == TlsSettings(host="pc", port=port, password="p", tls=meant, fingerprint=pin)
    assert _with_tls(made) is made


def test_plain_settings_mean_the_same():
    assert _with_tls(Settings(host="pc", port=16993)) == TlsSettings(host="pc", port=16993, tls="verify")

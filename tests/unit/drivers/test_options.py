"""What drivers declare beyond host and port, and how what is given is checked against it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

import pytest
from jsonschema import Draft202012Validator

from cloudmanager.drivers import DRIVERS, driver_for
from cloudmanager.drivers.base import Settings
from cloudmanager.drivers.modbus import ET7067
from cloudmanager.drivers.options import checked, merged, options_of
from cloudmanager.drivers.redfish import RedfishDevice
from cloudmanager.drivers.snmp import DaenetIP2_ACPI
from cloudmanager.drivers.ssh import SshDevice
from cloudmanager.errors import InvalidInput

EACH = [
    pytest.param(driver, option, id=f"{driver.control_type}.{name}")
    for driver in DRIVERS
    for name, option in options_of(driver).items()
]
PIN = "ab" * 32


def of(settings):
    """A driver with these settings."""
    return type("Device", (ET7067,), {"control_type": "Device", "settings_type": settings})


def test_every_driver_is_made_from_its_defaults():
    for driver in DRIVERS:
        settings = driver.settings_type(host="h", port=1)
        assert driver(settings).settings is settings
        options = options_of(driver)
        assert {name: option.default for name, option in options.items()} == {
            name: getattr(settings, name) for name in options
        }


def test_what_is_declared():
    found = {driver.control_type: sorted(options_of(driver)) for driver in DRIVERS}
    assert found == {
        "ET7067": ["unit_id"],
        "DaenetIP2": [],
        "DaenetIP2_ACPI": ["long_press", "sense", "short_press", "threshold"],
        "SshDevice": ["host_key", "known_hosts", "uri", "virsh"],
        "IntelAMT": ["ca_file", "fingerprint", "tls"],
        "SupermicroRackDevice": ["cipher_suite"],
        "RedfishDevice": ["ca_file", "fingerprint", "tls"],
    }


@pytest.mark.parametrize(("driver", "option"), EACH)
def test_the_default_is_allowed_and_the_schema_says_so(driver, option):
    name, schema = option.name, option.json_schema
    assert checked(driver, {name: option.default}) == {name: option.default}
    assert len(option.help) > 20
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema).validate(option.default)


@pytest.mark.parametrize(("driver", "option"), EACH)
@pytest.mark.parametrize(
    "value", [None, [], {}, True, -1, 10**30, 1e300, math.nan, math.inf, "a\0b", "x" * 5000, "/\0"], ids=repr
)
def test_what_no_option_takes(driver, option, value):
    with pytest.raises(InvalidInput) as refused:
        checked(driver, {option.name: value})
    assert refused.value.fields == {f"options.{option.name}": [f"Not {option.allowed}."]}
    if not (isinstance(value, float) and not math.isfinite(value)):  # JSON has none
        assert not Draft202012Validator(option.json_schema).is_valid(value)


@pytest.mark.parametrize(
    ("driver", "name", "good"),
    [
        (ET7067, "unit_id", [0, 7, 255]),
        (DaenetIP2_ACPI, "short_press", [0.1, 3, 3.5]),
        (DaenetIP2_ACPI, "threshold", [0, 1023]),
        (RedfishDevice, "tls", ["verify", "insecure", "off"]),
        (RedfishDevice, "ca_file", ["/etc/ca.pem", ""]),
        (RedfishDevice, "fingerprint", [PIN, ":".join(["AB"] * 32), ""]),
        (SshDevice, "known_hosts", ["/etc/ssh/known", "~/.ssh/known"]),
        (SshDevice, "virsh", ["sudo -n virsh"]),
    ],
)
def test_good_values(driver, name, good):
    schema = Draft202012Validator(options_of(driver)[name].json_schema)
    for value in good:
        assert checked(driver, {name: value}) == {name: value}
        assert schema.is_valid(value)
    assert type(checked(driver, {name: good[0]})[name]) is options_of(driver)[name].kind


@pytest.mark.parametrize(
    ("driver", "name", "bad", "allowed"),
    [
        (ET7067, "unit_id", [256, 1.0, "1"], "a whole number, 0 to 255"),
        (DaenetIP2_ACPI, "short_press", [0, 4, "0.7"], "a number, 0.1 to 3.5"),
        (DaenetIP2_ACPI, "long_press", [4, 8.1], "a number, 4.1 to 8.0"),
        (RedfishDevice, "tls", ["", "auto", "VERIFY"], "one of verify, insecure, off"),
        (RedfishDevice, "ca_file", ["ca.pem", "~/ca.pem"], "an absolute path"),
        (RedfishDevice, "fingerprint", [PIN[2:], PIN + "ab", "g" * 64], "64 hexadecimal digits"),
        (SshDevice, "known_hosts", ["known_hosts"], "an absolute path"),
        (SshDevice, "virsh", [""], "text"),
    ],
)
def test_bad_values(driver, name, bad, allowed):
    schema = Draft202012Validator(options_of(driver)[name].json_schema)
    for value in bad:
        with pytest.raises(InvalidInput, match=f"options.{name}: Not {allowed}"):
            checked(driver, {name: value})
        assert not schema.is_valid(value) or value == 1.0  # a whole number for JSON Schema


def test_a_line_end_is_no_part_of_a_fingerprint():
    with pytest.raises(InvalidInput, match="64 hexadecimal digits"):
        checked(RedfishDevice, {"fingerprint": f"{PIN}\n"})


def test_a_whole_number_serves_as_a_number():
    [value] = checked(DaenetIP2_ACPI, {"long_press": 6}).values()
    assert type(value) is float


def test_every_mistake_is_named_and_no_value_is_told():
    with pytest.raises(InvalidInput) as refused:
        checked(RedfishDevice, {"password": "hunter2", "tls": "hunter3", "fingerprint": PIN})
    assert list(refused.value.fields) == ["options.password", "options.tls"]
    assert "RedfishDevice has no option 'password'; it has" in refused.value.message
    assert "hunter" not in f"{refused.value.message}{refused.value.fields}"


def test_a_device_without_options_says_so():
    with pytest.raises(InvalidInput, match="DaenetIP2 has no option 'unit_id'; it has none"):
        checked(driver_for("DaenetIP2"), {"unit_id": 1})


@pytest.mark.parametrize(
    ("given", "stored", "after"),
    [
        ({}, {"tls": "off"}, {"tls": "off"}),
        ({"tls": "insecure"}, {"tls": "off", "ca_file": "/ca"}, {"tls": "insecure", "ca_file": "/ca"}),
        ({"tls": None}, {"tls": "off", "ca_file": "/ca"}, {"ca_file": "/ca"}),
        ({"tls": None}, {}, {}),
        (None, {"tls": "off"}, {}),
        ({"unit_id": None}, {"unit_id": 3}, {}),
    ],
)
def test_changes(given, stored, after):
    before = dict(stored)
    assert merged(RedfishDevice, given, stored) == after
    assert stored == before


@pytest.mark.parametrize(
    ("given", "stored"), [({}, {"unit_id": 3}), ({"unit_id": None}, {}), ({"unit_id": 3}, {"unit_id": 4})]
)
def test_changes_of_what_is_not_known(given, stored):
    with pytest.raises(InvalidInput, match="RedfishDevice has no option"):
        merged(RedfishDevice, given, stored)


HELP = {"help": "What it is for."}


@dataclass(frozen=True, kw_only=True)
class Secret(Settings):
    community: str = field(default="", repr=False, metadata=HELP)


@dataclass(frozen=True, kw_only=True)
class MarkedSecret(Settings):
    community: str = field(default="", metadata={**HELP, "secret": True})


@dataclass(frozen=True, kw_only=True)
class Helpless(Settings):
    mode: Literal["a", "b"] = "a"


@dataclass(frozen=True, kw_only=True)
class Manifold(Settings):
    names: tuple[str, ...] = field(default=(), metadata=HELP)


@dataclass(frozen=True, kw_only=True)
class Needed(Settings):
    unit: int = field(metadata=HELP)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (Secret, "community is secret"),
        (MarkedSecret, r"has more: \['secret'\]"),
        (Helpless, "lacks help"),
        (Manifold, "needs a default and a type of"),
        (Needed, "needs a default and a type of"),
    ],
)
def test_declarations_that_nobody_could_serve(settings, words):
    with pytest.raises(TypeError, match=words):
        options_of(of(settings))

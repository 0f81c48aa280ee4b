"""Which source the configuration names, how labels name hosts, and what is said of what is left out."""

from __future__ import annotations

import json

import pytest

from cloudmanager.config import load
from cloudmanager.drs.cluster import Resource
from cloudmanager.errors import Misconfigured, Unavailable
from cloudmanager.load_sources.allocation import AllocationSource
from cloudmanager.load_sources.choice import source_for
from cloudmanager.load_sources.label_names import found, named_hosts, named_servers
from cloudmanager.load_sources.left_out import LeftOut
from cloudmanager.load_sources.nova import NovaSource
from cloudmanager.load_sources.source import Loads
from tests.answering import answering


def source(metrics, *, url="", **options):
    given = {("drs_prometheus", name): value for name, value in options.items()}
    given |= {("drs", "metrics"): metrics, ("prometheus", "url"): url}
    return source_for(load(overrides=given), None)


async def test_by_default_nothing_is_measured():
    chosen = source_for(load(), None)
    assert isinstance(chosen, AllocationSource)
    assert await chosen.measure(["h1"], []) == Loads({}, {}, ())


def test_nova():
    assert isinstance(source("nova"), NovaSource)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, r"set \[prometheus\] url"),
        ({"look_back": 60, "step": 61}, "look_back is shorter than step"),
        ({"max_age": 30}, "max_age is shorter than step"),
        (
            dict.fromkeys(("server_cpu", "server_ram", "server_disk", "server_network"), " "),
            "has no query of what servers use",
        ),
    ],
    ids=["url", "look_back", "max_age", "servers"],
)
def test_options_that_do_not_fit(options, said):
    with pytest.raises(Misconfigured, match=said):
        source("prometheus", url="http://127.0.0.1:1" if options else "", **options)


@pytest.mark.parametrize(
    ("label", "host"),
    [
        ("c1", "c1"),
        ("C1:9100", "c1"),
        ("c1.example.org:9100", "c1"),
        ("c2.example.org", "c2.example.org"),
        ("c2", "c2.example.org"),
        ("c2.example.net", None),
        ("c3.a", "c3.a"),
        ("c3", None),
        ("c9", None),
        ("", None),
    ],
)
def test_how_labels_name_hosts(label, host):
    assert found(label, named_hosts(["c1", "c2.example.org", "c3.a", "c3.b"])) == host


def test_servers_are_named_by_their_whole_id():
    names = named_servers(["0a-Bc"])
    assert found("0A-bC", names) == "0a-Bc"
    assert found("0a", names) is None


def test_a_few_of_many_are_named():
    left_out = LeftOut("hosts")
    for number in range(5, 0, -1):
        left_out.add(f"h{number}", "they are silent", Resource.CPU)
    left_out.add("h1", "they are silent", Resource.CPU)
    left_out.add("h1", "they are off")
    assert left_out.notes() == (
        "the cpu load of 5 hosts is not known: they are silent (h1, h2, h3 and 2 more)",
        "the load of 1 hosts is not known: they are off (h1)",
    )


async def test_what_prometheus_warns_of_is_said():
    """Thanos, for example, answers in part and warns when one of its stores is away."""
    data = {"resultType": "vector", "result": []}
    body = json.dumps({"status": "success", "data": data, "warnings": ["store is away"]}).encode()
    with answering(body) as (url, _):
        answered = await source("prometheus", url=url).measure(["h1"], [])
    assert answered.notes.count("Prometheus warns: store is away") == 1
    assert not answered.hosts


async def test_what_is_no_number_is_no_answer():
    data = {"resultType": "vector", "result": [{"metric": {"nodename": "h1"}, "histogram": [0, {}]}]}
    body = json.dumps({"status": "success", "data": data}).encode()
    with answering(body) as (url, _), pytest.raises(Unavailable, match="cannot be read"):
        await source("prometheus", url=url).measure(["h1"], [])

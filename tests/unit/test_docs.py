"""Whatever is public is documented: who adds an option, flow, driver, error or metric is told by these tests."""

from __future__ import annotations

import importlib
import pkgutil
import re
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

import cloudmanager
from cloudmanager import config, errors
from cloudmanager.drivers import DRIVERS
from cloudmanager.drivers.options import options_of
from cloudmanager.flows import FLOWS

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def test_every_flow_is_in_the_table():
    rows = re.findall(r"^\| `([a-z-]+)` \|", (DOCS / "flows.md").read_text(), re.MULTILINE)
    assert rows == list(FLOWS)


def test_every_driver_has_a_section():
    sections = re.findall(r"^## (\w+)$", (DOCS / "power-controls.md").read_text(), re.MULTILINE)
    assert sections == [driver.control_type for driver in DRIVERS]


@pytest.mark.parametrize("driver", DRIVERS, ids=lambda driver: driver.control_type)
def test_every_option_of_a_device_is_in_its_table(driver):
    sections = re.split(r"^## (\w+)$", (DOCS / "power-controls.md").read_text(), flags=re.MULTILINE)
    section = dict(zip(sections[1::2], sections[2::2], strict=True))[driver.control_type]
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \| (.+?) \| .+ \|$", section, re.MULTILINE)
    told = {name: (takes, default) for name, takes, default in rows}
    assert told == {
        name: (_takes(option), f"`{option.default}`" if option.default != "" else "none")
        for name, option in options_of(driver).items()
    }


def _takes(option):
    if option.choices:
        return ", ".join(f"`{choice}`" for choice in option.choices)
    return (
        option.allowed.partition(", ")[2] if option.minimum is not None else option.allowed.partition(",")[0]
    )


def test_every_option_is_in_the_reference():
    text = (DOCS / "configuration.md").read_text()
    for section, options in config.list_opts():
        assert f"[{section}]" in text
        for option in options:
            assert f"`{option.name}`" in text, f"[{section}] {option.name}"


def test_every_metric_is_in_the_table():
    for module in pkgutil.walk_packages(cloudmanager.__path__, "cloudmanager."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    documented = set(re.findall(r"^\| `(cloudmanager_\w+)`", (DOCS / "metrics.md").read_text(), re.MULTILINE))
    made = {metric.name for metric in REGISTRY.collect() if metric.name.startswith("cloudmanager")}
    assert made <= {name.removesuffix("_total") for name in documented}


def test_the_error_tree_is_drawn_whole():
    drawn = set(re.findall(r"[├└]── (\w+)", errors.__doc__))
    classes = {name for name, value in vars(errors).items() if isinstance(value, type) and name[0].isupper()}
    assert classes - {"CloudManagerError", "Mapping", "Sequence"} == drawn


@pytest.mark.parametrize(
    "page", sorted([*DOCS.rglob("*.md"), ROOT / "README.md"]), ids=lambda page: page.name
)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), target

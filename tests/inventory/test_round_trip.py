"""What is exported can be imported: the same inventory comes out, whatever is in it."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event, insert, select

from cloudmanager.inventory import csv_file, yaml_file
from cloudmanager.inventory.records import KINDS, SECTIONS, Problems
from cloudmanager.models import Node, NodeClass, NodeControl, PowerControl

pytestmark = pytest.mark.both_databases

ODD_TEXTS = [
    "", " ", " both sides ", "null", " null ", '"null"', '""', '"', "~", "no", "true", "00012", "1e5", "0x1f",
    "2024-01-01", "12:30:45", "1_000", "=1+2", "+1", "-1", "@SUM(A1)", "\t=1", "a,b;c", "it's \"quoted\"",
    "two\nlines", "dos\r\nlines", "mac\rlines", "trailing\n", "Ünïcödé", "日本語", "👩‍💻", "\u2028\x85\ufeff", "- a: b",
    "[1, 2]", "{x}", "&anchor", "*alias", "#no comment", "x #no comment", "%", "\\n", "?", ":", "a: b", "\x07",
]  # fmt: skip


def everything(site):
    site.load(
        yaml.safe_dump(
            {
                "node_classes": [{"name": "Ünïcödé, class", "node_types": ["", "a,b", "c"]}, {"name": "bare"}],
                "node_images": [{"image_name": "im,age", "file_data": "root=x\n\tindent\n"}],
                "availability_storages": [
                    {"name": "nfs, one", "compute_path": "/a", "controller_path": "/b"},
                    {"name": "nfs2", "compute_path": "/c", "controller_path": "/d"},
                ],
                "power_controls": [
                    {
                        "title": "board", "control_type": "Board", "protocol_type": "modbus", "host": "10.0.0.9",
                        "port_number": 502, "login": "admin", "password": "pass-word", "ssh_key": "key",
                        "options": {"cipher_suite": "17"},
                    },
                    {
                        "title": "chassis", "control_type": "RedfishDevice", "protocol_type": "redfish",
                        "host": "chassis", "port_number": 443,
                        "options": {"fingerprint": ":".join(["AB"] * 32), "tls": "verify"},
                    },
                    {
                        "control_type": "SupermicroRackDevice", "protocol_type": "ipmi", "host": "::1",
                        "port_number": 623,
                    },
                ],
                "nodes": [
                    *({"name": f"n{number}", "description": odd} for number, odd in enumerate(ODD_TEXTS)),
                    {"name": "plain"},
                    {
                        "name": "full", "node_class": "Ünïcödé, class", "node_type": "a,b", "image": "im,age",
                        "availability_storages": ["nfs2", "nfs, one"], "inventory_code": "00012", "rack_number": 7,
                        "mac_address": "AA-BB-CC-00-00-01, aa:bb:cc:00:00:02", "ip_addresses": ["10.0.0.1", "fd00::1"],
                        "metadata": {"k,ey": 'va"lue', "n": 1, "f": 1.5, "t": True, "none": None}, "active": False,
                        "condition": 3, "is_reserved": True, "ram_mb": 2**31 - 1, "owner": "=1+2",
                    },
                    {"name": "untyped", "node_class": "hypervisor", "node_type": None},
                    {"name": "typeless class", "node_class": "bare"},
                ],
                "node_controls": [
                    {"node": "full", "power_control": "board", "power_control_port": "8"},
                    {
                        "node": "full", "power_control": "ipmi://SupermicroRackDevice@::1:623",
                        "power_control_port": 1, "is_default": True,
                    },
                    {"node": "plain", "power_control": "board", "power_control_port": "1"},
                    {"node": "untyped", "power_control": "chassis", "power_control_port": "4"},
                ],
            },
            allow_unicode=True,
        )
    )  # fmt: skip


@pytest.mark.parametrize("form", ["yaml", "csv"])
def test_a_copy_is_equal(site, new_site, form):
    everything(site)
    copy = new_site()
    assert copy.load(site.dump(form), form)

    assert copy.dump() == site.dump()
    assert not copy.load(site.dump(form), form, prune=True)
    descriptions = [each or "" for each in copy.scalars(select(Node.description).order_by(Node.id))]
    assert descriptions[: len(ODD_TEXTS)] == ODD_TEXTS
    [full] = copy.scalars(select(Node).where(Node.name == "full"))
    assert (full.inventory_code, full.owner) == ("00012", "=1+2")
    assert full.mac_address == "aa:bb:cc:00:00:01,aa:bb:cc:00:00:02"
    assert full.node_metadata == {"k,ey": 'va"lue', "n": 1, "f": 1.5, "t": True, "none": None}
    [default] = copy.scalars(
        select(NodeControl).where(NodeControl.node_id == full.id, NodeControl.is_default)
    )
    assert default.power_control_port == "1"
    options = dict(copy.rows(select(PowerControl.title, PowerControl.options)))
    assert options == {
        "board": {"cipher_suite": "17"},
        "chassis": {"fingerprint": ":".join(["AB"] * 32), "tls": "verify"},
        "ipmi://SupermicroRackDevice@::1:623": {},
    }


@pytest.mark.parametrize("form", ["yaml", "csv"])
def test_no_secret_is_exported(site, form):
    everything(site)
    text = site.dump(form)
    for secret in ("pass-word", "sealed", *site.scalars(select(PowerControl.sealed_password))):
        assert not secret or secret not in text
    assert "board" in text


@pytest.mark.parametrize("form", ["yaml", "csv"])
def test_classes_of_the_migration_that_are_gone_stay_away(site, new_site, form):
    with site.database.transaction() as session:
        session.delete(session.scalars(select(NodeClass).where(NodeClass.name == "Server")).one())
    copy = new_site()
    copy.load(site.dump(form), form, prune=True)
    assert copy.dump() == site.dump()


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)


@pytest.mark.parametrize("form", [yaml_file, csv_file], ids=["yaml", "csv"])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(TEXT, min_size=1, max_size=5), codes=st.dictionaries(TEXT, TEXT, max_size=3))
def test_any_text_comes_back(form, texts, codes):
    import io

    nodes = {
        text: {"name": text, "title": text, "node_type": text, "ip_addresses": texts, "metadata": codes}
        for text in texts
    }
    file = io.StringIO(newline="")
    form.write({kind.section: {} for kind in KINDS} | {"nodes": nodes}, file)
    file.seek(0)
    problems = Problems()
    records = list(form.read(file, problems))
    assert problems.found == []
    assert [record.fields for record in records] == list(nodes.values())


def test_statements_do_not_grow_with_the_file(site):
    seen = []
    event.listen(site.database.engine, "before_cursor_execute", lambda *args: seen.append(args[2]))

    def statements(count, change=""):
        seen.clear()
        controls = "".join(
            f"\npower_control,c{each},,,SupermicroRackDevice,ipmi,h{each}{change},623"
            for each in range(count)
        )
        nodes = "".join(f"\nnode,,n{each},t{change},,,,," for each in range(count))
        rows = "".join(f"\nnode_control,,,,,,,,n{each},c{each},1" for each in range(count))
        head = "kind,title,name,description,control_type,protocol_type,host,port_number,node,power_control,power_control_port"
        outcome = site.load(head + controls + nodes + rows, "csv")
        assert outcome
        return len(seen)

    few, many = statements(5, "a"), statements(50, "b")
    assert many <= few + 3  # the first fifty are both changed and new
    assert statements(50, "c") <= few


def test_unnamed_nodes_are_left_alone(site, new_site):
    with site.database.transaction() as session:
        session.execute(insert(Node), [{"title": "without a name", "node_class_id": 1}] * 2)
        session.execute(insert(Node), [{"name": "named", "node_class_id": 1}])
    text = site.dump()
    assert "without a name" not in text
    site.load(text, prune=True)
    assert sorted(site.scalars(select(Node.title)), key=str) == [None, "without a name", "without a name"]
    assert set(SECTIONS) == set(yaml.safe_load(text))

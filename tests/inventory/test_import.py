"""Importing: what changes and what stays, what is refused and where the mistake is."""

from __future__ import annotations

import pytest
from sqlalchemy import select, update

from cloudmanager.errors import Conflict, InvalidInput, Misconfigured
from cloudmanager.flows import FLOWS, start
from cloudmanager.flows.base import Flow
from cloudmanager.models import Node, NodeClass, NodeControl, NodeType, PowerControl

pytestmark = pytest.mark.both_databases

SITE = """
power_controls:
- {title: board, control_type: Board, protocol_type: modbus, host: 10.0.0.9, port_number: 502, password: first}
- {title: bmc, control_type: SupermicroRackDevice, protocol_type: ipmi, host: 10.0.0.8, port_number: 623}
nodes:
- {name: a, node_type: KVM, title: of a}
- {name: b}
node_controls:
- {node: a, power_control: board, power_control_port: 1}
- {node: a, power_control: bmc, power_control_port: 1}
- {node: b, power_control: board, power_control_port: 2}
"""


@pytest.fixture
def site(site):
    site.load(SITE)
    return site


def control(site, title):
    [found] = site.scalars(select(PowerControl).where(PowerControl.title == title))
    return found


def ports(site):
    with site.database.reading() as session:
        query = select(
            Node.name, PowerControl.title, NodeControl.power_control_port, NodeControl.is_default
        ).select_from(NodeControl)
        rows = session.execute(query.join(Node).join(PowerControl).order_by(Node.name, PowerControl.title))
        return [tuple(row) for row in rows]


def refused(site, text, *expected, error=InvalidInput, form="yaml", **options):
    """The import is refused with these words and changes nothing; the error's message."""
    before = site.dump()
    with pytest.raises(error) as caught:
        site.load(text, form, **options)
    for words in expected:
        assert words in caught.value.message
    assert site.dump() == before
    return caught.value.message


def test_new_objects_get_the_defaults_of_the_api(site):
    [b] = site.scalars(select(Node).where(Node.name == "b"))
    with site.database.reading() as session:
        assert session.get(NodeClass, b.node_class_id).is_default
        assert session.get(NodeType, b.node_type_id).name == ""
    assert (b.active, b.condition, b.image_id, b.power_state) == (True, 0, 1, None)
    assert control(site, "board").coils_count == 8
    assert ports(site) == [("a", "bmc", "1", False), ("a", "board", "1", True), ("b", "board", "2", True)]


def test_a_second_time_changes_nothing(site):
    sealed = control(site, "board").sealed_password
    outcome = site.load(SITE)
    assert not outcome
    assert list(outcome.lines()) == []
    assert "nodes: 0 created, 0 changed, 0 deleted, 2 unchanged" in list(outcome.summary())
    assert control(site, "board").sealed_password == sealed
    assert control(site, "board").time_updated is None


def test_what_is_not_mentioned_stays(site):
    site.load("nodes: [{name: A, rack_number: 7}, {name: c}]")
    nodes = {node.name: node for node in site.scalars(select(Node))}
    assert set(nodes) == {"A", "b", "c"}
    assert (nodes["A"].title, nodes["A"].rack_number) == ("of a", 7)
    with site.database.reading() as session:
        assert session.get(NodeType, nodes["A"].node_type_id).name == "KVM"


def test_another_class_brings_its_own_type(site):
    site.load("nodes: [{name: a, node_class: Storage host}]")
    [a] = site.scalars(select(Node).where(Node.name == "a"))
    with site.database.reading() as session:
        found = session.get(NodeType, a.node_type_id)
        assert (found.name, session.get(NodeClass, found.node_class_id).name) == ("", "Storage host")


def test_a_dry_run_tells_and_changes_nothing(site):
    before = site.dump()
    text = """
    node_images: [{image_name: default, file_data: x}, {image_name: New, file_data: y}]
    power_controls:
    - {title: board, control_type: Board, protocol_type: modbus, host: 10.0.0.10, port_number: 502, password: new}
    - {title: bmc, control_type: SupermicroRackDevice, protocol_type: ipmi, host: 10.0.0.8, port_number: 623}
    nodes: [{name: a, title: another}, {name: c}]
    """
    outcome = site.load(text, prune=True, dry_run=True)
    lines = [line.strip() for line in outcome.lines()]
    assert set(lines) >= {"+ New", "+ c", "- b", "~ a: title 'of a' -> 'another'", "- b on board"}
    [changed] = [line for line in lines if line.startswith("~ board")]
    assert changed == "~ board: password (not shown), host '10.0.0.9' -> '10.0.0.10'"
    assert "nodes: 1 created, 1 changed, 1 deleted, 0 unchanged" in list(outcome.summary())
    assert site.dump() == before


def test_prune_deletes_what_the_file_lacks_of_its_kinds(site):
    site.load("nodes: [{name: b}]", prune=True)
    assert site.scalars(select(Node.name)) == ["b"]
    assert ports(site) == [("b", "board", "2", True)]
    assert sorted(site.scalars(select(PowerControl.title))) == ["bmc", "board"]
    site.load("node_controls: [{node: b, power_control: bmc, power_control_port: 1}]", prune=True)
    assert ports(site) == [("b", "bmc", "1", True)]
    site.load("node_classes: [{name: hypervisor, node_types: ['', Own]}]", prune=True)
    assert site.scalars(select(NodeClass.name)) == ["hypervisor"]
    assert sorted(site.scalars(select(NodeType.name))) == ["", "Own"]


def test_prune_keeps_what_is_used(site):
    refused(site, "node_classes: [{name: Server}]", "default class", prune=True)
    refused(site, "node_classes: [{name: hypervisor, node_types: ['']}]", "'KVM' is no type", prune=True)
    refused(site, "node_images: [{image_name: x, file_data: y}]", "no PXE image 'default'", prune=True)
    only = "power_controls: [{title: bmc, control_type: SupermicroRackDevice, protocol_type: ipmi, host: h, port_number: 1}]"
    refused(site, only, "none with the title 'board'", prune=True)


def test_two_nodes_change_places(site):
    site.load(
        "node_controls: [{node: a, power_control: board, power_control_port: 2},"
        " {node: b, power_control: board, power_control_port: 1}]"
    )
    assert ports(site) == [("a", "bmc", "1", False), ("a", "board", "2", True), ("b", "board", "1", True)]


def test_the_default_moves(site):
    text = "node_controls: [{node: a, power_control: bmc, power_control_port: 1, is_default: true}]"
    site.load(text)
    assert ports(site)[:2] == [("a", "bmc", "1", True), ("a", "board", "1", False)]
    assert not site.load(text)
    site.load("node_controls: [{node: a, power_control: bmc, power_control_port: 1, is_default: false}]")
    assert ports(site)[:2] == [("a", "bmc", "1", False), ("a", "board", "1", True)]


def test_what_moved_has_not_been_seen(site):
    with site.database.transaction() as session:
        for assigned in session.scalars(select(NodeControl)):
            assigned.is_initialized, assigned.power_state = True, "power_on"
    site.load("node_controls: [{node: b, power_control: board, power_control_port: 5}]")
    seen = site.scalars(select(NodeControl.power_control_port).where(NodeControl.is_initialized))
    assert sorted(seen) == ["1", "1"]


def test_secrets_are_sealed_and_stay_when_they_are_not_given(site):
    assert site.vault.open(control(site, "board").sealed_password) == "first"
    line = "{title: board, control_type: Board, protocol_type: modbus, host: 10.0.0.9, port_number: 502"
    assert not site.load(f"power_controls: [{line}}}]")
    assert not site.load(f"power_controls: [{line}, password: ''}}]")
    site.load(f"power_controls: [{line}, ssh_key: a key}}]")
    kept = control(site, "board")
    assert (site.vault.open(kept.sealed_password), site.vault.open(kept.sealed_ssh_key)) == ("first", "a key")
    assert kept.time_updated is not None


def test_options_are_what_the_file_says(site):
    """All of them, as with the metadata of a node; without the field they stay."""
    chassis = (
        "{title: chassis, control_type: RedfishDevice, protocol_type: redfish, host: h, port_number: 443"
    )
    options = lambda: control(site, "chassis").options  # noqa: E731
    site.load(f"power_controls: [{chassis}, options: {{tls: insecure, ca_file: /ca}}}}]")
    assert options() == {"tls": "insecure", "ca_file": "/ca"}
    assert not site.load(f"power_controls: [{chassis}}}]")
    outcome = site.load(f"power_controls: [{chassis}, options: {{tls: 'off'}}}}]")
    assert list(outcome.lines()) == [
        "  ~ chassis: options {'tls': 'insecure', 'ca_file': '/ca'} -> {'tls': 'off'}"
    ]
    assert options() == {"tls": "off"}
    site.load('kind,title,control_type,protocol_type,host,port_number,options\n'
              'power_control,chassis,RedfishDevice,redfish,h,443,"{""ca_file"": ""/b""}"\n', "csv")  # fmt: skip
    assert options() == {"ca_file": "/b"}
    site.load(f"power_controls: [{chassis}, options: {{}}}}]")
    assert options() == {}


def test_options_are_checked(site):
    bmc = "{title: bmc, control_type: SupermicroRackDevice, protocol_type: ipmi, host: h, port_number: 623"
    for options, words in (
        ("{cipher_suite: 17}", "options.cipher_suite: Not one of auto, 3, 17."),
        ("{unit_id: 1}", "SupermicroRackDevice has no option 'unit_id'; it has cipher_suite."),
        ("{1: 1}", "options.1.key: Not a valid string."),
        ("[tls]", "options: Not a valid mapping type."),
    ):
        refused(site, f"power_controls:\n- {bmc}, options: {options}}}", "line 2: power_control", words)


def test_a_port_of_a_device_that_alone_knows_how_many_it_has(site):
    text = """
power_controls:
- {title: chassis, control_type: RedfishDevice, protocol_type: redfish, host: h, port_number: 443}
node_controls:
- {node: b, power_control: chassis, power_control_port: %s}
"""
    refused(site, text % "zero", "line 5: node_control: power_control_port: chassis has no port 'zero'")
    site.load(text % "12")
    assert ("b", "chassis", "12", False) in ports(site)
    with site.database.transaction() as session:
        session.execute(update(PowerControl).values(coils_count=12))
    refused(site, text % "13", "its ports are 1..12")


def test_a_file_of_passwords(site, tmp_path):
    secrets = tmp_path / "passwords.csv"
    secrets.write_text('title,password\nboard,"a,b"\n')
    with pytest.raises(Misconfigured, match="chmod 600"):
        site.load(SITE, passwords=secrets)
    secrets.chmod(0o600)
    site.load(SITE.replace(", password: first", ""), passwords=secrets)
    assert site.vault.open(control(site, "board").sealed_password) == "a,b"
    secrets.write_text("title,password\nnobody,x\n")
    refused(site, SITE, "no power control with the title 'nobody'", passwords=secrets)
    secrets.write_text("name,password\nboard,x\n")
    refused(site, SITE, "columns are title, password, ssh_key", passwords=secrets)


def test_mistakes_are_told_together_with_line_and_field(site):
    text = """
nodes:
- {name: a, rack_number: 100, colour: red}
- {title: without a name}
- name: c
  ip_addresses: [10.0.0.1, nonsense]
- {name: c}
- just a word
no_such_section: []
node_images: 7
"""
    refused(
        site,
        text,
        "line 3: node: rack_number: Must be",
        "line 3: node: colour: Unknown field.",
        "line 4: node: name: Missing data",
        "line 5: node: ip_addresses.1: Not an IP address.",
        "line 8: a record of nodes is a mapping",
        "line 9: 'no_such_section' is none of node_classes",
        "line 10: node_images is not a list",
    )
    twice = "nodes: [{name: d},\n {name: D}]"
    refused(site, twice, "line 2: node d is at line 1 already")


def test_mistakes_in_rows(site):
    head = "kind,name,rack_number,active,ip_addresses,metadata,host\n"
    refused(
        site,
        head
        + 'node,x,ten,yes,"10.0.0.1, x",,\n"node","multi\nline",1,,,,\nthing,y\n,z,1,,,{broken,\nnode,z,,,,,,,,\nnode,v,,,,,h\n',
        "line 2: node: rack_number: Not a valid integer.",
        "line 2: node: active: Not a valid boolean.",
        "line 2: node: ip_addresses.1: Not an IP address.",
        "line 5: kind: 'thing' is none of",
        "line 6: node: metadata: ",
        "line 7: 10 cells under 7 columns",
        "line 8: node: host: Unknown field.",
        form="csv",
    )
    for text, words in (
        ("", "found nothing"),
        ("name,name\n", "found 'name'"),
        ("name,colour\n", "'colour'"),
        ('name\n"a', "line 2: not CSV"),
    ):
        refused(site, text, words, form="csv")


def test_rules_between_objects(site):
    for text, words in (
        ("nodes: [{name: a, node_class: Nothing}]", "there is no node class 'Nothing'"),
        ("nodes: [{name: a, node_type: Ceph}]", "'Ceph' is no type of node class hypervisor"),
        ("nodes: [{name: a, image: nothing}]", "there is no PXE image 'nothing'"),
        ("nodes: [{name: a, availability_storages: [x]}]", "there is no availability storage 'x'"),
        ("node_controls: [{node: x, power_control: bmc, power_control_port: 1}]", "there is no node 'x'"),
        ("node_controls: [{node: b, power_control: x, power_control_port: 1}]", "none with the title 'x'"),
        ("node_controls: [{node: b, power_control: bmc, power_control_port: 2}]", "bmc has no port '2'"),
        ("node_controls: [{node: b, power_control: board, power_control_port: 1}]", "is taken by node a"),
        (
            "node_controls: [{node: b, power_control: board, power_control_port: 2, is_default: false}]",
            "exactly one default",
        ),
        (
            "power_controls: [{title: x, control_type: Nothing, protocol_type: ipmi, host: h, port_number: 1}]",
            "unknown control type 'Nothing'",
        ),
        (
            "power_controls: [{title: board, control_type: SupermicroRackDevice, protocol_type: ipmi, host: h, port_number: 1}]",
            "board has no port '2'",
        ),
    ):
        assert refused(site, text, words).count("line 1: ") >= 1


def test_broken_files(site):
    for text in ("nodes: [", "- a", "nodes: [{name: a, name: b}]", "nodes: [!!python/object:os.system {}]", "nodes: [{name: &x [*x]}]"):  # fmt: skip
        refused(site, text)
    assert not site.load("")
    assert not site.load("# nothing\n")
    assert not site.load("name\n\n", "csv")


def test_tables_of_other_programs(site):
    """A byte order mark is the command's matter; semicolons, spaces in lists and words for booleans are ours."""
    outcome = site.load(
        "name; active ;ip_addresses;inventory_code\r\nc;FALSE;10.0.0.1, 10.0.0.2;007\r\n", "csv"
    )
    [c] = site.scalars(select(Node).where(Node.name == "c"))
    assert (c.active, c.ip_addresses, c.inventory_code) == (False, ["10.0.0.1", "10.0.0.2"], "007")
    assert outcome


def test_plain_words_of_yaml_stay_as_they_are(site):
    site.load("nodes: [{name: c, inventory_code: 00012, owner: no, title: 2024-01-01, description: 12:30}]")
    [c] = site.scalars(select(Node).where(Node.name == "c"))
    assert (c.inventory_code, c.owner, c.title, c.description) == ("00012", "no", "2024-01-01", "12:30")


def test_a_node_that_a_task_works_on_keeps_its_controls(site, monkeypatch):
    monkeypatch.setitem(FLOWS, "test", Flow(kind="test", summary="", queue="power", steps=()))
    [a] = site.scalars(select(Node).where(Node.name == "a"))
    with site.database.transaction() as session:
        task = start(session, "test", subject=f"node:{a.id}", params={}, requested_by=None, request_id=None)
    for text, options in (
        ("node_controls: [{node: a, power_control: board, power_control_port: 7}]", {}),
        ("node_controls: [{node: a, power_control: bmc, power_control_port: 1, is_default: true}]", {}),
        ("node_controls: [{node: b, power_control: board, power_control_port: 2}]", {"prune": True}),
        ("nodes: [{name: b}]", {"prune": True}),
    ):
        refused(site, text, f"node a: task {task} (test) works on it", **options)
    site.load(
        "nodes: [{name: a, title: other}]\nnode_controls: [{node: b, power_control: board, power_control_port: 7}]"
    )


def test_a_control_that_a_task_works_on_stays(site, monkeypatch):
    """Its password is being changed: what a file says of it would be lost, or lose the new one."""
    monkeypatch.setitem(FLOWS, "test", Flow(kind="test", summary="", queue="power", steps=()))
    board = control(site, "board").id
    with site.database.transaction() as session:
        subject = f"control:{board}"
        task = start(session, "test", subject=subject, params={}, requested_by=None, request_id=None)
    line = "{title: board, control_type: Board, protocol_type: modbus, host: 10.0.0.9, port_number: 502"
    words = f"power_control board: task {task} (test) works on it"
    refused(site, f"power_controls: [{line}, password: second}}]", words)
    bmc = "{title: bmc, control_type: SupermicroRackDevice, protocol_type: ipmi, host: h, port_number: 623}"
    refused(site, f"power_controls: [{bmc}]", words, prune=True)
    assert not site.load(f"power_controls: [{line}, password: first}}]")


def test_a_password_of_a_file_is_the_only_one(site):
    with site.database.transaction() as session:
        session.get(PowerControl, control(site, "board").id).sealed_pending_password = site.vault.seal("next")
    line = "{title: board, control_type: Board, protocol_type: modbus, host: 10.0.0.9, port_number: 502"
    site.load(f"power_controls: [{line}, login: me}}]")
    assert site.vault.open(control(site, "board").sealed_pending_password) == "next"
    site.load(f"power_controls: [{line}, password: second}}]")
    assert control(site, "board").sealed_pending_password is None
    assert site.vault.open(control(site, "board").sealed_password) == "second"


def test_controls_of_one_title_cannot_be_told_apart(site):
    with site.database.transaction() as session:
        twin = {
            "control_type": "Board",
            "protocol_type": "modbus",
            "host": "h",
            "port_number": 1,
            "coils_count": 8,
        }
        session.add(PowerControl(title="board", **twin))
    with pytest.raises(Conflict, match="have the same title 'board'"):
        site.dump()

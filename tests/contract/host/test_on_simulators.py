"""The Host port and `cloudmanager host` on simulated nodes, as those of the demo."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from cloudmanager import schema
from cloudmanager.cli import main
from cloudmanager.db import Database
from cloudmanager.errors import HostRefused, HostUnreachable
from cloudmanager.host.login import Login
from cloudmanager.models import Node, NodeLogin
from cloudmanager.simulators.clock import ManualClock
from cloudmanager.simulators.node_os import NodeOs
from cloudmanager.simulators.node_os.server import add_os
from cloudmanager.simulators.node_os.system import BOOT_SECONDS
from cloudmanager.simulators.world import World
from cloudmanager.state_dir import StateDirectory
from tests.background import Background
from tests.peers.sockets import free_tcp_port

PASSWORD = "secret of the nodes"
NAMES = ("r1n1.demo.local", "r1n2.demo.local", "r2n1.demo.local")


class Rack:
    """Three nodes with systems that are up."""

    def __init__(self):
        self.background = Background()
        self.world = World(clock=ManualClock())
        for name in NAMES:
            self.world.add_node(name, on=True)
        self.world.clock.advance(BOOT_SECONDS)
        self.systems = [
            NodeOs(self.world, add_os(self.world, name, password=PASSWORD).name) for name in NAMES
        ]
        self.ports = [self.background.run(system.start()) for system in self.systems]

    def end(self):
        for system in self.systems:
            self.background.run(system.stop())
        self.background.end()

    def login(self, place):
        at = {"host": "127.0.0.1", "port": self.ports[place], "host_key": self.systems[place].host_key}
        return Login(login="cloudmanager", password=PASSWORD, **at)

    def boot_id(self, place):
        return self.world.node(NAMES[place]).boot_id


@pytest.fixture
def rack():
    rack = Rack()
    yield rack
    rack.end()


@pytest.fixture
async def nodes(site, rack):
    """Nodes 1, 2 and 3, on a port that has met none of them."""
    site.logins = {place + 1: rack.login(place) for place in range(3)}
    return site


async def test_commands_run_where_they_should(nodes, rack):
    assert [(await nodes.run("boot-id", node)).out.strip() for node in (1, 2, 3)] == [
        rack.boot_id(place) for place in range(3)
    ]
    assert "ID=debian" in (await nodes.run("os-release")).out


async def test_a_node_that_restarts_is_logged_on_to_again(nodes, rack):
    before = (await nodes.run("boot-id")).out
    rack.background.change(rack.world.power_off, NAMES[0])
    with pytest.raises(HostUnreachable):
        await nodes.run("boot-id")
    rack.background.change(rack.world.power_on, NAMES[0])
    rack.background.change(rack.world.clock.advance, BOOT_SECONDS)
    after = (await nodes.run("boot-id")).out
    assert after.strip() == rack.boot_id(0)
    assert after != before
    assert rack.systems[0].counters.log_ons == 2


async def test_a_wrong_password_is_tried_once(nodes, rack):
    nodes.logins[1] = Login(**{**vars(rack.login(0)), "password": "wrong"})
    with pytest.raises(HostRefused, match="refused the credentials"):
        await nodes.run("boot-id")
    assert rack.systems[0].counters.log_ons == 0


# --- cloudmanager host ---------------------------------------------------------------------------------------


@pytest.fixture
def inventory(rack, tmp_path):
    """A state directory whose nodes are those of the rack, and one that nobody can reach."""
    directory = StateDirectory(tmp_path / "state")
    directory.path.mkdir()
    directory.create_files(f"\n[host]\npassword = {PASSWORD}\nlog_ons = 2\n")
    database = Database(f"sqlite:///{directory.database_file}")
    schema.upgrade(database)
    with database.transaction() as session:
        for place, name in enumerate((*NAMES, "r3n1")):
            login = rack.login(place) if place < 3 else None
            session.add(Node(id=place + 1, name=name, ip_addresses=["127.0.0.1"]))
            session.flush()
            at = (
                {"port_number": login.port, "host_key": login.host_key}
                if login
                else {"port_number": free_tcp_port()}
            )
            session.add(NodeLogin(node_id=place + 1, **at))
    database.close()

    def run(*arguments):
        return CliRunner().invoke(main, ["host", *arguments, "--state-dir", str(directory.path)])

    return run


def test_one_command_on_many_nodes_and_what_came_of_each(inventory, rack):
    result = inventory("run", "boot-id", "--all", "--json", "--at-once", "2")
    assert result.exit_code == 1
    outcomes = {each["node"]: each for each in map(json.loads, result.stdout.splitlines())}
    assert [outcomes[name]["out"].strip() for name in NAMES] == [rack.boot_id(place) for place in range(3)]
    assert outcomes["r3n1"]["kind"] == "HostUnreachable"
    assert "3 of 4 done" in result.stderr


def test_nodes_by_pattern_and_words_for_people(inventory, rack):
    result = inventory("run", "boot-id", "r1*")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert [line.partition(": done in ")[0] for line in sorted(lines[::2])] == list(NAMES[:2])
    assert sorted(line.strip() for line in lines[1::2]) == sorted(rack.boot_id(place) for place in (0, 1))


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("boot-id",), "say which"),
        (("boot-id", "r1*", "--all"), "say which"),
        (("boot-id", "r9*"), "no node has the id or name 'r9*'"),
        (("reboot", "r1*"), "the catalogue has no command 'reboot'"),
        (("boot-id", "r1*", "--set", "x=1"), "x is not an argument of it"),
        (("boot-id", "r1*", "--set", "x"), "say NAME=VALUE"),
    ],
    ids=["nobody", "all and some", "none", "no command", "no argument", "no value"],
)
def test_a_mistake_in_the_call_reaches_no_node(inventory, rack, arguments, why):
    result = inventory("run", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert why in result.stderr
    assert [system.counters.log_ons for system in rack.systems] == [0, 0, 0]


def test_the_catalogue_is_shown(inventory):
    result = inventory("commands")
    assert result.exit_code == 0
    assert "boot-id: An id that is new after each start" in result.stdout
    assert "  any: cat /proc/sys/kernel/random/boot_id\n" in result.stdout

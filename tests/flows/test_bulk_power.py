"""Many nodes: how many are switched at a time, and what each is told."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from sqlalchemy import event

from cloudmanager.drivers.base import Action
from cloudmanager.flows.bulk_power import power_domains
from cloudmanager.models import FlowRow, Node, NodeControl, PowerControl

RATES = SimpleNamespace(fleet_rate=500.0, rack_rate=50.0, control_rate=5.0)


def add_board(cloud, nodes, **columns):
    """A relay board with so many nodes on it; answers the ids of the board and of the nodes."""
    with cloud.database.transaction() as session:
        board = PowerControl(
            title="board", control_type="T", protocol_type="p", host="h", port_number=502, coils_count=8
        )
        rows = [Node(**columns) for _ in range(nodes)]
        session.add_all([board, *rows])
        session.flush()
        session.add_all(
            NodeControl(
                node_id=node.id, power_control_id=board.id, power_control_port=str(port), is_default=True
            )
            for port, node in enumerate(rows, start=1)
        )
        for port in range(1, nodes + 1):
            cloud.power.plug(board.id, str(port))
        return board.id, [node.id for node in rows]


@pytest.fixture
def switched(cloud, monkeypatch):
    """When each outlet was told something, by the number of its control."""
    times = {}
    apply = cloud.power.apply

    async def note(outlet, action):
        times.setdefault(outlet.control_id, []).append(cloud.clock.now())
        await apply(outlet, action)

    monkeypatch.setattr(cloud.power, "apply", note)
    return times


async def test_the_outlets_of_one_board_are_switched_one_after_another(cloud, switched):
    cloud.power_options = {"control_rate": 0.5}
    first, nodes = add_board(cloud, 4)
    second, others = add_board(cloud, 2)
    flow_id = cloud.start("reset-nodes", node_ids=[*nodes, *others])
    begun = cloud.clock.now()
    await cloud.sweep_until_quiet()
    assert cloud.flow(flow_id).status == "SUCCESS", cloud.flow(flow_id).error
    assert len(switched[first]) == 4
    for number, moment in enumerate(sorted(switched[first])):
        assert moment - begun >= 2 * number
    assert min(switched[second]) - begun < 2  # nobody waits for a board that is not theirs


@pytest.mark.parametrize(
    ("kind", "ends_on", "told"),
    [("power-on", True, [Action.ON]), ("power-off", False, []), ("reset", True, [Action.ON])],
)
async def test_each_node_gets_the_same_as_if_it_were_alone(cloud, kind, ends_on, told):
    nodes = [cloud.add_node({"on": False}) for _ in range(2)]
    held = cloud.add_node({"on": not ends_on})
    with cloud.database.transaction() as session:
        session.add(FlowRow(id="h", kind="reset", subject=f"node:{held}", params={}, memo={}, wake_at=1e12))
    flow_id = cloud.start(f"{kind}-nodes", node_ids=[*nodes, held])
    await cloud.sweep_until_ended(flow_id)
    flow = cloud.flow(flow_id)
    assert flow.result == {"success": nodes, "failed": [held]}
    assert "1 of 3 nodes not" in flow.error
    assert [machine.on for machine in cloud.power.machines.values()] == [ends_on, ends_on, not ends_on]
    assert [machine.commands for machine in cloud.power.machines.values()] == [told, told, []]


async def test_soft_reaches_every_node(cloud):
    nodes = [cloud.add_node({"on": True}) for _ in range(2)]
    flow_id = cloud.start("power-off-nodes", node_ids=nodes, soft=True)
    await cloud.sweep_until_quiet()
    assert cloud.flow(flow_id).status == "SUCCESS"
    for machine in cloud.power.machines.values():
        assert machine.commands == [Action.SOFT_OFF]


def test_what_a_node_shares(cloud):
    board, [on_board] = add_board(cloud, 1, dtc_number=1, row_number=2, rack_number=3)
    without_rack = cloud.add_node({}, {}, dtc_number=1)  # two controls; the first is the default
    without_control = cloud.add_node()
    with cloud.database.reading() as session:
        found = power_domains(session, [on_board, without_rack, without_control, 999], RATES)
    assert found == {
        on_board: {"fleet": 500.0, ("rack", 1, 2, 3): 50.0, ("control", board): 5.0},
        without_rack: {"fleet": 500.0, ("control", board + 1): 5.0},
        without_control: {"fleet": 500.0},
    }


@pytest.mark.parametrize("count", [1, 400])
def test_one_query_for_any_number_of_nodes(cloud, count):
    _, nodes = add_board(cloud, count)
    statements = []
    event.listen(cloud.database.engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
    with cloud.database.reading() as session:
        assert len(power_domains(session, nodes, RATES)) == count
    assert len([each for each in statements if each.startswith("SELECT")]) == 1

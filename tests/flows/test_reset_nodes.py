"""How many nodes a bulk reset switches at a time."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from sqlalchemy import event

from cloudmanager.flows.reset_nodes import power_domains
from cloudmanager.models import Node, NodeControl, PowerControl

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

"""What the power flows do to a machine, and what they say."""

from __future__ import annotations

import pytest

from cloudmanager.drivers.base import Action
from cloudmanager.errors import Busy, Conflict
from cloudmanager.flows import cancel
from cloudmanager.models import Node, NodeControl, PowerAction


async def run(cloud, kind, node_id, **params):
    flow_id = cloud.start(kind, node_id, **params)
    assert await cloud.advance(flow_id)
    return cloud.flow(flow_id)


async def test_power_on_asks_once_and_confirms(cloud):
    node = cloud.add_node({"on": False, "lag": 3})
    flow = await run(cloud, "power-on", node)
    assert flow.status == "SUCCESS", flow.error
    assert cloud.machine(1).commands == [Action.ON]
    [row] = cloud.rows(Node)
    assert row.power_state == "power_on"
    assert row.power_state_checked_at is not None
    [control] = cloud.rows(NodeControl)
    assert control.is_initialized
    assert control.power_state == "power_on"


async def test_power_on_never_touches_a_running_node(cloud):
    node = cloud.add_node({"on": True})
    flow = await run(cloud, "power-on", node)
    assert flow.status == "SUCCESS"
    assert cloud.machine(1).commands == []


async def test_power_off_is_confirmed_not_believed(cloud):
    node = cloud.add_node({"on": True, "deaf": True})
    flow = await run(cloud, "power-off", node)
    assert flow.status == "FAILURE"
    assert "still says on" in flow.error
    assert cloud.rows(Node)[0].power_state == "power_on"


async def test_soft_off_waits_for_the_operating_system(cloud):
    node = cloud.add_node({"on": True, "lag": 4})
    flow = await run(cloud, "power-off", node, soft=True)
    assert flow.status == "SUCCESS"
    assert cloud.machine(1).commands == [Action.SOFT_OFF]


async def test_soft_off_turns_hard_after_the_grace(cloud):
    node = cloud.add_node({"on": True, "obeys_button": False})
    begun = cloud.clock.now()
    flow = await run(cloud, "power-off", node, soft=True)
    assert flow.status == "SUCCESS"
    assert cloud.machine(1).commands == [Action.SOFT_OFF, Action.OFF]
    assert cloud.clock.now() - begun >= 5


async def test_reset_uses_the_device(cloud):
    node = cloud.add_node({"on": True})
    flow = await run(cloud, "reset", node)
    assert flow.status == "SUCCESS"
    assert cloud.machine(1).commands == [Action.RESET]


async def test_reset_of_a_node_that_is_off_switches_it_on(cloud):
    node = cloud.add_node({"on": False})
    flow = await run(cloud, "reset", node)
    assert flow.status == "SUCCESS"
    assert cloud.machine(1).commands == [Action.ON]


async def test_reset_without_the_device_is_off_pause_on(cloud):
    cloud.power._actions = frozenset({Action.ON, Action.OFF})
    node = cloud.add_node({"on": True})
    begun = cloud.clock.now()
    flow = await run(cloud, "reset", node)
    assert flow.status == "SUCCESS", flow.error
    assert cloud.machine(1).commands == [Action.OFF, Action.ON]
    assert cloud.machine(1).on
    assert cloud.clock.now() - begun >= 2


async def test_reset_whose_answer_is_lost_is_not_sent_again(cloud):
    node = cloud.add_node({"on": True})
    cloud.line.lose_answer_of = 2
    flow = await run(cloud, "reset", node)
    assert flow.status == "FAILURE"
    assert "not known whether" in flow.error
    assert cloud.machine(1).resets == 1


async def test_dead_default_control_is_passed_over_and_said(cloud):
    node = cloud.add_node({"dead": True}, {"on": True})
    flow_id = cloud.start("power-off", node)
    await cloud.advance(flow_id)
    assert cloud.flow(flow_id).status == "SUCCESS"
    assert cloud.machine(2).commands == [Action.OFF]
    assert any("port 1 of bmc1 did not answer" in (event.message or "") for event in cloud.events(flow_id))


async def test_dead_device_is_tried_again_then_given_up_by_name(cloud):
    node = cloud.add_node({"dead": True})
    flow = await run(cloud, "power-on", node)
    assert flow.status == "FAILURE"
    assert "gave up after 3 attempts" in flow.error
    assert "port 1 of bmc1 does not answer" in flow.error
    assert cloud.rows(Node)[0].power_state is None


async def test_node_without_control_says_what_to_do(cloud):
    flow = await run(cloud, "power-on", cloud.add_node())
    assert flow.status == "FAILURE"
    assert "assign one first" in flow.error


async def test_power_action_tells_who_and_how_it_ended(cloud):
    node = cloud.add_node({"on": True, "deaf": True})
    flow = await run(cloud, "power-off", node)
    [action] = cloud.rows(PowerAction)
    assert (action.action, action.node_id, action.user_name, action.task_id) == (
        "power_off",
        node,
        "tester",
        flow.id,
    )
    assert action.result == "FAILURE"
    assert action.end_time is not None
    assert "still says on" in action.error


async def test_open_flow_is_the_lock_of_its_node(cloud):
    node = cloud.add_node({"on": True})
    holder = cloud.start("reset", node)
    with pytest.raises(Busy) as refused:
        cloud.start("power-off", node)
    assert refused.value.flow_id == holder
    await cloud.advance(holder)
    cloud.start("power-off", node)


async def test_cancel_before_the_command_touches_nothing(cloud):
    node = cloud.add_node({"on": True})
    flow_id = cloud.start("power-off", node)
    with cloud.database.transaction() as session:
        cancel(session, flow_id)
    await cloud.advance(flow_id)
    assert cloud.flow(flow_id).status == "REVOKED"
    assert cloud.machine(1).commands == []
    with cloud.database.transaction() as session, pytest.raises(Conflict):
        cancel(session, flow_id)


async def test_cancel_after_the_command_lets_it_be_confirmed(cloud):
    node = cloud.add_node({"on": True, "lag": 4})
    flow_id = cloud.start("power-off", node)
    cloud.line.die_after = 3
    assert not await cloud.advance(flow_id)
    with cloud.database.transaction() as session:
        cancel(session, flow_id)
    await cloud.sweep_until_quiet()
    assert cloud.flow(flow_id).status == "SUCCESS"
    assert cloud.machine(1).commands == [Action.OFF]


async def test_history_tells_the_story(cloud):
    node = cloud.add_node({"on": True, "lag": 3})
    flow_id = cloud.start("power-off", node)
    await cloud.advance(flow_id)
    assert [(event.step, event.outcome) for event in cloud.events(flow_id)] == [
        ("look", "done"),
        ("cut power", "done"),
        ("confirm off", "wait"),
        ("confirm off", "SUCCESS"),
    ]

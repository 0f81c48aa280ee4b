"""`boot-from-network`: the default control is told, once it answers; no other is, and nothing is switched."""

from __future__ import annotations

from cloudmanager.drivers.base import Action


async def boot(cloud, *machines):
    flow_id = cloud.start("boot-from-network", cloud.add_node(*machines))
    await cloud.sweep_until_quiet()
    return cloud.flow(flow_id)


async def test_the_default_control_is_told(cloud):
    flow = await boot(cloud, {"on": True}, {"on": True})
    assert flow.status == "SUCCESS"
    assert [cloud.machine(number).next_boot for number in (1, 2)] == ["network", "disk"]
    assert cloud.machine(1).commands == []
    assert [event.message for event in cloud.events(flow.id)] == [
        "the next start by port 1 of bmc1 is from the network"
    ]


async def test_a_silent_default_control_is_not_replaced_by_another(cloud):
    flow = await boot(cloud, {"on": True, "dead": True}, {"on": True})
    assert flow.status == "FAILURE"
    assert "does not answer" in flow.error
    assert cloud.machine(2).next_boot == "disk"


async def test_a_device_that_cannot_is_said_so(cloud):
    flow = await boot(cloud, {"boots_from_network": False})
    assert flow.status == "FAILURE"
    assert flow.error == "the device cannot choose what a machine starts from"


async def test_a_node_whose_control_was_taken_away(cloud):
    flow = await boot(cloud)
    assert flow.status == "FAILURE"
    assert "has no power control" in flow.error


async def test_a_lost_answer_is_asked_for_again(cloud):
    cloud.line.lose_answer_of = 1
    flow = await boot(cloud, {"on": True})
    assert flow.status == "SUCCESS"
    assert cloud.machine(1).next_boot == "network"
    assert Action.RESET not in cloud.machine(1).commands

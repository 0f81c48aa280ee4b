"""`evacuate-host`: empty a host by its state. One that is up is drained; one that is down is fenced first.

Parameters: `host`; optional `allow_off_vm`, `move_locked`, `block_migration`, `policy`, `fenced`, and
`only_if_down`: end untouched when it is up, `use_spare`: have a reserved node stand in for one that is down.
"""

from cloudmanager.flows.base import Flow
from cloudmanager.flows.hosts.cordon import cordon, uncordon_unless_power_was_touched
from cloudmanager.flows.hosts.drain import call_back, confirm_empty, move_servers
from cloudmanager.flows.hosts.evacuation import (
    await_the_return,
    evacuate_servers,
    expect_down,
    host_is_down,
    permit_evacuation,
    plan_evacuation,
)
from cloudmanager.flows.hosts.fence import declare_down, fence, wait_until_nova_says_down, when
from cloudmanager.flows.hosts.silence import fall_silent
from cloudmanager.flows.hosts.spare_for_host import ask_for_spare, wait_for_spare
from cloudmanager.flows.hosts.survey import plan_to_empty, remember_host
from cloudmanager.flows.servers.move import QUEUE

EVACUATE_HOST = Flow(
    kind="evacuate-host",
    summary="Empty a host: drain one that is up, fence one that is down and start its servers elsewhere",
    queue=QUEUE,
    steps=(
        remember_host,
        expect_down,
        permit_evacuation,
        plan_to_empty(must_succeed=False),
        cordon,
        move_servers,
        when(host_is_down, fence),
        when(host_is_down, fall_silent),
        when(host_is_down, declare_down),
        when(host_is_down, await_the_return),
        when(host_is_down, ask_for_spare),
        when(host_is_down, wait_until_nova_says_down),
        when(host_is_down, wait_for_spare),
        when(host_is_down, plan_evacuation),
        when(host_is_down, evacuate_servers),
        confirm_empty,
    ),
    undo=(call_back, uncordon_unless_power_was_touched),
)

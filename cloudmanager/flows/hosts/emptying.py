"""What shutdown, decommission and restart have in common: steps that leave a host empty, or end the flow."""

from cloudmanager.flows.hosts.cordon import cordon
from cloudmanager.flows.hosts.drain import confirm_empty, move_servers
from cloudmanager.flows.hosts.evacuation import (
    await_the_return,
    evacuate_servers,
    must_evacuate,
    permit_evacuation,
    plan_evacuation,
    see_what_is_left,
)
from cloudmanager.flows.hosts.fence import declare_down, fence, wait_until_nova_says_down, when
from cloudmanager.flows.hosts.silence import fall_silent
from cloudmanager.flows.hosts.survey import plan_to_empty

EMPTYING = (
    permit_evacuation,
    plan_to_empty(must_succeed=True),
    cordon,
    move_servers,
    see_what_is_left,
    when(must_evacuate, fence),
    when(must_evacuate, fall_silent),
    when(must_evacuate, declare_down),
    when(must_evacuate, await_the_return),
    when(must_evacuate, wait_until_nova_says_down),
    when(must_evacuate, plan_evacuation),
    when(must_evacuate, evacuate_servers),
    confirm_empty,
)
"""Live, then cold, then with the power off: each only where it is allowed, and as far as it is needed."""

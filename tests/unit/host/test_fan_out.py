"""One command on many nodes: so many at once, an outcome for each, in any order."""

from __future__ import annotations

import asyncio

from cloudmanager.errors import HostUnreachable
from cloudmanager.host.fan_out import fan_out
from cloudmanager.host.port import Output


class Nodes:
    """Node 3 does not answer."""

    def __init__(self):
        self.running = self.most = 0
        self.asked = []

    async def run(self, node_id, command, arguments=None, *, data=b""):
        self.asked.append((node_id, command, arguments, data))
        self.running += 1
        self.most = max(self.most, self.running)
        await asyncio.sleep(0)
        self.running -= 1
        if node_id == 3:
            raise HostUnreachable("node 3 does not answer")
        return Output(f"{node_id}")


async def test_every_node_has_one_outcome_and_few_run_at_once():
    nodes, outcomes = Nodes(), []
    await fan_out(nodes, range(1, 11), "uptime", {"a": "b"}, outcomes.append, at_once=4, data=b"x")
    assert nodes.most == 4
    assert sorted(nodes.asked) == [(number, "uptime", {"a": "b"}, b"x") for number in range(1, 11)]
    by_node = {outcome.node_id: outcome for outcome in outcomes}
    assert len(outcomes) == len(by_node) == 10
    assert by_node[3].error.message == "node 3 does not answer"
    assert by_node[3].output is None
    assert all(
        each.output == Output(str(key)) and not each.error for key, each in by_node.items() if key != 3
    )


async def test_no_nodes():
    await fan_out(Nodes(), [], "uptime", {}, print, at_once=4)

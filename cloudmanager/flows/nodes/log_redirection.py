"""Sending the logs of a node to another machine: `setup-log-redirection`, `disable-log-redirection`.

Parameters: `node_id`, `host` (None: not any more).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmanager.flows.base import Flow
from cloudmanager.flows.nodes.asking import QUEUE
from cloudmanager.flows.nodes.drop_in import DropIn

if TYPE_CHECKING:
    from cloudmanager.flows.run import Run


def rule(run: Run) -> str | None:
    """The rule for rsyslog (omfwd): what cannot be sent waits in memory, and never holds up the node."""
    host = run.params["host"]
    if host is None:
        return None
    options = run.ports.config.node_actions
    return (
        "# Written by CloudManager: setup-log-redirection.\n"
        f'*.* action(type="omfwd" target="{host}" port="{options.log_port}"\n'
        f'           protocol="{options.log_protocol}"\n'
        '           queue.type="LinkedList" queue.size="10000" queue.timeoutEnqueue="0"\n'
        '           action.resumeRetryCount="-1")\n'
    )


DROP_IN = DropIn(
    what="the rule for rsyslog",
    show="log-redirection",
    write="log-redirection-write",
    remove="log-redirection-remove",
    state="rsyslog-state",
    restart="rsyslog-restart",
    content=rule,
    check="rsyslog-check",
)

SETUP_LOG_REDIRECTION, DISABLE_LOG_REDIRECTION = (
    Flow(kind=kind, summary=summary, queue=QUEUE, steps=DROP_IN.steps, undo=(DROP_IN.put_back,))
    for kind, summary in (
        ("setup-log-redirection", "Send the logs of a node to another machine"),
        ("disable-log-redirection", "Send the logs of a node to another machine no longer"),
    )
)

"""Closing a node's SSH to all but us, and opening it again: `disable-ssh`, `enable-ssh`.

Parameters: `node_id`. Closing must never shut us out. Before anything is written the node is told to take our
rules away by itself after `[node_actions] ssh_undo` seconds; before they hold, its sshd says whether they
would admit us; and only when a worker has logged on anew are they left in place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmanager.errors import CommandFailed, HostError
from cloudmanager.flows.base import Done, Fail, Flow, Outcome, Wait
from cloudmanager.flows.nodes.asking import LOOK_EVERY, QUEUE, kept_file, run_on_node, unit, write_file
from cloudmanager.host.admission import admitting_only, client_of, denies

if TYPE_CHECKING:
    from cloudmanager.flows.run import Run

STRANGERS = ("192.0.2.1", "2001:db8::1")
"""Addresses that are nobody's (RFC 5737, RFC 3849): whoever else may ask is like them."""

_PATIENCE = 30.0
"""Seconds more than `ssh_undo` until a node must have let us in again."""
_ASK_AGAIN = 10.0


# --- disable-ssh -------------------------------------------------------------------------------------------


async def look(run: Run) -> Outcome:
    """What rules there are, and where the node sees us come from."""
    ours = client_of((await run_on_node(run, "ssh-connection")).out)
    addresses = list(dict.fromkeys([*run.ports.config.node_actions.daemon_addresses, ours]))
    run.memo |= {"before": await kept_file(run, "ssh-rules"), "ours": ours, "addresses": addresses}
    run.memo["nothing_to_do"] = run.memo["before"] == admitting_only(addresses) and not await _wrong_for(run)
    run.result = {"admitted": addresses}
    return Done(f"it is closed to all but {', '.join(addresses)}" if run.memo["nothing_to_do"] else "")


async def arm(run: Run) -> Outcome:
    """Let the node take the rules away by itself, unless we say otherwise in time."""
    if run.memo["nothing_to_do"]:
        return Done()
    seconds = run.ports.config.node_actions.ssh_undo
    await run_on_node(run, "ssh-undo-disarm")
    await run_on_node(run, "ssh-undo-arm", seconds=f"{seconds}")
    run.memo["lifts_at"] = run.now() + seconds
    return Done(f"the node opens its SSH again in {seconds} s unless we can log on")


async def write_rules(run: Run) -> Outcome:
    """Write them and see what they would mean; nothing holds yet."""
    if run.memo["nothing_to_do"]:
        return Done()
    run.memo["written"] = True
    await run_on_node(run, "ssh-rules-write", data=admitting_only(run.memo["addresses"]).encode())
    await run_on_node(run, "ssh-check")
    if why := await _wrong_for(run):
        return Fail(why)
    return Done("the rules are written; sshd takes them")


async def hold(run: Run) -> Outcome:
    """From now on they hold; who is logged on stays."""
    if run.memo["nothing_to_do"]:
        return Done()
    await run_on_node(run, "ssh-reload")
    return Done("sshd has the rules")


async def log_on_anew(run: Run) -> Outcome:
    """The proof: a log-on that was begun after the rules held."""
    if run.memo["nothing_to_do"]:
        return Done()
    await run.ports.host.log_off(run.params["node_id"])
    await run_on_node(run, "boot-id")
    return Done("logged on again")


async def keep(run: Run) -> Outcome:
    """Tell the node to leave them, and see that it has not taken them away before."""
    if run.memo["nothing_to_do"]:
        return Done()
    await run_on_node(run, "ssh-undo-disarm")
    if await kept_file(run, "ssh-rules") != admitting_only(run.memo["addresses"]):
        return Fail("it took too long: the node has taken the rules away by itself")
    return Done(f"SSH is closed to all but {', '.join(run.memo['addresses'])}")


async def open_again(run: Run) -> Outcome:
    """Put back what was found, or wait until the node has taken the rules away."""
    if not run.memo.get("written"):
        return Done()
    try:
        await write_file(run, "ssh-rules-write", "ssh-rules-remove", run.memo["before"])
        await run_on_node(run, "ssh-reload")
        await run_on_node(run, "ssh-undo-disarm")
    except HostError as problem:
        left = run.memo["lifts_at"] + _PATIENCE - run.now()
        if isinstance(problem, CommandFailed) or left <= 0:
            return Fail(f"the rules of disable-ssh may be left: {problem.message}")
        await run.ports.host.log_off(run.params["node_id"])
        return Wait(_ASK_AGAIN, "the node does not let us in; it takes the rules away by itself")
    return Done("SSH is as open as it was")


async def _wrong_for(run: Run) -> str:
    """Why the files of sshd do not mean what they should; empty when they do."""
    if denies((await run_on_node(run, "ssh-effective", address=run.memo["ours"])).out):
        return f"these rules would shut us out, who come from {run.memo['ours']}"
    for address in STRANGERS:
        if not denies((await run_on_node(run, "ssh-effective", address=address)).out):
            return (
                "sshd of this node does not heed /etc/ssh/sshd_config.d: its sshd_config has no Include of it"
            )
    return ""


# --- enable-ssh --------------------------------------------------------------------------------------------


async def remove_rules(run: Run) -> Outcome:
    """Take our rules away, if there are any."""
    if await kept_file(run, "ssh-rules") is None and run.attempt == 1:
        return Done("there are no rules of ours")
    await run_on_node(run, "ssh-rules-remove")
    await run_on_node(run, "ssh-reload")
    await run_on_node(run, "ssh-undo-disarm")
    return Done("the rules of disable-ssh are taken away")


async def start_with_node(run: Run) -> Outcome:
    """It runs, or we were not here; it is to start with the node."""
    await run_on_node(run, "ssh-enable")
    return Done()


async def confirm(run: Run) -> Outcome:
    """Watch until systemd and sshd say so."""
    found = await unit(run, "ssh-state")
    run.result = {"active": found.active, "enabled": found.file}
    if denies((await run_on_node(run, "ssh-effective", address=STRANGERS[0])).out):
        return Fail("sshd denies everybody by rules that are not ours: look into its configuration")
    if found.runs or not found.changes:
        return Done(f"SSH is open; its unit is {found.active} and {found.file or 'not enabled'}")
    since = run.memo.setdefault("confirming_since", run.now())
    if run.now() - since >= run.ports.config.node_actions.confirm_timeout:
        return Fail(f"the SSH server stays {found.active}")
    return Wait(LOOK_EVERY, f"the SSH server is {found.active}")


DISABLE_SSH = Flow(
    kind="disable-ssh",
    summary="Close the SSH of a node to all but us",
    queue=QUEUE,
    steps=(look, arm, write_rules, hold, log_on_anew, keep),
    undo=(open_again,),
)
ENABLE_SSH = Flow(
    kind="enable-ssh",
    summary="Open the SSH of a node to all again",
    queue=QUEUE,
    steps=(remove_rules, start_with_node, confirm),
    no_return=remove_rules,
)

"""iSCSI targets of a node: what storages offer it (`discovery-nas`), logging on to them (`attach-targets`).

Discovery takes `node_id` and `addresses`, those of the storage; its result is
`{"targets": {address: [names]}, "silent": {address: why}}`. Attaching takes `node_id`, `targets` {address:
[names]}, `vendor`, `product`; its result is `{"attached": […], "failed": {target: why}}`. What was attached
stays, whatever became of the others.
"""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

from cloudmanager.errors import CommandFailed, HostError, HostUnreachable
from cloudmanager.flows.base import Done, Fail, Flow, Outcome, Wait
from cloudmanager.flows.nodes.asking import LOOK_EVERY, QUEUE, run_on_node, unit
from cloudmanager.flows.nodes.facts import keep_sessions
from cloudmanager.host.iscsi import portal, read_sessions, read_targets

if TYPE_CHECKING:
    from cloudmanager.flows.run import Run

_AT_ONCE = 4
"""Portals that are asked side by side: as many as fit into the time of one step."""

_PER_STEP = 3
"""Targets that one step logs on to."""


# --- discovery-nas -----------------------------------------------------------------------------------------


async def ask_portals(run: Run) -> Outcome:
    """Ask some, and come again while there are more."""
    addresses: list[str] = run.params["addresses"]
    told = run.memo.setdefault("told", {})
    silent = run.memo.setdefault("silent", {})
    left = [address for address in addresses if address not in told and address not in silent]
    answers = await asyncio.gather(*(_targets_at(run, address) for address in left[:_AT_ONCE]))
    if not told and answers and all(isinstance(answer, HostUnreachable) for answer in answers):
        raise HostUnreachable(str(answers[0]))  # rather the node is silent than all of its storages
    for address, answer in zip(left, answers, strict=False):
        if isinstance(answer, HostError):
            silent[address] = answer.message
        else:
            told[address] = answer
    if len(left) > _AT_ONCE:
        return Wait(0.0, f"{len(left) - _AT_ONCE} addresses are left")
    targets: dict[str, list[str]] = {}
    for asked, found in told.items():
        for address, name in [*found, (asked, None)]:
            names = targets.setdefault(address, [])
            names += [name] if name and name not in names else []
    run.result = {"targets": {address: sorted(names) for address, names in targets.items()}, "silent": silent}
    for address, why in silent.items():
        run.event(address, "silent", why)
    if not told:
        return Fail(f"no address of the storage answers the node: {'; '.join(silent.values())}"[:1000])
    return Done(f"{sum(map(len, targets.values()))} targets at {len(targets)} addresses")


async def _targets_at(run: Run, address: str) -> list[list[str]] | HostError:
    """Addresses and names of targets, or why there is no answer. One portal may tell of others."""
    try:
        said = await run_on_node(run, "iscsi-discover", portal=portal(address))
    except (CommandFailed, HostUnreachable) as problem:
        return problem
    prefix = run.ports.config.node_actions.iscsi_prefix
    return [[target.address, target.name.removeprefix(prefix)] for target in read_targets(said.out)]


DISCOVERY_NAS = Flow(
    kind="discovery-nas",
    summary="Ask a storage which targets it offers a node",
    queue=QUEUE,
    steps=(ask_portals,),
)


# --- attach-targets ----------------------------------------------------------------------------------------


async def look(run: Run) -> Outcome:
    """What the node is logged on to; and whether multipathd is there, when it is to know the storage."""
    if _section(run) is not None and not (await unit(run, "multipath-state")).installed:
        return Fail("the node has no multipathd: install multipath-tools, or leave vendor and product away")
    wanted, sessions = _wanted(run), await _attached(run)
    attached = [each for each in wanted if tuple(each) in sessions]
    run.memo |= {"left": [each for each in wanted if each not in attached], "failed": {}}
    return Done(f"{len(attached)} of {len(wanted)} targets are attached")


async def describe_storage(run: Run) -> Outcome:
    """Tell multipathd of this kind of storage, before its disks appear."""
    section = _section(run)
    if section is None:
        return Done()
    name = re.sub("[^a-z0-9]+", "-", f"{run.params['vendor']}-{run.params['product']}".lower()).strip("-")
    await run_on_node(run, "multipath-section-write", data=section.encode(), name=name)
    await run_on_node(run, "multipath-reconfigure")
    return Done("multipathd knows the storage")


async def log_on(run: Run) -> Outcome:
    """Begin to log on to some, and come again while there are more; one failure never stops the rest."""
    left: list[list[str]] = run.memo["left"]
    for address, name in left[:_PER_STEP]:
        try:
            await _log_on(run, name, portal(address))
        except CommandFailed as problem:
            run.memo["failed"][f"{address} {name}"] = problem.message
    run.memo["left"] = left[_PER_STEP:]
    if run.memo["left"]:
        return Wait(0.0, f"{len(run.memo['left'])} targets are left")
    return Done("the node logs on to the targets")


async def await_sessions(run: Run) -> Outcome:
    """Watch until all sessions are there, then note them in the inventory."""
    since = run.memo.setdefault("waiting_since", run.now())
    sessions = await _attached(run)
    failed: dict[str, str] = dict(run.memo["failed"])
    missing = [
        f"{address} {name}"
        for address, name in _wanted(run)
        if (address, name) not in sessions and f"{address} {name}" not in failed
    ]
    if missing and run.now() - since < run.ports.config.node_actions.attach_timeout:
        return Wait(LOOK_EVERY, f"{len(missing)} sessions are not there yet")
    failed |= dict.fromkeys(missing, "the session does not come up")
    attached = [f"{address} {name}" for address, name in _wanted(run) if (address, name) in sessions]
    run.result = {"attached": attached, "failed": failed}
    await keep_sessions(run)
    for target, why in failed.items():
        run.event(target, "failed", why)
    if failed:
        return Fail(f"{len(failed)} of {len(_wanted(run))} targets: {next(iter(failed.values()))}")
    return Done(f"{len(attached)} targets are attached")


async def _log_on(run: Run, target: str, at: str) -> None:
    for command in ("iscsi-node-add", "iscsi-node-automatic", "iscsi-login"):
        await run_on_node(run, command, target=target, portal=at)


def _wanted(run: Run) -> list[list[str]]:
    targets: dict[str, list[str]] = run.params["targets"]
    return [[address, name] for address, names in targets.items() for name in names]


async def _attached(run: Run) -> set[tuple[str, str]]:
    said = await run_on_node(run, "iscsi-sessions")
    return {(session.address, session.name) for session in read_sessions(said.out)}


def _section(run: Run) -> str | None:
    """The section of multipath.conf(5), where vendor and product are regular expressions."""
    vendor, product = run.params["vendor"], run.params["product"]
    if vendor is None and product is None:
        return None
    lines = [
        f'vendor "{_exactly(vendor)}"',
        f'product "{_exactly(product)}"',
        'path_grouping_policy "group_by_prio"',
        "no_path_retry 12",
    ]
    inner = "".join(f"        {line}\n" for line in lines)
    return f"# Written by CloudManager: attach-targets.\ndevices {{\n    device {{\n{inner}    }}\n}}\n"


def _exactly(text: str | None) -> str:
    """A regular expression for what begins so; without a text, for everything."""
    return ".*" if text is None else "^" + re.sub(r"([.+*?()|])", r"[\1]", text)


ATTACH_TARGETS = Flow(
    kind="attach-targets",
    summary="Log a node on to iSCSI targets",
    queue=QUEUE,
    steps=(look, describe_storage, log_on, await_sessions),
)

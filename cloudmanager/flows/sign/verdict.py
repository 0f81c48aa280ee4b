"""Judging one server: whether it still is what was signed. It looks, and touches nothing but the record.

Unknown is not valid and not a violation: where nobody can look, or where only a move explains a difference,
the record says why, and the server goes on.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any

import structlog
from prometheus_client import Counter

from cloudmanager.errors import HostError, NotFound
from cloudmanager.flows.maintenance.schedule import moment_of
from cloudmanager.flows.sign import rows
from cloudmanager.models import Validity
from cloudmanager.sign.measure import Node, differences, is_comparable
from cloudmanager.sign.record import CHANGED, NO_KEY, Trust

if TYPE_CHECKING:
    from cloudmanager.flows.run import Run
    from cloudmanager.models import Signature
    from cloudmanager.openstack.records import Server

log = structlog.get_logger(__name__)

VERIFIED = Counter(
    "cloudmanager_signatures_verified_total",
    "Verifications of signed servers, by what came of them.",
    ["is_valid"],
)

NEVER_SIGNED = "it has never been signed: recalculate it"
OTHER_VERSION = "it was signed by another version of the product: recalculate it"


class Verdict(enum.StrEnum):
    """What is to be done."""

    NOTHING = "nothing"
    STOP = "stop"
    CORDON = "cordon"


async def judge(run: Run, server: Server, row: Signature, node: Node) -> Verdict:
    """Compare a server that is where its record says with what was signed."""
    if not await _is_trusted(run, row) or row.baseline is None or server.task_state is not None:
        return Verdict.NOTHING
    if not is_comparable(row.baseline):
        _set(run, row, Validity.UNKNOWN, OTHER_VERSION)
        return Verdict.NOTHING
    try:
        now = await node.measure(server.id)
    except (HostError, NotFound) as error:
        _set(run, row, Validity.UNKNOWN, error.message)
        return Verdict.NOTHING
    own, firmware = differences(row.baseline, now.baseline, elsewhere=False)
    if own:
        _set(run, row, Validity.FALSE, f"changed since it was signed: {', '.join(own)}")
        return Verdict.STOP
    if firmware:
        _set(run, row, Validity.FALSE, f"firmware of its node changed: {', '.join(firmware)}")
        return Verdict.CORDON
    _set(run, row, Validity.TRUE, None)
    return Verdict.NOTHING


async def _is_trusted(run: Run, row: Signature) -> bool:
    """Whether what the record says was written by us; one that was not is false until it is recalculated."""
    trust = await rows.trust(run, row)
    if trust is Trust.CHANGED:
        _set(run, row, Validity.FALSE, CHANGED, baseline=None)
    if trust is Trust.NO_KEY:
        VERIFIED.labels(is_valid=Validity.UNKNOWN).inc()
        log.warning("signature not verified", server=row.server_id, why=NO_KEY)
    return trust is Trust.OURS


async def follow(run: Run, server: Server, row: Signature, node_id: int, node: Node) -> None:
    """Compare a server that has moved, as far as a move leaves it the same, and sign it where it is now."""
    if not await _is_trusted(run, row) or server.task_state is not None:
        return
    where = f"node {node_id}"
    if row.baseline is None:
        rows.change(run, row, node_id=node_id, updated_at=_now(run))
        return
    try:
        now = await node.measure(server.id)
    except (HostError, NotFound) as error:
        _set(
            run, row, Validity.UNKNOWN, f"it moved to {where}, where it cannot be looked at: {error.message}"
        )
        return
    own, firmware = differences(row.baseline, now.baseline, elsewhere=True)
    there: dict[str, Any] = {"node_id": node_id, "updated_at": _now(run)}
    if not is_comparable(row.baseline) or own or firmware:
        what = ", ".join([*own, *firmware]) or "the version of its signature"
        why = f"it moved to {where} and differs there ({what}): recalculate it"
        _set(run, row, Validity.UNKNOWN, why, baseline=None, **there)
        return
    _set(run, row, Validity.TRUE, None, baseline=now.baseline, **there)
    run.event(f"server:{server.id}", "moved", f"the same as before, now on {where}")


def lost(run: Run, row: Signature, why: str) -> None:
    """Nobody can say anything of a server."""
    _set(run, row, Validity.UNKNOWN, why)


def _set(run: Run, row: Signature, validity: Validity, reason: str | None, **more: Any) -> None:
    """Write what was found, and tell it where it is news."""
    VERIFIED.labels(is_valid=validity).inc()
    if (row.is_valid, row.reason) != (validity, reason) or more:
        rows.change(run, row, is_valid=validity.value, reason=reason, **more)
    if row.is_valid != validity:
        kind = {"true": "valid", "false": "violated", "unknown": "unknown"}[validity]
        message = reason or "it is what was signed"
        rows.tell(run, f"signature.{kind}", f"server:{row.server_id}", message)


def _now(run: Run) -> Any:
    return moment_of(int(run.now()))

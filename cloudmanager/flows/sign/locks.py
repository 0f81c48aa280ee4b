"""Locks that guard servers. Nova keeps their reason, by which ours are told from all others."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cloudmanager.openstack.records import Server

QUEUE = "hosts"


def reason_for(node_id: int) -> str:
    """Why a server is locked, as Nova shows it."""
    return f"cloudmanager: integrity control of node {node_id}"


def is_ours(server: Server, node_id: int) -> bool:
    """Whether a server has the lock that guarding this node has put on it."""
    return server.locked and server.locked_reason == reason_for(node_id)


def guarding_subject(node_id: int) -> str:
    """What beginning and ending to guard a node hold."""
    return f"sign:{node_id}"


def watch_subject(node_id: int) -> str:
    """What the flow that verifies the servers of a node holds."""
    return f"integrity:{node_id}"

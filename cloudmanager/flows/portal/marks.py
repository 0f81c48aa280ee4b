"""How what a tenant's flow makes is found again: by its task's id in tags, metadata and descriptions."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cloudmanager.flows.run import Run
    from cloudmanager.openstack.tenant_port import TenantCloud

TASK = "cloudmanager_portal"
DOMAIN = "cloudmanager_domain"
"""Where the metadata of an instance has its domain name."""

QUEUE = "portal"


def marker(run: Run) -> dict[str, str]:
    """The marker of what this task makes, where there is metadata. It fits a tag of Nova's."""
    return {TASK: run.id}


def mark(run: Run) -> str:
    """The same as a description, where there is nothing else."""
    return f"{TASK}={run.id}"


def is_ours(description: str | None) -> bool:
    """Whether any task of the portal made a thing with this description."""
    return (description or "").startswith(f"{TASK}=")


def cloud_of(run: Run) -> TenantCloud:
    """The project of the tenant who began it."""
    return run.ports.tenants.of(run.params["project_id"])

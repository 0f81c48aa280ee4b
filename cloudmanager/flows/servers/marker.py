"""Where a clone makes things, and how they are found again: by names and values that hold its task's id."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cloudmanager.flows.run import Run
    from cloudmanager.openstack.tenant_port import TenantCloud

TASK = "cloudmanager_clone"
NUMBER = "cloudmanager_number"
COPY_OF = "cloudmanager_copy_of"


def marker(run: Run, **more: str) -> dict[str, str]:
    """The marker of all that this task makes, or with more of it of one of them. It fits a tag of Nova's."""
    return {TASK: run.id, **more}


def cloud_of(run: Run) -> TenantCloud:
    """The project of the original, where quota, networks and security groups are those of its owner."""
    return run.ports.tenants.of(run.memo["project_id"])

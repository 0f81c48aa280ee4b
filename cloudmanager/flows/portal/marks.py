"""How what a tenant's flow makes is found again: by its task's id in tags, metadata and descriptions."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cloudmanager.flows.run import Run
    from cloudmanager.openstack.records import Server
    from cloudmanager.openstack.tenant_port import TenantCloud

TASK = "cloudmanager_portal"
DOMAIN = "cloudmanager_domain"
"""Where the metadata of an instance has its domain name."""

_LABEL = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
DOMAIN_FORM = rf"(?:{_LABEL}\.){{1,8}}[A-Za-z]{{2,63}}"
LONGEST_DOMAIN = 253

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


def is_domain(name: str) -> bool:
    """Whether a text is a name such as app.example.com."""
    return len(name) <= LONGEST_DOMAIN and re.fullmatch(DOMAIN_FORM, name) is not None


def domain_of(server: Server) -> str | None:
    """The domain name of an instance; its tenant can write anything there, and a command is told of it."""
    name = server.metadata.get(DOMAIN, "")
    return name if is_domain(name) else None

"""What Nova keeps: flavors, key pairs, groups, servers, migrations, actions, aggregates, nova-computes."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Any


def new_id() -> str:
    """An id in Nova's form."""
    return str(uuid.uuid4())


RUNNING, PAUSED, SHUTDOWN, SUSPENDED = 1, 3, 4, 7
"""Power states of a guest, in Nova's numbers; 0 is none."""


@dataclass(slots=True, kw_only=True)
class Host:
    """A compute node and its nova-compute. `name` is the node's in the world.

    `guests` is what really is in its hypervisor, {server: power state}; Nova's records may say otherwise.
    `starts` counts the runs of the nova-compute: what an earlier run began dies with it.
    """

    name: str
    number: int
    vcpus: int
    memory_mb: int
    disk_gb: int
    ip: str
    cpu: dict[str, Any]
    hypervisor_id: str = field(default_factory=new_id)
    service_id: str | None = field(default_factory=new_id)  # None: the service was deleted
    service_number: int = 0
    enabled: bool = True
    disabled_reason: str | None = None
    forced_down: bool = False
    changed_at: float | None = None
    node_boot_id: str = ""  # of the boot in which the nova-compute runs
    booted_at: float = 0.0
    running: bool = False  # the process of nova-compute
    hung: bool = False
    starts: int = 0
    reports_since: float | None = None
    reported_at: float | None = None  # the last report while it does not report
    guests: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Flavor:
    """The size of a server; RAM in MiB, disks in GiB, swap in MiB."""

    name: str
    vcpus: int
    ram: int
    disk: int
    ephemeral: int = 0
    swap: int = 0
    id: str = field(default_factory=new_id)
    is_public: bool = True
    description: str | None = None
    extra_specs: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Keypair:
    """A public key of a user."""

    name: str
    user_id: str
    public_key: str
    fingerprint: str
    number: int
    type: str = "ssh"
    created_at: float = 0.0


@dataclass(slots=True, kw_only=True)
class ServerGroup:
    """Servers that belong together or apart."""

    name: str
    policy: str
    project_id: str
    user_id: str
    id: str = field(default_factory=new_id)
    members: list[str] = field(default_factory=list)
    rules: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Server:
    """A virtual machine, as Nova's record says. Its flavor is a copy, as Nova keeps one."""

    id: str = field(default_factory=new_id)
    number: int = 0
    name: str
    project_id: str
    user_id: str
    flavor: Flavor
    image_id: str = ""
    key_name: str | None = None
    user_data: str | None = None
    config_drive: str = ""
    description: str | None = None
    reservation_id: str = ""
    launch_index: int = 0
    metadata: dict[str, str] = field(default_factory=dict)
    tags: list[str] = field(default_factory=list)
    hints: dict[str, Any] = field(default_factory=dict)
    zone: str | None = None  # the one that was asked for
    group_id: str | None = None
    host: str | None = None
    vm_state: str = "building"
    task_state: str | None = "scheduling"
    power_state: int = 0
    fault: dict[str, Any] | None = None
    locked: bool = False
    locked_by_admin: bool = False
    locked_reason: str | None = None
    created_at: float = 0.0
    updated_at: float = 0.0
    launched_at: float | None = None
    deleted_at: float | None = None
    volumes: list[dict[str, Any]] = field(default_factory=list)
    ports: list[dict[str, Any]] = field(default_factory=list)
    security_groups: list[str] = field(default_factory=list)
    progress: int = 0
    before: dict[str, Any] = field(default_factory=dict)  # what a resize or rescue has to bring back

    @property
    def deleted(self) -> bool:
        """Whether it is only remembered."""
        return self.deleted_at is not None


@dataclass(slots=True, kw_only=True)
class Migration:
    """One attempt to move a server."""

    id: int
    uuid: str = field(default_factory=new_id)
    server_id: str
    type: str
    status: str
    source: str | None
    destination: str | None = None
    request_id: str
    project_id: str
    user_id: str
    created_at: float
    updated_at: float | None = None
    old_flavor_id: int = 1
    new_flavor_id: int = 1
    started_at: float | None = None
    seconds: float | None = None  # how long the copy takes; None: it never converges
    memory_bytes: int = 0
    claimed: dict[str, int] = field(default_factory=dict)  # what it holds besides the server's own place


@dataclass(slots=True, kw_only=True)
class ActionEvent:
    """A part of an action that one process did."""

    name: str
    started_at: float
    finished_at: float | None = None
    result: str | None = None
    details: str | None = None
    host: str | None = None


@dataclass(slots=True, kw_only=True)
class Action:
    """What somebody asked to be done with a server."""

    server_id: str
    request_id: str
    name: str
    user_id: str
    project_id: str
    started_at: float
    updated_at: float
    message: str | None = None
    events: list[ActionEvent] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class Aggregate:
    """A set of hosts; metadata `availability_zone` makes it a zone."""

    id: int
    name: str
    uuid: str = field(default_factory=new_id)
    hosts: list[str] = field(default_factory=list)
    metadata: dict[str, str] = field(default_factory=dict)
    created_at: float = 0.0
    updated_at: float | None = None


@dataclass(slots=True, kw_only=True)
class Job:
    """Something that is done later, by the nova-compute of `host` or (None) by the control plane.

    A message (`run` is None) waits in the queue until a nova-compute takes it; the rest of the work belongs
    to one run of the process.
    """

    id: int
    due: float
    what: str
    args: list[Any]
    host: str | None = None
    run: int | None = None


@dataclass(frozen=True, slots=True)
class SplitBrain:
    """A guest that ran on several hosts at a time: the one thing that must never happen."""

    at: float
    server_id: str
    hosts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Origin:
    """Who asked, and under which request id."""

    request_id: str
    user_id: str
    project_id: str

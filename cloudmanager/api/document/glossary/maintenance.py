"""Words for maintenance windows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmanager.api.document.glossary import audits, hosts
from cloudmanager.api.document.glossary.inventory import CREATED
from cloudmanager.api.document.glossary.tasks import DRY_RUN, TASK_ID

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudmanager.api.document.glossary.words import Words

_QUERY = 'ALERTS{alertstate="firing",severity="critical"}'
_HOST = "r1n07.example.net"

WINDOW: Words = {
    "id": ("Number of the maintenance window.", 1),
    "name": ("What people call it; unique.", "weekly restart of row 2"),
    "enabled": ("Whether it opens. Set to false while it is open, it begins no other host.", True),
    "action": ("What is done to each host; `audit`: to each aggregate.", "restart"),
    "parameters": "What the action is given; the same as `/v1/hosts` takes for it.",
    "hosts": "For which hosts it is; they are chosen when it opens.",
    "schedule": "When it opens.",
    "length": ("Seconds from its opening until no other host is begun.", 14400),
    "batch": ("Hosts that are worked on at a time, if there is somewhere left to drain to.", 2),
    "stop_after_failures": ("Failed hosts after which no other is begun.", 1),
    "blockers": "What keeps it from beginning another host; looked at before each.",
    "created_at": CREATED,
    "updated_at": ("When it was last changed.", None),
    "next_opens_at": ("When it opens next, or has opened if it is open; null: never.", "2027-03-06T21:00:00"),
    "next_closes_at": ("When it closes then.", "2027-03-07T01:00:00"),
    "task_id": ("The open task that works for it.", None),
}
RUN: Words = {
    "id": ("Number of the run.", 1),
    "opens_at": ("When the window opened, by its schedule or somebody's word.", "2027-03-06T21:00:00"),
    "closes_at": ("When it closed: no host was begun after that.", "2027-03-07T01:00:00"),
    "begun_at": ("When its task was made; late if the daemon was down.", "2027-03-06T21:00:01"),
    "ended_at": ("When its task ended; null while it runs.", "2027-03-06T22:41:07"),
    "status": ("Status of its task.", "SUCCESS"),
    "message": ("What its task said at the end.", "12 of 12 hosts done"),
    "task_id": ("Id of its task.", TASK_ID),
    "hosts": "What became of each host.",
}

SCHEMAS: Mapping[str, Words] = {
    "WindowBody": WINDOW,
    "WindowChange": WINDOW,
    "WindowShape": WINDOW,
    "WindowParameters": {**audits.SCHEMAS["ExecuteAudit"], **hosts.SCHEMAS["DecommissionHost"]},
    "HostSelector": {
        "names": ("By their names in Nova.", [_HOST]),
        "node_classes": ("By the class of their node: name or id.", ["hypervisor"]),
        "racks": "By where their node stands.",
        "aggregates": ("By aggregates in Nova: name or id.", ["gpu"]),
    },
    "RackBody": {
        "dtc_number": ("Number of the data centre.", 1),
        "row_number": ("Number of the row.", 2),
        "rack_number": ("Number of the rack.", 7),
    },
    "ScheduleBody": {
        "cron": ("Minute, hour, day of the month, month, day of the week.", "0 22 * * SAT"),
        "time_zone": ("Zone of the IANA database for `cron`; UTC unless it is said.", "Europe/Berlin"),
        "starts_at": "When it opens, once, in UTC.",
    },
    "Blocker": {
        "prometheus": "By what Prometheus knows; when it does not answer, that blocks, too.",
        "tasks": "By open tasks of these kinds, those of the window itself apart.",
    },
    "PrometheusBlocker": {"query": ("A query that finds a vector; one that is empty is clear.", _QUERY)},
    "RunShape": RUN,
    "RunHostShape": {
        "host": ("Nova's name of the host; of audits the aggregate, as `aggregate:5`.", _HOST),
        "outcome": ("`waiting`, `running`, `done`, `failed` or `not_begun`.", "done"),
        "reason": ("Why it failed or was not begun.", None),
        "task_id": ("Id of the task that worked on it.", TASK_ID),
    },
    "RunWindow": {"dry_run": (DRY_RUN, True)},
    "WindowPlanShape": {
        "action": ("What would be done.", "restart"),
        "at_a_time": ("How many hosts would be worked on at a time.", 2),
        "blocked": ("What would keep it from beginning a host now.", None),
        "unknown_hosts": ("Names of hosts that Nova does not know.", []),
        "hosts": "To which hosts.",
        "aggregates": ("Names of the aggregates that would be audited.", []),
    },
}

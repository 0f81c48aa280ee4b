"""What every field means: one entry serves bodies, answers and filters, each with a value for examples.

A field without an entry fails a test.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmanager.api.document.glossary import (
    audit,
    audits,
    availability,
    domains,
    events,
    hosts,
    inventory,
    logins,
    maintenance,
    node_os,
    nodes,
    onecloud,
    portal,
    power,
    servers,
    sign,
    spares,
    storages,
    tasks,
    volumes,
    webhooks,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudmanager.api.document.glossary.words import Words

SCHEMAS: Mapping[str, Words] = {
    **audit.SCHEMAS,
    **audits.SCHEMAS,
    **availability.SCHEMAS,
    **domains.SCHEMAS,
    **events.SCHEMAS,
    **hosts.SCHEMAS,
    **inventory.SCHEMAS,
    **logins.SCHEMAS,
    **maintenance.SCHEMAS,
    **node_os.SCHEMAS,
    **nodes.SCHEMAS,
    **onecloud.SCHEMAS,
    **portal.SCHEMAS,
    **power.SCHEMAS,
    **servers.SCHEMAS,
    **sign.SCHEMAS,
    **spares.SCHEMAS,
    **storages.SCHEMAS,
    **tasks.SCHEMAS,
    **volumes.SCHEMAS,
    **webhooks.SCHEMAS,
}
"""The words for the fields of a schema, by the name of its class."""

PARAMETERS: Mapping[str, Words] = {
    "audit-log": audit.ENTRY,
    "audits": audits.AUDIT,
    "availability-storages": storages.STORAGE,
    "events": events.EVENT,
    "maintenance-windows": {**maintenance.RUN, **maintenance.WINDOW},
    "node-classes": {**inventory.CLASS, **inventory.TYPE},
    "node-images": inventory.IMAGE,
    "nodes": {**power.ACTION_RECORD, **nodes.NODE},
    "onecloud": onecloud.SERVER,
    "power-controls": power.CONTROL,
    "spare-loans": spares.LOAN,
    "signs": sign.SIGN,
    "tasks": tasks.TASK,
    "volume-backends": volumes.BACKEND,
    "volumes": volumes.VOLUME,
    "webhooks": {**webhooks.DELIVERY, **webhooks.WEBHOOK},
}
"""The words for filters, by the tag of the operation."""

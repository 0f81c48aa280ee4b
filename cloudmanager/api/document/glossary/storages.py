"""Words for availability storages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmanager.api.document.glossary.inventory import CREATED
from cloudmanager.api.document.glossary.nodes import NODE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudmanager.api.document.glossary.words import Words

STORAGE: Words = {
    "id": ("Number of the availability storage.", 1),
    "availability_storage_id": ("The same as `id`.", 1),
    "name": ("Name of the storage, unique.", "heartbeat-a"),
    "compute_path": ("Where nodes see the directory.", "/var/lib/heartbeat"),
    "controller_path": ("Where this daemon sees the directory.", "/mnt/heartbeat-a"),
    "created_at": CREATED,
    "updated_at": ("When it was last changed.", None),
    "nodes": "The nodes that show there that they are alive.",
}

SCHEMAS: Mapping[str, Words] = {
    "StorageShape": STORAGE,
    "StorageBody": STORAGE,
    "StorageChange": STORAGE,
    "StorageReference": {"id": STORAGE["id"], "name": STORAGE["name"]},
    "NodeReference": {"id": NODE["id"], "name": NODE["name"]},
    "NodesOfStorage": {"nodes": ("Numbers of nodes.", [1, 2])},
    "StoragesOfNode": {"availability_storages": ("Numbers of availability storages.", [1])},
}

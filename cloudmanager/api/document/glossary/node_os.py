"""Words for actions in the operating systems of nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudmanager.api.document.glossary.words import Words

_TARGET = "volume-887880f7-9e54-4f81-8d32-3e0b7a9b1c5c"

SCHEMAS: Mapping[str, Words] = {
    "SetCpuMode": {
        "cpu_emulation_mode": (
            "What the processor of servers is; null is what the node's own configuration says.",
            "host-passthrough",
        ),
        "cpu_model": (
            "Name of the model as libvirt knows it; needed with the mode custom, and only there.",
            None,
        ),
    },
    "SetupLogRedirection": {
        "log_redirection_hostname": (
            "Host name or address of the machine that takes the logs.",
            "10.10.10.10",
        )
    },
    "DiscoveryNas": {"storage_id": ("Number of the node that is the storage.", 50)},
    "AttachTargets": {
        "targets": (
            "Names of targets by the address of their portal, with or without `[node_actions] iscsi_prefix`.",
            {"10.40.38.2": [_TARGET]},
        ),
        "vendor": ("Vendor of the storage, as its disks say it (SCSI INQUIRY).", "LIO-ORG"),
        "product": ("Model of the storage, as its disks say it.", None),
    },
    "ControllerBinding": {
        "controller_uuid": ("Id of the virtual controller.", "2eec580b-12f8-4518-bf79-3dc5529617da"),
        "hostnames": ("Names of the nodes.", ["r4n07.example.net"]),
    },
}

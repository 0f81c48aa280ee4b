"""Words for nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmanager.api.document.glossary.inventory import CREATED
from cloudmanager.api.document.glossary.tasks import DRY_RUN

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudmanager.api.document.glossary.words import Words

POWER_STATE = (
    "The power state that was last observed; null is unknown, which is not off.",
    "power_on",
)
CHECKED_AT = ("When the power state was last observed.", "2024-03-05T10:12:40")

NODE: Words = {
    "id": ("Number of the node.", 1),
    "name": (
        "Host name of the machine, unique; `Node1` and `node1` are one name.",
        "r4n07.example.net",
    ),
    "title": ("Name for people.", "Rack 4, machine 7"),
    "description": ("Free text.", "Lent to the imaging group until May"),
    "owner": ("Who is responsible for the machine.", "imaging"),
    "active": ("Whether the machine is part of the fleet.", True),
    "condition": (
        "Set by operators, not measured: 0 out of service, 1 enabled, 2 disabled, 3 alarm, 4 reserved.",
        1,
    ),
    "is_reserved": ("Whether the machine is held in reserve.", False),
    "is_controller": ("Whether the machine carries the control plane.", False),
    "inventory_code": (
        "Number in the books of the owner; text, or a whole number that is kept as text.",
        "A-20417",
    ),
    "created_at": CREATED,
    "dcc": (
        "Dynamic component configuration: whether we may write configuration of its components.",
        True,
    ),
    "image": "The PXE image that it boots.",
    "image_id": ("Number of the PXE image that it boots; a node created without one gets `default`.", 1),
    "node_class": "Its class.",
    "node_class_id": ("Number of its class; a node created without one gets the default class.", 1),
    "node_type": "Its type within the class.",
    "node_type_id": ("Number of its type, which belongs to its class.", 2),
    "hypervisor_id": ("Its id as a hypervisor in Nova.", "a2c1f6f0-6f1d-4f6e-9a58-1d7c5b1f0a33"),
    "controller_id": ("Id of the virtual controller it is bound to.", None),
    "controller_type": ("Kind of the virtual controller it is bound to.", None),
    "cpu_allocation_ratio": (
        "How many virtual CPUs Placement gives out for a real one; hypervisors only.",
        4.0,
    ),
    "ram_allocation_ratio": ("How much memory Placement gives out for 1 MiB; hypervisors only.", 1.0),
    "dtc_number": ("Data centre.", 1),
    "row_number": ("Row of racks.", 2),
    "rack_number": ("Rack.", 4),
    "unit_number": ("Lowest unit in the rack.", 7),
    "cpu_amount": ("Number of CPU sockets.", 2),
    "ram_mb": ("Memory in MiB.", 262144),
    "hdd_gb": ("Disk space in GB.", 1920),
    "mac_address": (
        "MAC addresses it boots from, comma separated; kept as lower-case pairs with colons.",
        "52:54:00:0a:4c:07",
    ),
    "ip_addresses": ("IPv4 and IPv6 addresses, in their canonical spelling.", ["192.0.2.47", "2001:db8::47"]),
    "metadata": ("Names and plain values of your own.", {"contract": "2024-118", "warranty_years": 5}),
    "power_state": POWER_STATE,
    "power_state_checked_at": CHECKED_AT,
    "node_controls": "The power controls it hangs on.",
    "availability_storages": "Where it shows that it is alive.",
    "nas": "Its iSCSI sessions by storage host, of a single node; null as long as nobody has collected them.",
    "os_hypervisor": "OpenStack's record, of hypervisors, when asked for; null as long as there is none.",
    "hwinfo": "Facts about the hardware, of hypervisors, when asked for; null as long as there are none.",
}

BODY: Words = {
    **NODE,
    "created_at": "Accepted and ignored: the time of creation is the server's.",
    "power_state": "What is believed until the state is first observed.",
    "hypervisor_id": NODE["hypervisor_id"][0],
    "controller_id": NODE["controller_id"][0],
    "controller_type": NODE["controller_type"][0],
}

_CLASS: Words = {
    "id": ("Number of the class.", 1),
    "name": ("Name of the class.", "hypervisor"),
    "is_default": ("Whether new nodes get this class when they name none.", True),
}

SCHEMAS: Mapping[str, Words] = {
    "NodeShape": NODE,
    "NodeBody": BODY,
    "ImageReference": {"id": ("Number of the image.", 1), "name": ("Name of the image.", "default")},
    "ClassReference": _CLASS,
    "ClassWithTypes": {**_CLASS, "node_types": "All types of the class."},
    "NodeOfControl": {**NODE, "cloud_managers": "`node_controls` once more, under their older name."},
    "TypeReference": {"id": ("Number of the type.", 2), "name": ("Name of the type.", "kvm")},
    "Reserve": {"is_reserved": ("true puts the node into reserve, false takes it out.", True)},
    "SyncInventory": {"dry_run": DRY_RUN},
    "SyncShape": {
        "created": ("How many nodes were created.", 1),
        "updated": ("How many nodes got other values; those that returned too.", 1),
        "vanished": ("How many nodes became inactive, because Nova no longer has their hypervisor.", 0),
        "changes": (
            "Each of them in a line.",
            ["+ r4n08.example.net", "~ r4n07.example.net: cpu_allocation_ratio 16.0 -> 4.0"],
        ),
        "unclear": ("What was left alone because people have to decide, and why.", []),
    },
    "AssignImage": {
        "image_id": ("Number of the PXE image that the node is to boot.", 1),
        "next_boot": ("Whether the node's next start is to come from the network; by default it is.", True),
    },
}

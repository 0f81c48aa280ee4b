"""Words for servers and tokens as OneCloud names their fields."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmanager.api.document.glossary.hosts import SERVER_ID

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudmanager.api.document.glossary.words import Words

PROJECT_ID = "4d3c89799dd0439b8d7836fe1ab1666c"
_DOMAIN_ID = "4c8cb6a4be6f4b7ea2dd0b62c3a04ab5"
_IMAGE_ID = "2f7b3b0e-5f2c-4f0c-9f83-0d6a0c1b7e11"
_NETWORK_ID = "8f3b6a52-90c1-4be5-8a0d-5c8f7e5b1d20"
_GROUP_ID = "b1f0a4d8-3f8e-4b67-8d52-7f1c0a9e6d33"
_TIME = "2020-07-21T07:40:04Z"
_NOTHING = ("OpenStack knows nothing of the kind: null.", None)
_WITHOUT_SOURCE = (
    "account", "account_id", "admin_secgrp_id", "admin_security_rules", "attach_time", "auto_delete_at",
    "auto_renew", "backup_host_id", "backup_host_name", "backup_host_status", "billing_cycle",
    "billing_type", "bios", "boot_order", "can_recycle", "cdrom", "cdrom_support", "delete_fail_reason",
    "deleted_at", "environment", "expired_at", "is_gpu", "is_prepaid_recycle", "is_system",
    "isolated_devices", "machine", "manager", "manager_domain", "manager_domain_id", "manager_id",
    "manager_project", "manager_project_id", "pending_deleted_at", "region_ext_id", "region_external_id",
    "scaling_group_id", "scaling_status", "security_rules", "shutdown_behavior", "update_fail_reason",
    "update_version", "vdi", "vga", "virtual_ips", "vpc", "vpc_id", "zone_ext_id",
)  # fmt: skip
_DEVICE = (
    "addr", "created_at", "deleted", "deleted_at", "description", "dev_type", "guest_id", "host_id", "id",
    "is_emulated", "model", "name", "reserved_cpu", "reserved_memory", "reserved_storage", "update_version",
    "updated_at", "vendor_device_id",
)  # fmt: skip

_DISK: Words = {
    "aio_mode": _NOTHING,
    "bps": _NOTHING,
    "cache_mode": _NOTHING,
    "disk_format": _NOTHING,
    "disk_type": ("`sys` for the one it boots from, else `data`.", "sys"),
    "driver": _NOTHING,
    "fs": _NOTHING,
    "id": ("Cinder's id of the volume; null for the disk that its host keeps.", None),
    "image": ("Name of the image that it was made of.", "debian-12"),
    "image_id": ("Id of that image.", _IMAGE_ID),
    "index": ("Its place among the disks.", 0),
    "iops": _NOTHING,
    "medium_type": _NOTHING,
    "name": ("Name of the volume.", None),
    "size": ("Its size in MiB.", 30720),
    "storage_type": ("`local`, or Cinder's type of the volume.", "local"),
}
_NIC: Words = {
    "ip_addr": ("Its IPv4 address.", "10.165.2.1"),
    "ip6_addr": ("Its IPv6 address.", None),
    "is_exit": ("Whether a floating address leads to it.", True),
    "mac": ("Its hardware address.", "fa:16:3e:5b:0a:11"),
    "network_id": ("Neutron's id of its network.", _NETWORK_ID),
    "team_with": _NOTHING,
    "vpc_id": _NOTHING,
}
_NAMED_GROUP: Words = {
    "id": ("Neutron's id of the security group.", _GROUP_ID),
    "name": ("Its name.", "default"),
}
SERVER: Words = {
    **dict.fromkeys(_WITHOUT_SOURCE, _NOTHING),
    "brand": ("What kind of cloud it is in.", "OpenStack"),
    "can_delete": ("false while it is locked.", True),
    "can_update": ("false while it is locked.", True),
    "cloud_env": ("What kind of cloud it is in.", "private"),
    "cloudregion": ("The region of OpenStack, as `[nova] region_name` says.", "RegionOne"),
    "cloudregion_id": ("The same.", "RegionOne"),
    "created_at": ("When it was made.", _TIME),
    "deleted": ("Whether it is deleted.", False),
    "description": ("What its owner says of it.", "front end"),
    "disable_delete": ("true while it is locked.", False),
    "disk": ("The sizes of its disks together, in MiB.", 30720),
    "disk_count": ("How many disks it has.", 1),
    "disks": ("Its disks, in short.", "disk0:30720M"),
    "disks_info": "Its disks, the one it boots from first.",
    "domain_id": ("Keystone's id of its project's domain.", _DOMAIN_ID),
    "eip": ("Its first floating address.", "203.0.113.7"),
    "eip_mode": ("`elastic_ip` when it has a floating address.", "elastic_ip"),
    "external_id": ("Nova's id of it.", SERVER_ID),
    "flavor_id": ("Nova's id of its flavor.", "42"),
    "host": ("Nova's name of the host that it is on. Hosts are shown to admins.", "r1n07.example.net"),
    "host_id": ("Number of the node in the inventory that is this host.", "7"),
    "host_service_status": ("`online` while Nova hears of the host, else `offline`.", "online"),
    "host_sn": ("`inventory_code` of the node.", "R1-07"),
    "host_status": ("`running` while Nova hears of the host, else `unknown`.", "running"),
    "host_type": ("What kind of host it is.", "hypervisor"),
    "hypervisor": ("What runs it there.", "qemu"),
    "id": ("Nova's id of the server.", SERVER_ID),
    "instance_type": ("Name of its flavor.", "m1.small"),
    "ips": ("Its addresses.", "10.165.2.1,172.16.8.1"),
    "is_emulated": ("Whether it stands for something that is not there.", False),
    "keypair": ("Name of its key.", "ops"),
    "keypair_id": ("The same: a key of Nova's is known by its name.", "ops"),
    "metadata": ("Its metadata, `with_meta`; else null.", {"tier": "front"}),
    "name": ("Its name.", "web-1"),
    "networks": ("The names of its networks.", "front,back"),
    "nics": "Its interfaces.",
    "os_name": ("`os_distro` of its image.", "debian"),
    "os_type": ("`os_type` of its image.", "linux"),
    "pending_deleted": ("Whether it is deleted, and can still be restored.", False),
    "project": ("Name of its project.", "fleet"),
    "project_domain": ("Name of that project's domain.", "Default"),
    "project_id": ("Keystone's id of its project.", PROJECT_ID),
    "project_src": ("Who has put it into this project.", "local"),
    "provider": ("What kind of cloud it is in.", "OpenStack"),
    "rack": ("`rack_number` of the node; OneCloud has no such field.", 1),
    "region": ("As `cloudregion`.", "RegionOne"),
    "region_id": ("As `cloudregion`.", "RegionOne"),
    "secgroup": ("Name of its first security group.", "default"),
    "secgroups": "Its security groups.",
    "secgrp_id": ("Neutron's id of its first security group.", _GROUP_ID),
    "src_ip_check": ("Whether Neutron drops what it sends under other addresses.", True),
    "src_mac_check": ("The same.", True),
    "status": (
        "What it does, in OneCloud's words; `unknown` after a failure.",
        "running",
    ),
    "tenant": ("As `project`.", "fleet"),
    "tenant_id": ("As `project_id`.", PROJECT_ID),
    "updated_at": ("When its record last changed.", _TIME),
    "vcpu_count": ("Its virtual processors.", 2),
    "vmem_size": ("Its memory in MiB.", 4096),
    "zone": ("Its availability zone.", "nova"),
    "zone_id": ("The same: Nova's zones are known by their names.", "nova"),
}

_NAME: Words = {"id": ("Keystone's id.", PROJECT_ID), "name": ("Its name.", "fleet")}
_MEMBER: Words = {**_NAME, "domain": "Its domain, where it has one of its own."}
_POLICIES = ("What a policy of OneCloud would say; Keystone has none.", ["system"])
_TOKEN: Words = {
    "access_key": "Keystone has none: null.",
    "catalog": "Where the services of the cloud are found.",
    "context": "From where the request came.",
    "expires_at": ("When the token ends.", _TIME),
    "is_domain": ("Whether its project stands for a domain.", False),
    "issued_at": ("When it was made.", _TIME),
    "methods": ("How its user logged in.", ["password"]),
    "policies": "Keystone has none: null.",
    "project": "The project that it is for; null when it is for none.",
    "projects": "The projects for which its user may get one.",
    "role_assignments": "The roles of its user in that project.",
    "roles": "The same, in short.",
    "user": "Whose token it is.",
}

SCHEMAS: Mapping[str, Words] = {
    "OneCloudNewDisk": {"image_id": ("Id of the image that it is made of.", _IMAGE_ID)},
    "OneCloudNewNic": {"network_id": _NIC["network_id"]},
    "OneCloudNewGroup": {"name": _NAMED_GROUP["name"]},
    "OneCloudUpdate": {name: SERVER[name] for name in ("name", "description")},
    "OneCloudNewServer": {
        **{name: SERVER[name] for name in ("name", "description", "keypair", "zone")},
        "flavor_id": ("Nova's id of its flavor; this or `instance_type`.", "42"),
        "instance_type": "Name of its flavor; this or `flavor_id`.",
        "disks_info": "One disk: its image.",
        "nics": "Its networks; without them it has no interface.",
        "secgroups": "Its security groups; without them Neutron gives it `default`.",
        "metadata": ("Its metadata.", {"tier": "front"}),
    },
    "OneCloudAuth": {
        "identity": (
            "As in Keystone: `methods`, and what each of them takes. Fields that are blank are left out.",
            {
                "methods": ["password"],
                "password": {
                    "user": {"Domain": {"name": "Default"}, "name": "member", "password": "the password"}
                },
            },
        ),
        "scope": (
            "What the token is to be for.",
            {"project": {"domain": {"name": "Default"}, "name": "fleet"}},
        ),
        "context": ("Where the client comes from, in its own words; told again.", {"source": "console"}),
    },
    "OneCloudTokenShape": _TOKEN,
    "OneCloudName": _NAME,
    "OneCloudMember": _MEMBER,
    "OneCloudScope": {"domain": "A domain.", "project": "A project."},
    "OneCloudRule": {"domain": _POLICIES, "project": _POLICIES, "system": _POLICIES},
    "OneCloudPolicies": {"Domain": _POLICIES, "Project": _POLICIES, "System": _POLICIES},
    "OneCloudAssignment": {
        "group": "The group by which it is held; Keystone does not tell: null.",
        "policies": "Keystone has none: null.",
        "role": "The role.",
        "scope": "Where it is held.",
        "user": "Who holds it.",
    },
    "OneCloudProject": {
        "Domain": "Its domain; the name is null where it is not that of the user or of the token.",
        "Id": _NAME["id"],
        "Name": _NAME["name"],
    },
    "OneCloudPerson": {
        "Displayname": _NOTHING,
        "Domain": "The domain of the user.",
        "Email": ("Tokens of Keystone do not tell it: null.", None),
        "Id": ("Keystone's id of the user.", "b3c1a0de7c5f4a1f8f0e8ab7a4fd90c2"),
        "Mobile": _NOTHING,
        "Name": ("Name of the user.", "member"),
        "PasswordExpiresAt": ("When the password ends.", None),
    },
    "OneCloudAccessKey": {
        "AccessKey": ("The key.", "key"),
        "expire": ("When it ends.", 0),
        "secret": ("Its secret.", "secret"),
    },
    "OneCloudContext": {
        "ip": ("The address of the client.", "192.0.2.10"),
        "source": ("What the request said.", "console"),
    },
    "OneCloudEndpoint": {
        "id": ("Keystone's id of it.", "75f4e36100184a5a8a3e36cb0f12aa87"),
        "interface": ("For whom it is: `public`, `internal` or `admin`.", "public"),
        "name": ("Name of its service.", "nova"),
        "region": ("Where it is.", "RegionOne"),
        "region_id": ("The same.", "RegionOne"),
        "url": ("Its address.", "https://nova.example.net:8774/v2.1"),
    },
    "OneCloudService": {
        "endpoints": "Where it is found.",
        "id": ("Keystone's id of it.", "0f5c6a1e9a5d4e3b8e0f2d6a6c9b7a11"),
        "name": ("Its name.", "nova"),
        "type": ("What it is.", "compute"),
    },
    "OneCloudServerShape": SERVER,
    "OneCloudDiskShape": _DISK,
    "OneCloudNicShape": _NIC,
    "OneCloudGroupShape": _NAMED_GROUP,
    "OneCloudDeviceShape": dict.fromkeys(_DEVICE, _NOTHING),
}
"""By the name of the class."""

"""Words for the Compute portal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmanager.api.document.glossary.hosts import SERVER_ID
from cloudmanager.api.document.glossary.tasks import TASK_ID
from cloudmanager.api.document.glossary.volumes import VOLUME_ID

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudmanager.api.document.glossary.words import Words

_IMAGE_ID = "70a599e0-31e7-49b7-b260-868f441e862b"
_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl user@example"
_TIME = "2024-03-05T10:12:40"
_CHOICE: Words = {"instance_id": ("Id of the instance.", SERVER_ID)}
_FLAVOR = ("Name of the flavor; null where Nova does not say.", "m1.small")
_PRICE = ("What an hour costs; null without a price in [portal] prices.", 0.02)

SCHEMAS: Mapping[str, Words] = {
    "SecurityGroupChoice": {
        "value": ("Name or id of the group.", "default"),
        "label": ("What a form shows; it says nothing here.", "default"),
    },
    "NewVolume": {"name": ("Its name.", "web-01-volume"), "size": ("Its size in GiB.", 20)},
    "CreateInstance": {
        "name": ("Its name.", "web-01"),
        "image": ("Id of the image that it is made of.", _IMAGE_ID),
        "image_name": ("Name of the image; it is kept, and shown in lists.", "Ubuntu 22.04"),
        "flavor": ("Id of its flavor.", "3"),
        "security_groups": "What may reach it; without any, the project's group `default` says it.",
        "key_name": ("Name of the keypair that opens it.", "my-keypair"),
        "network": ("Id of its network; without one, the only one that the project has.", None),
        "is_public": ("Whether it gets a public address.", "shouldbetrue"),
        "dname": ("A domain name for the public address.", "app.example.com"),
        "enable_ssh": ("Whether port 22 may be reached; that needs `key_name`.", True),
        "user_data": (
            "What cloud-init is to do; in base64 at most 65535 bytes.",
            "#cloud-config\nhostname: web-01\n",
        ),
        "volume": "A volume besides its local disk; null for none. It stays when the instance is deleted.",
    },
    "InstanceChoice": _CHOICE,
    "SnapshotInstance": {**_CHOICE, "snapshot_name": ("Name of the snapshot.", "snap-2025-12-03")},
    "BackupVolume": {
        "volume_id": ("Id of the volume.", VOLUME_ID),
        "backup_name": ("Name of the backup.", "nightly-2025-12-03"),
    },
    "AttachVolume": {**_CHOICE, "volume_id": ("Id of a volume that no instance has.", VOLUME_ID)},
    "CreateKeypair": {
        "name": ("Letters, digits, - and _.", "my-keypair"),
        "public_key": ("The public key, as OpenSSH writes it.", _KEY),
    },
    "StartedShape": {
        "message": ("What is begun.", "Instance creation started"),
        "task_id": ("Id of the task that does it.", TASK_ID),
    },
    "MessageShape": {"message": ("What is done.", "Volume attached successfully")},
    "AllowanceShape": {
        "limit": ("How much the project may have; null: as much as there is.", 20),
        "used": ("How much it has; null where that is not told.", 4),
    },
    "OverviewShape": {
        "instances": "Instances.",
        "cores": "Their virtual processors.",
        "ram_mb": "Their memory in MiB.",
        "volumes": "Volumes.",
        "gigabytes": "Their size in GiB.",
        "volume_snapshots": "Snapshots of volumes.",
        "backups": "Backups of volumes.",
        "floating_ips": "Public addresses.",
        "security_groups": "Security groups.",
    },
    "FlavorShape": {
        "id": ("Its id.", "3"),
        "name": ("Its name.", "m1.small"),
        "vcpus": ("Virtual processors.", 1),
        "ram_mb": ("Memory in MiB.", 2048),
        "disk_gb": ("Local disk in GiB.", 20),
        "price_per_hour": _PRICE,
    },
    "InstanceShape": {
        "id": ("Its id.", SERVER_ID),
        "name": ("Its name.", "web-01"),
        "status": ("Nova's word for its state.", "ACTIVE"),
        "task_state": ("What Nova is doing with it; null: nothing.", None),
        "flavor": _FLAVOR,
        "image_id": ("The image that it was made of; null when it boots from a volume.", _IMAGE_ID),
        "image_name": ("Name of that image, as it was told when the instance was made.", "Ubuntu 22.04"),
        "key_name": ("Its keypair.", "my-keypair"),
        "security_groups": ("Its security groups.", ["default"]),
        "addresses": ("Its addresses, public ones too.", ["10.0.0.5", "192.0.2.17"]),
        "domain_name": ("Its domain name.", "app.example.com"),
        "volumes": ("Ids of its volumes.", [VOLUME_ID]),
        "fault": ("What went wrong with it, where Nova says so.", None),
        "created_at": ("When it was made.", _TIME),
    },
    "InstanceConsoleShape": {
        "protocol": ("How it is spoken to.", "vnc"),
        "type": ("What kind of console it is.", "novnc"),
        "url": (
            "Its address; whoever has it may use the console.",
            "https://console.example/vnc_auto.html?path=%3Ftoken%3D1",
        ),
    },
    "InstanceLogShape": {"output": ("The last lines.", "web-01 login: ")},
    "InstanceActionShape": {
        "action": ("What was done.", "create"),
        "request_id": ("Nova's id of the request.", "req-f0f0e2f7-2c2b-4a5f-8ae4-7cbcd1a2e9a9"),
        "started_at": ("When it began.", _TIME),
        "message": ("What went wrong; null: nothing.", None),
    },
    "KeypairShape": {
        "name": ("Its name.", "my-keypair"),
        "fingerprint": ("Fingerprint of the key.", "7e:eb:ab:24:ba:d1:e1:88:ae:9a:fb:66:53:df:d3:bd"),
        "public_key": ("The public key.", _KEY),
    },
    "SnapshotShape": {
        "id": ("Its id; a new instance can be made of it.", _IMAGE_ID),
        "name": ("Its name.", "snap-2025-12-03"),
        "status": ("Glance's word for its state.", "active"),
        "size": ("Its size in bytes, once it is there.", 1073741824),
        "instance_id": ("The instance whose disk it is.", SERVER_ID),
        "created_at": ("When it was begun.", _TIME),
    },
    "BackupShape": {
        "id": ("Its id.", "2ef47aee-8844-490c-804d-2a8efe561c65"),
        "name": ("Its name.", "nightly-2025-12-03"),
        "status": ("Cinder's word for its state.", "available"),
        "volume_id": ("The volume whose backup it is.", VOLUME_ID),
        "size_gb": ("The size of that volume in GiB.", 20),
        "created_at": ("When it was begun.", _TIME),
    },
    "AttachmentShape": {
        "id": ("Id of the attachment.", VOLUME_ID),
        "volume_id": ("Id of the volume.", VOLUME_ID),
        "device": ("What the instance may call it.", "/dev/vdb"),
    },
    "InstanceForecastShape": {
        "id": ("Its id.", SERVER_ID),
        "name": ("Its name.", "web-01"),
        "flavor": _FLAVOR,
        "price_per_hour": _PRICE,
        "hours": ("Hours of this month for which it has been there.", 102.2),
        "spent": ("What it has cost this month.", 2.04),
        "forecast": ("What it will have cost at the end of the month.", 14.88),
    },
    "ForecastShape": {
        "message": ("What the figures are, or why there are none.", "2 instances, of which 2 have a price"),
        "currency": ("What prices are in; null without prices.", "EUR"),
        "month_begins_at": ("Since when it is reckoned.", "2024-03-01T00:00:00"),
        "month_ends_at": ("Until when.", "2024-04-01T00:00:00"),
        "spent": ("The sum for all instances that have a price; null without prices.", 2.04),
        "forecast": ("The sum at the end of the month.", 14.88),
        "instances": "Each instance.",
    },
}

"""Words for volumes and the backends that they lie on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmanager.api.document.glossary.hosts import MOVING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudmanager.api.document.glossary.words import Words

VOLUME_ID = "cfae37a3-6e8f-4bc8-862e-85db07ff429f"
_WHY = ("Why LVM could not be asked; null when it could.", None)

BACKEND: Words = {
    "volume_backend_name": ("Cinder's name of the backend.", "lvm"),
    "host": ("The storage node, as Cinder and the inventory call it.", "storage1.example.net"),
    "vg_name": ("The volume group of LVM.", "cinder-volumes"),
    "protocol": ("How servers reach its volumes.", "iscsi"),
    "free_size": ("Free storage in GiB, as Cinder knows it; null when it does not.", "136.75"),
    "total_size": ("Size of the storage in GiB, as Cinder knows it.", "138"),
    "logical_volumes": "What lies in the volume group; null when LVM could not be asked.",
    "physical_volumes": "The disks of the volume group; null when LVM could not be asked.",
    "error": _WHY,
}

VOLUME: Words = {
    "volume_id": ("Cinder's id of the volume.", VOLUME_ID),
    "volume_backend_name": BACKEND["volume_backend_name"],
    "host": BACKEND["host"],
    "vg_name": BACKEND["vg_name"],
    "thin_enabled": ("Whether it lies in a thin pool; null when LVM could not be asked.", False),
    "logical_volume": "What holds the volume in LVM; null when that could not be looked at.",
    "error": _WHY,
    "lock_hosts": ("Who holds the lock of the volume, in a shared volume group.", ["storage1.example.net"]),
    "lock_exclusive": ("Whether one of them holds it alone.", True),
}

_ACTION: Words = {"deadline": MOVING["deadline"], "dry_run": MOVING["dry_run"]}

SCHEMAS: Mapping[str, Words] = {
    "BackendShape": BACKEND,
    "LogicalVolumeShape": {
        "lv_name": ("Its name.", f"volume-{VOLUME_ID}"),
        "vg_name": BACKEND["vg_name"],
        "lv_attr": ("Its attributes, as lvs(8) explains them.", "-wi-a-----"),
        "lv_size": ("Its size.", "1.00g"),
        "lv_uuid": ("LVM's uuid of it.", "XSOJgt-6xDf-mTWA-NG7q-MyR7-MheT-e39yp3"),
        "mirror_count": ("How many copies there are, the first included: 1 is not mirrored.", "1"),
        "lv_status": ("`moving`, `filling` (its copies), what it lacks in LVM's word, or null.", None),
        "devices": "How much of it lies on which physical volume, all copies together.",
    },
    "DeviceShape": {
        "pv": ("The physical volume.", "/dev/mapper/mpathb"),
        "seg_size": ("How much.", "1.00g"),
    },
    "PhysicalVolumeShape": {
        "pv_name": ("Its device.", "/dev/mapper/mpathb"),
        "vg_name": BACKEND["vg_name"],
        "pv_attr": ("Its attributes, as pvs(8) explains them.", "a--"),
        "pv_size": ("Its size.", "46.00g"),
        "pv_free": ("What no logical volume has of it.", "44.75g"),
    },
    "VolumeSummary": VOLUME,
    "VolumeShape": VOLUME,
    "VolumePlanShape": {
        "action": ("What would be done.", "mirror"),
        "volume_id": VOLUME["volume_id"],
        "host": BACKEND["host"],
        "vg_name": BACKEND["vg_name"],
        "lv_name": ("Its name in LVM.", f"volume-{VOLUME_ID}"),
        "acts": (
            "What would be done, in order; empty when nothing can or need be done.",
            ["make 1 copy of 1.00g where no other copy lies", "watch until all copies are the same"],
        ),
        "reason": ("Why nothing; null when there are acts.", None),
    },
    "VolumeAction": _ACTION,
    "MirrorVolume": {
        **_ACTION,
        "mirror_count": ("Copies besides the first; 0 ends mirroring.", 1),
    },
    "MigrateVolume": {
        **_ACTION,
        "source_pv": ("The physical volume that the volume shall leave.", "/dev/mapper/mpathb"),
        "dest_pv": ("Where to; null or absent: LVM chooses.", "/dev/mapper/mpathc"),
    },
}

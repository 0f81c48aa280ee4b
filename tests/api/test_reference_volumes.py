"""The reference's examples of Cinder's LVM backends and their volumes."""

import pytest

from tests.api.story import LV_UUID, NOTHING, end_tasks, play
from tests.api.test_volumes import DISKS, V1, storage  # noqa: F401  # a fixture

FIRST, SECOND, *_ = DISKS
SUMMARY = {
    "lv_name": f"volume-{V1}",
    "vg_name": "vol",
    "lv_attr": "-wi-a-----",
    "lv_uuid": LV_UUID,
    "mirror_count": "1",
    "lv_size": "1.00g",
    "devices": [{"pv": FIRST, "seg_size": "1.00g"}],
}
LOGICAL = {**SUMMARY, "lv_status": None}
VOLUME = {
    "volume_id": V1,
    "volume_backend_name": "lvm",
    "host": "storage1",
    "thin_enabled": False,
    "logical_volume": LOGICAL,
}
DISK = {"vg_name": "vol", "pv_attr": "a--", "pv_size": "4.00g"}
BACKEND = {
    "volume_backend_name": "lvm",
    "host": "storage1",
    "vg_name": "vol",
    "protocol": "iscsi",
    "free_size": "14.75",
    "total_size": "16",
    "logical_volumes": [SUMMARY],
    "physical_volumes": [
        {**DISK, "pv_name": name, "pv_free": "3.00g" if name == FIRST else "4.00g"} for name in DISKS
    ],
}
STORY = [
    ("GET", "/v1/volume-backends/?volume_backend_name=lvm&host=storage1&vg_name=vol&offset=0&limit=9", None, 200, [BACKEND]),
    ("GET", "/v1/volume-backends/?volume_backend_name=in:lvm&host=neq:x&vg_name=like:vol", None, 200, [BACKEND]),
    ("GET", f"/v1/volumes/{V1}", None, 200, {"volume": {**VOLUME, "lock_hosts": [], "lock_exclusive": False}}),
    ("GET", "/v1/volumes/?host=storage1", None, 200, {"volumes": [VOLUME]}),
    ("GET", "/v1/volumes/", None, 200, {"volumes": [VOLUME, ...]}),
    ("POST", f"/v1/volumes/{V1}/actions/mirror", {"mirror_count": 1}, 202, NOTHING),
    end_tasks,
    ("POST", f"/v1/volumes/{V1}/actions/pv-migrate", {"source_pv": FIRST, "dest_pv": SECOND}, 202, NOTHING),
    end_tasks,
    ("POST", f"/v1/volumes/{V1}/actions/pv-migrate", {"source_pv": FIRST}, 202, NOTHING),
]  # fmt: skip


@pytest.mark.usefixtures("storage")
def test_volumes(api):
    play(api, STORY)

"""Volumes and their backends through the API, over a storage node's LVM in memory."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest
from sqlalchemy import select, update

from cloudmanager.api.services import attach
from cloudmanager.blocking import Blocking
from cloudmanager.errors import HostUnreachable
from cloudmanager.models import FlowRow, Node
from cloudmanager.openstack.definitions import StoragePool, Volume
from cloudmanager.simulators.openstack.volumes.lvm import LogicalVolume
from tests.flows.fake_host import FakeHost
from tests.flows.fake_storage import DISKS, FakeStorage
from tests.flows.world import Line

V1 = "cfae37a3-6e8f-4bc8-862e-85db07ff429f"
ON_CEPH = "45bb8680-c070-4080-be45-ec4d2312eda8"
ELSEWHERE = "fd1fbb3a-1111-4000-8000-000000000000"
STRANGER = "9d3c1a52-0000-4000-8000-000000000000"
A, B, C, D = DISKS
POOLS = [
    StoragePool("storage1@lvm#lvm", "storage1", "lvm", "iSCSI", 16.0, 14.75, "vol"),
    StoragePool("storage2@fast#fast", "storage2", "fast", "iSCSI", None, None, "vol2"),
    StoragePool("controller@ceph#ceph", "controller", "ceph", "ceph", 100.0, 50.0, None),
]


def volume(key, pool):
    return Volume(key, None, "available", 1, None, False, "nova", "p", None, (), pool=pool, stored_as=key)


@pytest.fixture
def storage(api, nova):
    """`storage1` with a volume group; `storage2` is no node."""
    clock = SimpleNamespace(now=lambda: 1_700_000_000.0)
    host = FakeHost(Line())
    storage = FakeStorage(host, clock)
    made = storage.volume = storage.group.logical[f"volume-{V1}"] = storage.group.logical.pop("volume-v1")
    made.name = f"volume-{V1}"
    nova.pools = POOLS
    places = {V1: POOLS[0].name, ELSEWHERE: POOLS[1].name, ON_CEPH: POOLS[2].name}
    nova.volumes.things = {key: volume(key, pool) for key, pool in places.items()}
    api.services = replace(api.services, host=Blocking("host", lambda: host))
    attach(api.app, api.services)
    with api.database.transaction() as session:
        session.add(Node(name="storage1"))
    return storage


def act(api, action, body=None, volume_id=V1, status=202, **options):
    response = api.ask("POST", f"/v1/volumes/{volume_id}/actions/{action}", body, **options)
    assert response.status_code == status, response.text
    return response


def refusal(response):
    return response.json["error"]


def flows(api):
    with api.database.reading() as session:
        return session.scalars(select(FlowRow)).all()


LOGICAL = {
    "lv_name": f"volume-{V1}",
    "vg_name": "vol",
    "lv_attr": "-wi-a-----",
    "lv_size": "1.00g",
    "mirror_count": "1",
    "lv_status": None,
    "devices": [{"pv": A, "seg_size": "1.00g"}],
}


def without_uuid(shown):
    assert len(shown["lv_uuid"]) == 38
    return {key: value for key, value in shown.items() if key != "lv_uuid"}


# --- reading ------------------------------------------------------------------------------------------------


def test_backends_are_a_bare_list(api, storage):
    first, second = api.get("/v1/volume-backends/", role="reader")
    [logical] = first.pop("logical_volumes")
    assert without_uuid(logical) == LOGICAL
    disks = first.pop("physical_volumes")
    assert disks[0] == {
        "pv_name": A,
        "vg_name": "vol",
        "pv_attr": "a--",
        "pv_size": "4.00g",
        "pv_free": "3.00g",
    }
    assert [disk["pv_name"] for disk in disks] == list(DISKS)
    assert first == {
        "volume_backend_name": "lvm",
        "host": "storage1",
        "vg_name": "vol",
        "protocol": "iscsi",
        "free_size": "14.75",
        "total_size": "16",
        "error": None,
    }
    assert (second["free_size"], second["logical_volumes"], second["physical_volumes"]) == (None, None, None)
    assert second["error"] == "no node of the inventory has the name storage2"


def test_a_dead_storage_node_does_not_hide_the_others(api, storage):
    storage.host.dead.add(1)
    with api.database.transaction() as session:
        session.add(Node(name="storage2"))
    first, second = api.get("/v1/volume-backends/")
    assert "does not answer" in first["error"]
    assert 'Volume group "vol2" not found' in second["error"]


@pytest.mark.parametrize(
    ("query", "hosts"),
    [
        ("host=storage1", ["storage1"]),
        ("host=like:STORAGE%25", ["storage1", "storage2"]),
        ("host=like:storage_&host=neq:storage1", ["storage2"]),
        ("volume_backend_name=in:lvm,other", ["storage1"]),
        ("volume_backend_name=nin:lvm,other", ["storage2"]),
        ("vg_name=gt:vol", ["storage2"]),
        ("vg_name=lte:vol", ["storage1"]),
        ("vg_name=eq:like:x", []),
        ("vg_name=null:true", []),
        ("vg_name=null:false", ["storage1", "storage2"]),
        ("host=like:storage\\_", []),
        ("offset=1", ["storage2"]),
        ("limit=1", ["storage1"]),
        ("limit=0", []),
    ],
)
def test_filters(api, storage, query, hosts):
    assert [each["host"] for each in api.get(f"/v1/volume-backends/?{query}")] == hosts
    assert [each["host"] for each in api.get(f"/v1/volumes/?{query}")["volumes"]] == hosts


def test_the_next_page_is_linked(api, storage):
    first = api.ask("GET", "/v1/volume-backends/?limit=1")
    assert first.headers["Link"] == '</v1/volume-backends/?offset=1&limit=1>; rel="next"'
    assert "Link" not in api.ask("GET", "/v1/volume-backends/?limit=1&offset=1").headers
    assert 'rel="next"' in api.ask("GET", "/v1/volumes/?limit=1").headers["Link"]


@pytest.mark.parametrize(
    "query", ["size=1", "sort=host", "host=like:x%5C", "limit=x", "host=null:x", "host=%00"]
)
def test_queries_that_make_no_sense(api, storage, query):
    for path in ("volumes", "volume-backends"):
        response = api.ask("GET", f"/v1/{path}/?{query}")
        assert response.status_code == 422
        assert list(refusal(response)["errors"]) == [query.partition("=")[0]]


def test_a_filter_spares_the_other_nodes(api, storage):
    api.get("/v1/volume-backends/?host=storage2")
    assert storage.host.calls == []


def test_volumes(api, storage):
    first, elsewhere = api.get("/v1/volumes/", role="reader")["volumes"]
    assert without_uuid(first.pop("logical_volume")) == LOGICAL
    assert first == {
        "volume_id": V1,
        "volume_backend_name": "lvm",
        "host": "storage1",
        "thin_enabled": False,
        "error": None,
    }
    assert (elsewhere["volume_id"], elsewhere["logical_volume"], elsewhere["thin_enabled"]) == (
        ELSEWHERE,
        None,
        None,
    )
    assert "no node" in elsewhere["error"]


def test_one_volume_with_its_locks(api, storage):
    shown = api.get(f"/v1/volumes/{V1}", role="reader")["volume"]
    assert (shown["lock_hosts"], shown["lock_exclusive"]) == ([], False)
    storage.group.lock_type, storage.group.locks = "sanlock", {f"volume-{V1}": ["storage1"]}
    shown = api.get(f"/v1/volumes/{V1}")["volume"]
    assert without_uuid(shown.pop("logical_volume")) == LOGICAL
    assert shown == {
        "volume_id": V1,
        "volume_backend_name": "lvm",
        "host": "storage1",
        "thin_enabled": False,
        "error": None,
        "lock_hosts": ["storage1"],
        "lock_exclusive": True,
    }


def test_a_thin_volume(api, storage):
    thin = json.loads(storage.host._answers["lvm-report"](asked("lvm-report", group="vol")))
    for row in thin["report"][0]["seg"]:
        row |= {"segtype": "thin", "devices": ""}
    storage.host.answer("lvm-report", json.dumps(thin))
    shown = api.get(f"/v1/volumes/{V1}")["volume"]
    assert (shown["thin_enabled"], shown["logical_volume"]["devices"]) == (True, [])
    assert shown["logical_volume"]["mirror_count"] == "1"
    for action, body in (("mirror", {"mirror_count": 1}), ("pv-migrate", {"source_pv": A})):
        assert "is thin" in refusal(act(api, action, body, status=409))["message"]


def asked(command, **arguments):
    return SimpleNamespace(command=command, arguments=arguments)


@pytest.mark.parametrize("status", ["filling", "moving"])
def test_what_lvm_does_with_it_now(api, storage, status):
    if status == "moving":
        storage.begin_move(f"volume-{V1}", A, B)
    else:
        storage.volume.copies, storage.volume.notes = [[(B, 256)]], [A, B]
        storage.volume.filled, storage.volume.filling_since = 1, storage.clock.now()
    shown = api.get(f"/v1/volumes/{V1}")["volume"]["logical_volume"]
    assert shown["lv_status"] == status
    assert shown["mirror_count"] == ("1" if status == "moving" else "2")


@pytest.mark.parametrize(
    ("volume_id", "status"), [(STRANGER, 404), (ON_CEPH, 404), (ELSEWHERE, 409), ("x", 404)]
)
def test_volumes_that_cannot_be_looked_at(api, storage, volume_id, status):
    api.get(f"/v1/volumes/{volume_id}", status)
    if volume_id != "x":
        act(api, "mirror", {"mirror_count": 1}, volume_id, status)
        act(api, "pv-migrate", {"source_pv": A}, volume_id, status)
    assert flows(api) == []


def test_a_volume_that_lvm_does_not_have(api, storage):
    storage.group.remove(f"volume-{V1}")
    assert "has no volume-" in refusal(api.ask("GET", f"/v1/volumes/{V1}"))["message"]
    shown = {each["volume_id"]: each for each in api.get("/v1/volumes/")["volumes"]}[V1]
    assert shown["logical_volume"] is None
    assert "has no volume-" in shown["error"]


def test_a_storage_node_that_is_silent(api, storage):
    storage.host.answer("lvm-report", HostUnreachable("storage1 does not answer"))
    api.get(f"/v1/volumes/{V1}", 504)
    act(api, "mirror", {"mirror_count": 1}, status=504)


# --- actions ------------------------------------------------------------------------------------------------

PLACE = {"volume_id": V1, "node_id": 1, "host": "storage1", "group": "vol", "volume": f"volume-{V1}"}


@pytest.mark.parametrize(
    ("action", "body"),
    [
        ("mirror", {"mirror_count": 2}),
        ("mirror", {"mirror_count": 0}),
        ("pv-migrate", {"source_pv": A, "dest_pv": C}),
        ("pv-migrate", {"source_pv": A, "dest_pv": None}),
    ],
)
def test_actions_start_tasks(api, storage, action, body):
    response = act(api, action, {**body, "deadline": 60})
    (row,) = flows(api)
    assert response.data == b""
    assert response.headers["Location"] == f"/v1/tasks/{row.id}"
    assert (row.kind, row.subject) == (f"{action}-volume", f"volume:{V1}")
    assert row.params == {**PLACE, **body}
    assert row.deadline is not None
    assert "held by the open task" in refusal(act(api, action, body, status=409))["message"]


def test_the_task_tells_its_own_progress(api, storage):
    act(api, "mirror", {"mirror_count": 1})
    (row,) = flows(api)
    assert api.get(f"/v1/tasks/{row.id}")["progress"] == {"done": 0, "total": 5}
    with api.database.transaction() as session:
        session.execute(update(FlowRow).values(result={"progress": {"done": 3, "total": 512}}))
    assert api.get(f"/v1/tasks/{row.id}")["progress"] == {"done": 3, "total": 512}


@pytest.mark.parametrize(
    ("action", "body", "field"),
    [
        ("mirror", {}, "mirror_count"),
        ("mirror", {"mirror_count": -1}, "mirror_count"),
        ("mirror", {"mirror_count": 10}, "mirror_count"),
        ("mirror", {"mirror_count": "1"}, "mirror_count"),
        ("mirror", {"mirror_count": 1, "size": 1}, "size"),
        ("pv-migrate", {}, "source_pv"),
        ("pv-migrate", {"source_pv": "/dev/nothere"}, "source_pv"),
        ("pv-migrate", {"source_pv": "; reboot"}, "source_pv"),
        ("pv-migrate", {"source_pv": A, "dest_pv": "/dev/nothere"}, "dest_pv"),
        ("pv-migrate", {"source_pv": A, "dest_pv": A}, "dest_pv"),
        ("pv-migrate", {"source_pv": A, "deadline": 0}, "deadline"),
    ],
)
def test_wrong_bodies_are_refused(api, storage, action, body, field):
    assert list(refusal(act(api, action, body, status=422))["errors"]) == [field]
    assert flows(api) == []


@pytest.mark.parametrize(
    ("action", "body", "why"),
    [
        ("mirror", {"mirror_count": 4}, "room for 3 of 4 more copies of 1.00g"),
        ("pv-migrate", {"source_pv": B}, "has nothing on /dev/sdb; it lies on /dev/sda"),
        ("pv-migrate", {"source_pv": A, "dest_pv": D}, "do not fit on /dev/sdd"),
    ],
)
def test_what_cannot_be_done_is_refused(api, storage, action, body, why):
    if "dest_pv" in body:
        storage.group.logical["big"] = LogicalVolume("big", [(D, storage.group.free_on(D))])
    found = refusal(act(api, action, body, status=409))
    assert why in found["message"]
    assert list(found["errors"]) == list(body)[-1:]
    assert flows(api) == []


def test_a_lock_elsewhere_is_named(api, storage):
    storage.group.lock_type, storage.group.locks = "sanlock", {f"volume-{V1}": ["compute7"]}
    for action, body in (("mirror", {"mirror_count": 1}), ("pv-migrate", {"source_pv": A})):
        assert "held alone by compute7" in refusal(act(api, action, body, status=409))["message"]
    assert flows(api) == []


INACTIVE = "leave it inactive as it was, unless something uses it by then"
MIRRORED = ["make 2 copies of 1.00g where no other copy lies", "watch until all copies are the same"]
MOVED = f"move 256 extents (1.00g) off {A} to {C}"


@pytest.mark.parametrize(
    ("action", "body", "acts"),
    [
        ("mirror", {"mirror_count": 2}, MIRRORED),
        ("pv-migrate", {"source_pv": A, "dest_pv": C}, [MOVED]),
        (
            "pv-migrate",
            {"source_pv": A},
            [f"move 256 extents (1.00g) off {A} to what LVM chooses of {B}, {C}, {D}"],
        ),
    ],
)
def test_a_dry_run_says_what_would_be_done_and_touches_nothing(api, storage, action, body, acts):
    assert planned(api, action, body) == {
        "action": action,
        "volume_id": V1,
        "host": "storage1",
        "vg_name": "vol",
        "lv_name": f"volume-{V1}",
        "acts": acts,
        "reason": None,
    }
    assert storage.ran == []
    assert flows(api) == []


def test_a_dry_run_of_a_volume_that_nobody_uses(api, storage):
    storage.volume.active = False
    mirror, move = {"mirror_count": 2}, {"source_pv": A, "dest_pv": C}
    use = "activate it on the storage node"
    assert planned(api, "mirror", mirror)["acts"] == [use, *MIRRORED, INACTIVE]
    assert planned(api, "pv-migrate", move)["acts"] == [MOVED, INACTIVE]


def planned(api, action, body):
    return act(api, action, {**body, "dry_run": True}, status=200).json["plan"]


def test_a_dry_run_of_a_mirror_knows_what_is_there(api, storage):
    storage.volume.copies, storage.volume.notes = [[(B, 256)]], [A, B]
    assert planned(api, "mirror", {"mirror_count": 0})["acts"] == ["drop 1 copy"]
    enough = planned(api, "mirror", {"mirror_count": 1})
    assert (enough["acts"], enough["reason"]) == ([], f"volume-{V1} has 1 copy besides the first already")
    storage.volume.filled, storage.volume.filling_since = 1, storage.clock.now()
    assert planned(api, "mirror", {"mirror_count": 1})["acts"] == ["watch until all copies are the same"]
    assert planned(api, "mirror", {"mirror_count": 0})["acts"] == [
        f"wait while the copies of volume-{V1} are being filled: 0 %",
        "drop 1 copy",
    ]
    wait, _ = planned(api, "pv-migrate", {"source_pv": B, "dest_pv": C})["acts"]
    assert wait == f"wait while the copies of volume-{V1} are being filled"


def test_a_dry_run_knows_of_a_move_under_way(api, storage):
    storage.begin_move(f"volume-{V1}", A, B)
    assert planned(api, "pv-migrate", {"source_pv": A})["acts"] == [
        f"watch the move off {A} that is under way, at 0 %"
    ]
    wait = f"wait while volume-{V1} is being moved off {A}"
    assert planned(api, "pv-migrate", {"source_pv": B, "dest_pv": C})["acts"] == [
        wait,
        f"move what it has by then off {B} to {C}",
    ]
    assert planned(api, "mirror", {"mirror_count": 1})["acts"][0] == wait


@pytest.mark.parametrize(
    ("action", "body", "why"),
    [
        ("mirror", {"mirror_count": 4}, "room for 3 of 4 more copies of 1.00g"),
        ("pv-migrate", {"source_pv": B}, "has nothing on /dev/sdb; it lies on /dev/sda"),
    ],
)
def test_a_dry_run_says_what_would_be_refused(api, storage, action, body, why):
    plan = planned(api, action, body)
    assert (plan["acts"], why in plan["reason"]) == ([], True)
    storage.group.lock_type, storage.group.locks = "sanlock", {f"volume-{V1}": ["compute7"]}
    for held in ({"mirror_count": 1}, {"source_pv": A}):
        plan = planned(api, "mirror" if "mirror_count" in held else "pv-migrate", held)
        assert (plan["acts"], "held alone by compute7" in plan["reason"]) == ([], True)


def test_a_dry_run_takes_the_same_right_and_the_same_body(api, storage):
    wish = {"mirror_count": 1, "dry_run": True}
    act(api, "mirror", wish, status=403, role="member")
    refused = act(api, "pv-migrate", {"source_pv": "/dev/nothere", "dry_run": True}, status=422)
    assert list(refusal(refused)["errors"]) == ["source_pv"]
    act(api, "mirror", {**wish, "dry_run": False})
    assert [row.params for row in flows(api)] == [{**PLACE, "mirror_count": 1}]


def test_roles(api, storage):
    for role in ("reader", "member"):
        act(api, "mirror", {"mirror_count": 1}, status=403, role=role)
        act(api, "pv-migrate", {"source_pv": A}, status=403, role=role)


def test_without_a_cloud(api):
    api.get("/v1/volumes/", 501)
    api.get("/v1/volume-backends/", 501)

"""The Compute portal of a running demo: a tenant's story with the document's requests, and its description."""

from __future__ import annotations

import time
from types import SimpleNamespace

import httpx

from tests.e2e.test_conformance import PHASES, compare

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl user@host"


def portal(demo, tenant):
    """What sends requests with a token of the tenant's owner."""
    headers = {"Authorization": f"Bearer {demo.tenant_token(tenant)}"}
    return httpx.Client(base_url=f"{demo.url}/api/cloud/compute", headers=headers, timeout=30)


def done(demo, response):
    """What became of the task that a request has started."""
    assert response.status_code == 200, response.text
    for _ in range(300):
        task = demo.get(response.headers["Location"]).json()
        if task["ended_at"]:
            assert task["status"] == "SUCCESS", task
            return task["result"]
        time.sleep(0.2)
    raise AssertionError(task)


def test_a_tenants_story(demo):
    with portal(demo, "shop") as shop, portal(demo, "lab") as lab:
        original = shop.get("/instances/list").json()[0]
        flavor = next(one for one in shop.get("/instances/flavors").json() if one["name"] == "m1.small")
        assert shop.post("/keypairs", json={"name": "my-keypair", "publicKey": KEY}).status_code == 201
        wish = {
            "name": "web-01",
            "image": original["image_id"],
            "imageName": "Ubuntu 22.04",
            "flavor": flavor["id"],
            "securityGroups": [{"value": "default", "label": "default"}],
            "key_name": "my-keypair",
            "is_public": "shouldbetrue",
            "dname": "app.example.com",
            "enable_ssh": True,
            "user_data": "#cloud-config\nhostname: web-01\n",
        }
        made = done(demo, shop.post("/instances/create", json=wish))

        found = next(one for one in shop.get("/instances/list").json() if one["id"] == made["instance_id"])
        assert (found["name"], found["status"], found["key_name"]) == ("web-01", "ACTIVE", "my-keypair")
        assert made["address"] in found["addresses"]
        assert set(found["security_groups"]) == {"default", "cloudmanager-ssh"}
        here = SimpleNamespace(id=found["id"], body={"instanceId": found["id"]})
        assert shop.get(f"/instances/{here.id}/volumes").json() == []
        volume = {
            "volumeId": next(
                one["volumes"][0] for one in shop.get("/instances/list").json() if one["volumes"]
            )
        }
        check_that_it_is_nobody_elses(lab, here, volume)

        console = shop.post("/instances/console", json=here.body)
        assert (console.status_code, console.json()["type"]) == (201, "novnc")
        assert "web-01" in shop.get(f"/instances/{here.id}/logs").json()["output"]
        assert shop.get(f"/instances/{here.id}/actionlog").json()[-1]["action"] == "create"
        released = done(demo, shop.post("/instance/make-private", json=here.body))
        assert released["released"] == [made["address"]]
        done(demo, shop.post("/instance/make-public", json=here.body))
        done(demo, shop.post("/snapshot", json={**here.body, "snapshotName": "snap"}))
        (snapshot,) = shop.get("/snapshots").json()
        assert (snapshot["name"], snapshot["instance_id"]) == ("snap", here.id)
        done(demo, shop.post("/backup", json={**volume, "backupName": "nightly"}))
        (backup,) = shop.get("/backups").json()
        for path in (f"/snapshot/{snapshot['id']}", f"/backup/{backup['id']}", "/keypairs/my-keypair"):
            assert shop.delete(path).status_code == 204
        deleted = done(demo, shop.delete(f"/instances/delete/{here.id}"))
        assert len(deleted["released"]) == 1
        assert (
            shop.post("/instance/attach-volume", json={"instanceId": original["id"], **volume}).status_code
            == 409
        )
        assert shop.get("/overview").json()["floating_ips"]["used"] == 0


def check_that_it_is_nobody_elses(lab, here, volume):
    assert here.id not in {one["id"] for one in lab.get("/instances/list").json()}
    assert lab.get("/keypairs").json() == []
    assert lab.get(f"/instances/{here.id}/logs").status_code == 404
    assert lab.delete(f"/instances/delete/{here.id}").status_code == 404
    for path in ("console", "make-public"):
        where = f"/instances/{path}" if path == "console" else f"/instance/{path}"
        assert lab.post(where, json=here.body).status_code == 404
    assert lab.post("/backup", json={**volume, "backupName": "b"}).status_code == 404


def test_the_portal_is_as_it_is_described(demo):
    """With a cloud behind it, which the test of all operations does not have."""
    bounds = ["--max-examples", "2", "--include-path-regex", "^/api/cloud/compute/"]
    code, output = compare(demo, "--checks", "all", "--phases", PHASES, *bounds, timeout=120)
    assert code == 0, output
    assert "Selected: 22/" in output
    assert "Traceback" not in demo.errors()

"""OneCloud's clients on the running demo: they log in through it, look, make a server and delete it."""

from __future__ import annotations

import shlex
import uuid

import httpx
import pytest

from tests.e2e.product import wait_until


@pytest.fixture(scope="module")
def known(demo):
    """What the demo tells its administrator of the cloud."""
    exports = (shlex.split(line)[1] for line in demo.directory.openrc.read_text().splitlines())
    return dict(pair.split("=", 1) for pair in exports)


@pytest.fixture(scope="module")
def console(demo, known):
    """A client that has logged in as the document shows."""
    user = {"name": known["OS_USERNAME"], "password": known["OS_PASSWORD"], "Domain": {"name": "Default"}}
    scope = {"project": {"name": known["OS_PROJECT_NAME"], "domain": {"name": "Default"}}}
    identity = {"methods": ["password"], "password": {"user": user}}
    answer = httpx.post(
        f"{demo.url}/v3/auth/tokens", json={"auth": {"identity": identity, "scope": scope}}, timeout=30
    )
    assert answer.status_code == 201, answer.text
    assert answer.json()["token"]["project"]["Name"] == known["OS_PROJECT_NAME"]
    headers = {"X-Auth-Token": answer.headers["X-Subject-Token"], "Content-Type": "application/json"}
    with httpx.Client(base_url=demo.url, headers=headers, timeout=30) as client:
        yield client


def test_the_documents_list(console):
    answer = console.get("/servers", params={"details": "true", "with_meta": "true", "limit": "1"})
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == "application/json; charset=UTF-8"
    [server] = answer.json()["servers"]
    assert answer.json()["total"] > 100
    assert server["host"]
    assert server["rack"]
    assert server["nics"]
    assert console.get(f"/servers/{server['id']}").json()["server"]["id"] == server["id"]


def test_a_server_from_making_to_deleting(console):
    [like] = console.get("/servers", params={"details": "true", "limit": "1"}).json()["servers"]
    name = f"e2e-{uuid.uuid4().hex[:8]}"
    wish = {
        "name": name,
        "flavor_id": like["flavor_id"],
        "disks_info": [{"image_id": next(d["image_id"] for d in like["disks_info"] if d["image_id"])}],
        "nics": [{"network_id": like["nics"][0]["network_id"]}],
    }
    answer = console.post("/servers", json={"server": wish})
    assert answer.status_code == 201, answer.text
    path = answer.headers["Location"]
    try:
        wait_until(lambda: console.get(path).json()["server"]["status"] == "running", within=30)
        console.put(path, json={"server": {"description": "from another cloud"}}).raise_for_status()
        found = console.get("/servers", params={"name": name}).json()
        assert [server["description"] for server in found["servers"]] == ["from another cloud"]
    finally:
        assert console.delete(path).status_code == 204
    wait_until(lambda: console.get(path).status_code == 404, within=30)

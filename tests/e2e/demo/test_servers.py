"""Servers of the demo's cloud over real sockets: the product acts, OpenStack's own SDK looks.

Only servers and volumes that the tests make are touched, and they are deleted in the end.
"""

from __future__ import annotations

import shlex
import uuid

import openstack
import pytest

from tests.e2e.product import wait_until
from tests.e2e.tasks import ended

pytestmark = pytest.mark.filterwarnings("ignore::openstack.warnings._RemovedInSDKWarning")


TENANT = "shop"


def connected(demo, **others):
    """The demo's administrator."""
    exports = (shlex.split(line)[1] for line in demo.directory.openrc.read_text().splitlines())
    said = dict(pair.split("=", 1) for pair in exports)
    names = ("auth_url", "username", "password", "project_name", "user_domain_name", "project_domain_name")
    return openstack.connect(
        **{name: said[f"OS_{name.upper()}"] for name in names} | others,
        compute_default_microversion="2.96",
        load_yaml_config=False,
        load_envvars=False,
    )


@pytest.fixture(scope="module")
def sdk(demo):
    """In a project in which the daemon has no role."""
    connection = connected(demo)
    yield connection
    connection.close()


@pytest.fixture(scope="module")
def shop(demo):
    """In a tenant's project, in which it has one."""
    connection = connected(demo, project_name=TENANT)
    yield connection
    connection.close()


class Servers:
    """Makes servers, and deletes all that was made here or by a clone of it."""

    def __init__(self, sdk):
        self.sdk = sdk
        self.prefix = f"e2e-{uuid.uuid4().hex[:8]}"

    def boot(self, *, volume=False, **wish):
        compute = self.sdk.compute
        [flavor, *_], [image, *_] = list(compute.flavors()), list(self.sdk.image.images())
        [network, *_] = list(self.sdk.network.networks())
        server = compute.create_server(
            name=self.prefix,
            flavor_id=flavor.id,
            image_id=image.id,
            networks=[{"uuid": network.id}],
            metadata={"tier": "front"},
            **wish,
        )
        self.until(server.id, "ACTIVE")
        if volume:
            made = self.sdk.block_storage.create_volume(size=1, name=self.prefix)
            wait_until(lambda: self.sdk.block_storage.get_volume(made.id).status == "available", within=30)
            compute.create_volume_attachment(server.id, volume_id=made.id)
            wait_until(lambda: self.sdk.block_storage.get_volume(made.id).status == "in-use", within=30)
        return server.id

    def until(self, server_id, status):
        def reached():
            server = self.sdk.compute.get_server(server_id)
            return server.status == status and server.task_state is None

        wait_until(reached, within=30)

    def found(self):
        return [one for one in self.sdk.compute.servers() if one.name.startswith(self.prefix)]

    def volumes(self):
        return [one for one in self.sdk.block_storage.volumes() if (one.name or "").startswith(self.prefix)]

    def snapshots(self):
        return [one for one in self.sdk.block_storage.snapshots() if (one.name or "").startswith(self.prefix)]

    def images(self):
        return [one for one in self.sdk.image.images() if (one.name or "").startswith(self.prefix)]

    def delete_all(self):
        for server in self.found():
            self.sdk.compute.delete_server(server.id)
        wait_until(lambda: not self.found(), within=30)
        for volume in self.volumes():
            self.sdk.block_storage.delete_volume(volume.id)
        wait_until(lambda: not self.volumes(), within=30)


@pytest.fixture
def servers(sdk):
    made = Servers(sdk)
    yield made
    made.delete_all()


@pytest.fixture
def tenants_servers(shop):
    made = Servers(shop)
    yield made
    made.delete_all()


def act(demo, server_id, action, **body):
    answer = demo.post(f"/v1/servers/{server_id}/actions/{action}", body)
    assert answer.status_code == 202, answer.text
    return ended(demo, answer.headers["Location"].rpartition("/")[2], within=60)


def test_a_server_sleeps_and_wakes(demo, servers, sdk):
    server_id = servers.boot()
    sdk.compute.suspend_server(server_id)
    servers.until(server_id, "SUSPENDED")
    task = act(demo, server_id, "wakeup")
    assert task["status"] == "SUCCESS", task
    assert sdk.compute.get_server(server_id).status == "ACTIVE"


def test_a_server_in_error_is_repaired(demo, servers, sdk):
    server_id = servers.boot()
    sdk.compute.reset_server_state(server_id, "error")
    task = act(demo, server_id, "repair")
    assert task["status"] == "SUCCESS", task
    assert task["result"]["did"] == ["reboot it hard"]
    assert sdk.compute.get_server(server_id).status == "ACTIVE"
    actions = [action.action for action in sdk.compute.server_actions(server_id)]
    assert actions.count("reboot") == 1


def test_a_server_in_error_is_recovered(demo, servers, sdk):
    server_id = servers.boot()
    sdk.compute.reset_server_state(server_id, "error")
    task = act(demo, server_id, "recover")
    assert task["result"]["did"] == ["reset its state to active", "reboot it hard"]
    assert task["status"] == "SUCCESS", task


def test_a_server_is_balanced(demo, servers, sdk):
    server_id = servers.boot()
    before = sdk.compute.get_server(server_id).compute_host
    task = act(demo, server_id, "balance")
    assert task["status"] == "SUCCESS", task
    after = sdk.compute.get_server(server_id).compute_host
    assert after == task["result"]["to"] != before


@pytest.fixture
def belongings(shop, tenants_servers):
    """A security group of the tenant's, and a key pair that is not the daemon's."""
    name = tenants_servers.prefix
    group = shop.network.create_security_group(name=name)
    shop.compute.create_keypair(name=name)
    yield {"security_groups": [{"name": name}], "key_name": name}
    tenants_servers.delete_all()
    shop.compute.delete_keypair(name)
    shop.network.delete_security_group(group.id)


def test_a_server_is_cloned_with_its_volume_in_its_project(demo, tenants_servers, belongings, shop):
    server_id = tenants_servers.boot(volume=True, user_data="IyEK", **belongings)
    task = act(demo, server_id, "clone", count=2)
    assert task["status"] == "SUCCESS", task
    prefix, project_id = tenants_servers.prefix, shop.current_project_id
    original = shop.compute.get_server(server_id)
    clones = [shop.compute.get_server(clone["id"]) for clone in task["result"]["clones"]]
    assert [clone.name for clone in clones] == [f"{prefix}-clone-1", f"{prefix}-clone-2"]
    for clone in clones:
        assert (clone.status, clone.project_id) == ("ACTIVE", project_id)
        assert (clone.metadata, clone.user_data) == ({"tier": "front"}, "IyEK")
        assert clone.security_groups == original.security_groups == [{"name": prefix}]
        assert clone.addresses.keys() == original.addresses.keys()
        assert len(clone.attached_volumes) == 1
        assert clone.key_name is None
    [not_copied] = task["result"]["not_copied"]
    assert not_copied.startswith(f"without key pair {prefix} of user {original.user_id}")
    attached = {clone.attached_volumes[0]["id"] for clone in (original, *clones)}
    assert len(attached) == 3
    assert {shop.block_storage.get_volume(one).project_id for one in attached} == {project_id}
    wait_until(lambda: not tenants_servers.snapshots() and not tenants_servers.images(), within=30)


def test_a_clone_that_fails_leaves_nothing(demo, tenants_servers):
    server_id = tenants_servers.boot(volume=True)
    assert demo.cli("lab", "fault", "cinder", "fail=create").returncode == 0
    try:
        task = act(demo, server_id, "clone", count=1)
    finally:
        assert demo.cli("lab", "heal", "cinder").returncode == 0
    assert task["status"] == "FAILURE", task
    assert [server.id for server in tenants_servers.found()] == [server_id]
    assert len(tenants_servers.volumes()) == 1
    assert tenants_servers.snapshots() == tenants_servers.images() == []


def test_a_clone_in_a_project_without_a_role_is_refused(demo, servers, sdk):
    server_id = servers.boot()
    answer = demo.post(f"/v1/servers/{server_id}/actions/clone", {"count": 1})
    assert answer.status_code == 409, answer.text
    said = answer.json()["error"]["message"]
    assert f"into project {sdk.current_project_id}" in said
    assert f"openstack role add --project {sdk.current_project_id} --user USER member" in said
    assert [server.id for server in servers.found()] == [server_id]


def test_system_metadata_is_that_of_novas_database(demo, servers):
    url = f"/v1/system_metadata/{servers.boot()}"
    before = demo.get(url).json()["metadata"]
    assert before["image_container_format"] == "bare"
    assert demo.request("PUT", url, json={"cpu_benchmark": "test"}).status_code == 204
    assert demo.get(url).json()["metadata"] == {**before, "cpu_benchmark": "test"}
    assert demo.request("DELETE", f"{url}/removed/cpu_benchmark").status_code == 204
    assert demo.get(url).json()["metadata"] == before

"""From records of OpenStack to OneCloud's fields: what is hard to have in a simulated cloud."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from cloudmanager.api.onecloud.around import Around, look_around
from cloudmanager.api.onecloud.shown import brief, details, status
from cloudmanager.api.onecloud.token_words import for_keystone
from cloudmanager.errors import CloudRefused, NotFound
from cloudmanager.openstack.definitions import Image, Volume
from cloudmanager.openstack.plugs import Plug
from cloudmanager.openstack.records import AttachedVolume, Flavor, Server


def server(**record):
    usual = {
        "id": "s1",
        "name": "web",
        "status": "ACTIVE",
        "vm_state": "active",
        "task_state": None,
        "host": "h1",
        "flavor": Flavor("m1", 2, 4096, 30),
        "project_id": "p",
        "image_id": "i",
    }
    return Server(**(usual | record))


def volume(key, *, bootable=False):
    return Volume(key, f"name of {key}", "in-use", 2, "lvm", bootable, "nova", "p", None, ("s1",))


@pytest.mark.parametrize(
    ("vm_state", "task", "word"),
    [
        ("active", None, "running"),
        ("stopped", None, "ready"),
        ("paused", None, "suspend"),
        ("suspended", None, "suspend"),
        ("shelved_offloaded", None, "ready"),
        ("building", "spawning", "deploying"),
        ("error", None, "unknown"),
        ("active", "deleting", "deleting"),
        ("active", "powering-off", "stopping"),
        ("stopped", "powering-on", "starting"),
        ("active", "migrating", "live_migrating"),
        ("active", "image_snapshot", "running"),
        ("something new", None, "unknown"),
    ],
)
def test_states_in_onecloud_words(vm_state, task, word):
    assert status(server(vm_state=vm_state, task_state=task)) == word


def test_a_server_that_boots_from_a_volume_has_that_first():
    one = server(image_id=None, volumes=(AttachedVolume("v1"), AttachedVolume("v2")))
    around = Around(volumes={"v1": volume("v1"), "v2": volume("v2", bootable=True)})
    shown = details(one, around, {})
    assert [(d["id"], d["disk_type"], d["index"]) for d in shown["disks_info"]] == [
        ("v2", "sys", 0),
        ("v1", "data", 1),
    ]
    assert (shown["disk"], shown["disks"]) == (4096, "disk0:2048M,disk1:2048M")


def test_a_volume_that_nobody_knows_has_no_size_and_there_is_no_sum():
    shown = details(server(volumes=(AttachedVolume("v1"),)), Around(), {})
    assert [disk["size"] for disk in shown["disks_info"]] == [30720, None]
    assert (shown["disk"], shown["disks"], shown["disk_count"]) == (None, "disk0:30720M", 2)


def test_both_kinds_of_addresses():
    plug = Plug("p1", "s1", "n1", "fa:16:3e:00:00:01", ("2001:db8::5", "10.0.0.5", "10.0.0.6"), ("g1",), None)
    around = Around(plugs={"s1": [plug]}, networks={"n1": "front"}, groups={"g1": "web"})
    shown = details(server(), around, {})
    [nic] = shown["nics"]
    assert (nic["ip_addr"], nic["ip6_addr"], nic["is_exit"]) == ("10.0.0.5", "2001:db8::5", False)
    assert (shown["eip"], shown["eip_mode"], shown["src_ip_check"]) == (None, None, None)
    assert shown["secgroups"] == [{"id": "g1", "name": "web"}]


def test_times_and_locks():
    shown = brief(
        server(locked=True, created_at=datetime(2020, 7, 21, 7, 40, 4, 999, UTC)), hosts=False, region=None
    )
    assert shown["created_at"] == "2020-07-21T07:40:04Z"
    assert (shown["can_delete"], shown["disable_delete"], shown["host"]) == (False, True, None)


# --- asking ------------------------------------------------------------------------------------------------


class Cloud:
    """Answers what it is asked, and remembers what."""

    def __init__(self, **without):
        self.asked = []
        self.without = without

    def __getattr__(self, verb):
        async def answer(*args, **_):
            self.asked.append(verb)
            if verb in self.without:
                raise self.without[verb]
            if verb == "volume":
                return volume(args[0])
            if verb == "all_volumes":
                return [volume(f"v{number}") for number in range(40)]
            if verb == "find_images":
                return [
                    Image("i", "debian", "active", 1, {"os_distro": "debian"}),
                    Image("j", "", "active", 1),
                ]
            return [] if verb in ("plugs_of", "services", "hypervisors") else {}

        return answer


def look(cloud, servers, *, hosts=True):
    return asyncio.run(look_around(cloud, servers, hosts=hosts))


def test_many_volumes_are_asked_for_at_once():
    few, many = Cloud(), Cloud()
    found = look(few, [server(volumes=(AttachedVolume("v1"), AttachedVolume("v2")))])
    assert (set(found.volumes), few.asked.count("volume"), "all_volumes" in few.asked) == (
        {"v1", "v2"},
        2,
        False,
    )
    wanted = tuple(AttachedVolume(f"v{number}") for number in range(17))
    found = look(many, [server(volumes=wanted)])
    assert (len(found.volumes), many.asked.count("all_volumes"), "volume" in many.asked) == (17, 1, False)


def test_only_images_of_these_servers_are_kept():
    assert set(look(Cloud(), [server()]).images) == {"i"}


def test_hosts_are_not_asked_for_those_who_do_not_see_them():
    cloud = Cloud()
    look(cloud, [server()], hosts=False)
    assert not {"services", "hypervisors"} & set(cloud.asked)


def test_services_that_a_cloud_does_not_have_leave_null():
    absent = CloudRefused("Neutron has no endpoint that fits", status=404)
    cloud = Cloud(plugs_of=absent, find_images=absent, all_volumes=absent, volume=absent)
    around = look(cloud, [server(volumes=(AttachedVolume("v1"),))])
    shown = details(server(volumes=(AttachedVolume("v1"),)), around, {})
    assert "nics" not in shown
    assert (shown["disk"], shown["os_name"]) == (None, None)


def test_refusals_of_services_that_are_there_are_not_hidden():
    with pytest.raises(CloudRefused):
        look(Cloud(plugs_of=CloudRefused("no", status=403)), [server()])


def test_a_volume_that_has_gone_meanwhile_is_left_out():
    around = look(Cloud(volume=NotFound("no volume")), [server(volumes=(AttachedVolume("v1"),))])
    assert around.volumes == {}


# --- logins ------------------------------------------------------------------------------------------------


def test_blanks_are_left_out_and_the_rest_passes():
    auth = {
        "context": {"ip": "1.2.3.4"},
        "identity": {
            "methods": ["password"],
            "cas_ticket": {"id": ""},
            "password": {
                "user": {"Domain": {"id": "", "name": "Default"}, "id": "", "name": "u", "password": "p"}
            },
        },
        "scope": {
            "domain": {"id": "", "name": ""},
            "project": {"domain": {"id": "default"}, "name": "fleet"},
        },
    }
    assert for_keystone(auth) == {
        "identity": {
            "methods": ["password"],
            "password": {"user": {"domain": {"name": "Default"}, "name": "u", "password": "p"}},
        },
        "scope": {"project": {"domain": {"id": "default"}, "name": "fleet"}},
    }


def test_what_is_nested_deep_is_passed_on_as_it_is():
    deep = {"a": {}}
    for _ in range(900):
        deep = {"a": deep}
    assert for_keystone({"identity": deep})["identity"]["a"]
    assert for_keystone({"identity": {}}) == {"identity": {}}

"""Which spare stands in for a lost host, and whether servers have room without one."""

from __future__ import annotations

import itertools

import pytest

from cloudmanager.flows.hosts.room import UNKNOWN, Room, all_go_in, room_of
from cloudmanager.flows.hosts.spare_choice import Need, Spare, choose, to_join
from cloudmanager.openstack.records import Aggregate, CpuModel, Flavor, Hypervisor, Service

SKYLAKE, ARM = CpuModel("x86_64", "Intel", "Skylake"), CpuModel("aarch64", "ARM", "N1")
LOST = Hypervisor("hv-lost", "lost", "lost", "QEMU", up=False, enabled=True, cpu=SKYLAKE)
SMALL, BIG = Flavor("small", 1, 1024, 0), Flavor("big", 8, 16384, 0)
ZONE = Aggregate(1, "zone1", "z1", frozenset({"lost"}))
SSD = Aggregate(2, "ssd", None, frozenset({"lost", "near"}), {"ssd": "true"})
NEED = Need("lost", (SMALL, BIG), LOST, (ZONE, SSD))


def service(host, *, up=False, enabled=False, forced_down=False):
    return Service(f"id-{host}", host, enabled, None, up, forced_down, None)


def spare(host, node_id=1, *, cpu=SKYLAKE, servers=0, ram=65536, **facts):
    hypervisor = Hypervisor(
        f"hv-{host}",
        host,
        host,
        "QEMU",
        up=False,
        enabled=False,
        ram_mb=ram,
        running_servers=servers,
        cpu=cpu,
    )
    known = {"service": service(host), "hypervisor": hypervisor, "room": room_of(hypervisor)}
    return Spare(node_id, host, **(known | facts))


def best(*spares, need=NEED):
    return [each.host for each in choose(spares, need).fitting]


def test_a_spare_that_nothing_speaks_against_fits():
    assert best(spare("a")) == ["a"]


@pytest.mark.parametrize(
    ("unfit", "why"),
    [
        pytest.param(spare("lost"), "the lost host itself", id="itself"),
        pytest.param(spare("a", condition=1), "condition is 1", id="not reserved"),
        pytest.param(spare("a", lent_for="other"), "lent for other", id="lent"),
        pytest.param(spare("a", held_by="t1"), "task t1 holds it", id="held"),
        pytest.param(spare("a", has_control=False), "no power control", id="no control"),
        pytest.param(spare("a", service=service("a", forced_down=True)), "declared down", id="forced down"),
        pytest.param(spare("a", service=service("a", up=True, enabled=True)), "takes servers", id="in use"),
        pytest.param(spare("a", servers=2), "it has 2 servers", id="servers"),
        pytest.param(spare("a", cpu=ARM), "another model", id="other CPU"),
        pytest.param(spare("a", ram=512), "none of the servers goes in", id="too small"),
    ],
)
def test_what_speaks_against_a_spare_is_told(unfit, why):
    choice = choose([unfit], NEED)
    assert choice.fitting == ()
    assert why in choice.why_none()


@pytest.mark.parametrize(
    "fit",
    [
        pytest.param(Spare(1, "a"), id="unknown to Nova"),
        pytest.param(spare("a", cpu=None), id="CPU not known"),
        pytest.param(spare("a", ram=None), id="memory not known"),
        pytest.param(spare("a", service=service("a", up=True)), id="runs, cordoned"),
        pytest.param(spare("a", service=service("a", enabled=True)), id="off, not cordoned"),
    ],
)
def test_what_is_not_known_does_not_speak_against_it(fit):
    assert best(fit) == ["a"]


def test_without_spares_that_is_said():
    assert choose([], NEED).why_none() == "no node of the class hypervisor is reserved"


def test_the_least_large_that_holds_all_is_best_and_else_the_largest():
    sizes = {"tiny": 2048, "large": 262144, "fitting": 32768, "less": 4096}
    spares = [spare(host, number, ram=ram) for number, (host, ram) in enumerate(sizes.items())]
    assert best(*spares) == ["fitting", "large", "less", "tiny"]


def test_one_that_can_join_its_zone_is_better_than_a_smaller_one():
    elsewhere = Aggregate(3, "zone2", "z2", frozenset({"a"}))
    assert best(spare("a", ram=32768, aggregates=(elsewhere,)), spare("b", 2)) == ["b", "a"]


def test_one_that_shares_metadata_is_better_and_one_that_nova_knows_first_of_all():
    near = spare("near", 2, aggregates=(SSD,))
    assert best(spare("a"), near, Spare(3, "0-new", room=Room(None, 20000))) == ["near", "a", "0-new"]


def test_the_choice_does_not_depend_on_the_order():
    spares = [spare("a", 3), spare("b", 1), spare("c", 2, ram=32768), spare("d", 4, held_by="t")]
    answers = {tuple(best(*order)) for order in itertools.permutations(spares)}
    assert answers == {("c", "a", "b")}


def test_a_host_joins_what_it_is_not_in_and_one_zone_only():
    second = Aggregate(5, "zone5", "z5", frozenset({"lost"}))
    joins, barred = to_join("near", [second, SSD, ZONE], [SSD])
    assert [aggregate.id for aggregate in joins] == [1]
    assert barred == {"zone5": "it is zone z5, and near is in z1"}


def test_two_aggregates_of_one_zone_are_both_joined():
    second = Aggregate(5, "more of zone1", "z1", frozenset({"lost"}))
    joins, barred = to_join("a", [ZONE, second], [])
    assert [aggregate.id for aggregate in joins] == [1, 5]
    assert barred == {}


def test_a_member_of_another_zone_says_so():
    own = Aggregate(9, "zone9", "z9", frozenset({"a"}))
    assert to_join("a", [ZONE], [own]) == ([], {"zone1": "it is zone z1, and a is in z9"})


# --- room --------------------------------------------------------------------------------------------------


def host(**facts):
    return Hypervisor("h", "h", "h", "QEMU", up=True, enabled=True, **facts)


@pytest.mark.parametrize(
    ("facts", "ratios", "room"),
    [
        pytest.param({}, (None, None), UNKNOWN, id="nothing known"),
        pytest.param(
            {"vcpus": 8, "vcpus_used": 4, "ram_mb": 1000, "ram_used_mb": 300},
            (None, None),
            Room(None, 700),
            id="no ratios",
        ),
        pytest.param(
            {"vcpus": 8, "vcpus_used": 4, "ram_mb": 1000, "ram_used_mb": 300},
            (4.0, 1.5),
            Room(28, 1200),
            id="ratios",
        ),
        pytest.param({"vcpus": 0, "ram_mb": 0}, (4.0, 1.0), UNKNOWN, id="never reported"),
    ],
)
def test_room_of_a_host(facts, ratios, room):
    assert room_of(host(**facts), ratios) == room


@pytest.mark.parametrize(
    ("flavors", "rooms", "go_in"),
    [
        pytest.param([], [], True, id="no servers"),
        pytest.param([SMALL], [], False, id="no hosts"),
        pytest.param([BIG, SMALL], [Room(None, 16384), Room(None, 1024)], True, id="each in its own"),
        pytest.param([SMALL, BIG], [Room(None, 16384), Room(None, 1023)], False, id="a little too small"),
        pytest.param([BIG], [Room(None, 8192), Room(None, 8192)], False, id="in pieces only"),
        pytest.param([BIG, BIG], [UNKNOWN], True, id="not known"),
        pytest.param([BIG], [Room(7, 65536)], False, id="too few vCPUs"),
    ],
)
def test_whether_servers_go_in(flavors, rooms, go_in):
    assert all_go_in(flavors, rooms) is go_in

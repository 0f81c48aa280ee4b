"""The promises of a tenant's cloud on the simulated one: what is made is found again, and nobody sees another's."""

import asyncio
import itertools

import pytest

from cloudmanager.errors import CloudError, Forbidden, NotFound
from cloudmanager.openstack.definitions import NewAttachment, NewServer
from cloudmanager.openstack.tenants import tenants_for
from cloudmanager.simulators.openstack.images import Image
from cloudmanager.simulators.openstack.networks.rows import Network, Subnet

from .sites import PASSWORD, Simulated, eventually

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl someone@example"
MARK = {"cloudmanager_portal": "3f0c"}
NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def place():
    """Two tenants, an image, a shared network and a public one; our user is a member of both projects."""
    place = Simulated()
    model, identity = place.model, place.model.identity
    service = identity.add_user("portal", PASSWORD)
    place.tenants = {}
    for name in ("red", "blue", "closed"):
        place.tenants[name] = identity.add_project(name).id
        if name != "closed":
            identity.grant(service, identity.projects[place.tenants[name]], "member")
    identity.grant(service, place.project, "member")

    async def seed():
        model.images.add(image := Image(name="tiny", visibility="public"))
        image.container_format, image.disk_format = "bare", "raw"
        model.images.upload(image, b"disk")
        networks = model.networks
        place.network = networks.add_network(Network(name="fleet", shared=True, project_id=place.project.id))
        inside = networks.add_subnet(Subnet(network_id=place.network.id, cidr="10.0.0.0/24"))
        place.public = networks.add_network(
            Network(name="public", external=True, project_id=place.project.id)
        )
        networks.add_subnet(Subnet(network_id=place.public.id, cidr="192.0.2.0/24"))
        networks.routing.plug(networks.routing.add("r", place.project.id, outside=place.public), inside)
        return image.id

    place.image = place.run(seed())
    yield place
    place.stop()


@pytest.fixture
async def clouds(place):
    clouds = tenants_for(place.configured(username="portal"))
    yield {name: clouds.of(project_id) for name, project_id in place.tenants.items()}
    await clouds.close()


@pytest.fixture
def red(clouds):
    return clouds["red"]


@pytest.fixture
def blue(clouds):
    return clouds["blue"]


def wish(place, name, **more):
    return NewServer(name, "1", place.image, networks=(place.network.id,), marker=MARK | {"n": name}, **more)


async def running(place, cloud, **more):
    """A server of a name of its own, which runs."""
    size = next(size for size in await cloud.sizes() if size.name == "m1.nano")
    new = wish(place, f"vm{next(NUMBERS)}", **more)
    made = await cloud.create_server(NewServer(**{**_fields(new), "flavor_id": size.id}))
    return await eventually(lambda: cloud.server(made.id), lambda server: server.status == "ACTIVE", 10)


def _fields(new):
    return {name: getattr(new, name) for name in new.__dataclass_fields__}


async def test_a_server_is_found_by_its_marker_in_its_project_alone(place, red, blue):
    server = await running(place, red)

    assert [one.id for one in await red.find_servers(MARK | {"n": server.name})] == [server.id]
    assert server.id in {one.id for one in await red.servers()}
    assert await blue.find_servers(MARK | {"n": server.name}) == ()
    assert server.id not in {one.id for one in await blue.servers()}
    with pytest.raises(NotFound):
        await blue.server(server.id)
    assert (await red.deeds(server.id))[-1].action == "create"
    assert server.name in await red.console_log(server.id, 5)

    await red.delete_server(server.id)
    await red.delete_server(server.id)


async def test_an_administrator_sees_no_more(place, clouds):
    """Nova shows all servers to our user where it is an administrator; the port does not."""
    server = await running(place, clouds["red"])
    admin = place.model.identity.user_named("admin")
    identity = place.model.identity
    identity.grant(admin, identity.projects[place.tenants["blue"]], "admin")
    all_seeing = tenants_for(place.configured(username="admin"))
    blue = all_seeing.of(place.tenants["blue"])
    volume = await clouds["red"].create_volume("secret", 1, MARK)
    image = await clouds["red"].create_image(server.id, "secret", MARK)

    with pytest.raises(NotFound):
        await blue.server(server.id)
    with pytest.raises(NotFound):
        await blue.volume(volume.id)
    with pytest.raises(NotFound):
        await blue.image(image.id)
    assert (await blue.image(place.image)).name == "tiny"
    assert await blue.servers() == ()
    assert await blue.snapshots() == ()
    assert await blue.backups() == ()
    assert await blue.floating_ips() == ()
    assert {group.name for group in await blue.security_groups()} <= {"default"}
    await all_seeing.close()
    await clouds["red"].delete_image(image.id)


async def test_keypairs_of_projects_do_not_meet(place, red, blue):
    made = await red.create_keypair("laptop", KEY)
    await blue.create_keypair("laptop", KEY)

    assert (made.name, made.public_key) == ("laptop", KEY)
    assert [one.name for one in await red.keypairs()] == ["laptop"]
    server = await running(place, red, key_name=red.keypair_in_nova("laptop"))
    assert server.key_name == f"{place.tenants['red']} laptop"
    await red.delete_keypair("laptop")
    assert await red.keypairs() == ()
    assert [one.name for one in await blue.keypairs()] == ["laptop"]
    for name in ("laptop", "none", "../flavors", f"../{place.tenants['blue']} laptop"):
        with pytest.raises(NotFound):
            await red.delete_keypair(name)


async def test_volumes_and_backups(place, red, blue):
    made = await red.create_volume("data", 2, MARK)
    volume = await eventually(lambda: red.volume(made.id), lambda one: one.status == "available", 10)
    assert (volume.name, volume.size_gb) == ("data", 2)
    assert made.id in {one.id for one in await red.find_volumes(MARK)}
    with pytest.raises(NotFound):
        await blue.volume(made.id)

    server = await running(place, red, attachments=(NewAttachment(made.id),))
    assert [disk.volume_id for disk in await red.disks(server.id)] == [made.id]

    backup = await red.create_backup(made.id, "nightly", "mark of it")
    done = await eventually(red.backups, lambda found: found and found[0].status == "available", 10)
    assert [(one.id, one.name, one.description) for one in done] == [(backup.id, "nightly", "mark of it")]
    assert await blue.backups() == ()
    await red.delete_backup(backup.id)
    await eventually(red.backups, lambda found: not found, 10)


async def test_snapshots(place, red, blue):
    server = await running(place, red)
    made = await red.create_image(server.id, "snap", MARK)

    found = await eventually(red.snapshots, lambda found: found and found[0].status == "active", 10)
    assert [one.id for one in found] == [made.id]
    assert [one.id for one in await red.find_images(MARK)] == [made.id]
    assert await blue.snapshots() == ()
    with pytest.raises(NotFound):
        await blue.image(made.id)


async def test_a_public_address(place, red, blue):
    server = await running(place, red)
    (port,) = await red.ports(server.id)
    assert await blue.ports(server.id) == ()
    assert {network.name: network.external for network in await red.networks()} == {
        "fleet": False,
        "public": True,
    }

    address = await red.create_floating_ip(place.public.id, port.id, "mark of it")
    assert address.port_id == port.id
    assert address.address.startswith("192.0.2.")
    assert [(one.id, one.description) for one in await red.floating_ips()] == [(address.id, "mark of it")]
    assert await blue.floating_ips() == ()
    await red.unplug_floating_ip(address.id)
    assert (await red.floating_ips())[0].port_id is None
    await red.delete_floating_ip(address.id)
    await red.delete_floating_ip(address.id)
    assert await red.floating_ips() == ()


async def test_a_security_group_lets_in_once(place, red, blue):
    group = await red.create_security_group("ssh", "mark of it")
    await red.let_in(group.id, 22, "0.0.0.0/0")
    await red.let_in(group.id, 22, "0.0.0.0/0")

    assert ("ssh", "mark of it") in {(one.name, one.description) for one in await red.security_groups()}
    assert group.id not in {one.id for one in await blue.security_groups()}
    server = await running(place, red, security_groups=(group.id,))
    assert server.security_groups == ("ssh",)
    with pytest.raises(CloudError) as refused:
        await red.delete_security_group(group.id)
    assert refused.value.status == 409


async def test_allowances(red):
    compute, storage = await asyncio.gather(red.compute_allowances(), red.storage_allowances())

    assert set(compute) == {"instances", "cores", "ram_mb"}
    assert set(storage) == {"volumes", "gigabytes", "volume_snapshots", "backups"}
    assert all(one.used is not None for one in (*compute.values(), *storage.values()))
    assert set(await red.network_allowances()) <= {"floating_ips", "security_groups"}


async def test_a_project_without_our_user_says_what_its_operator_has_to_do(place, clouds):
    for ask in (clouds["closed"].servers, clouds["closed"].log_in):
        with pytest.raises(Forbidden) as refused:
            await ask()

        assert f"openstack role add --project {place.tenants['closed']}" in refused.value.message
        assert PASSWORD not in refused.value.message


async def test_a_project_that_lets_our_user_in_no_longer_says_so_too(place):
    identity = place.model.identity
    left = identity.add_project("left")
    identity.grant(identity.user_named("portal"), left, "member")
    tenants = tenants_for(place.configured(username="portal"))
    cloud = tenants.of(left.id)
    assert await cloud.servers() == ()
    identity.grant(identity.user_named("portal"), left)
    for token in [one for one in identity.tokens.values() if one.project_id == left.id]:
        identity.revoke(token)

    with pytest.raises(Forbidden, match=f"openstack role add --project {left.id}"):
        await cloud.servers()
    await tenants.close()


async def test_copies_of_a_volume_belong_to_the_project(place, red, blue):
    volume = await red.create_volume("original", 1, MARK)
    await eventually(lambda: red.volume(volume.id), lambda now: now.status == "available", 10)
    mark = MARK | {"n": f"copy{next(NUMBERS)}"}
    snapshot = await red.snapshot_volume(volume.id, "means", mark)
    await eventually(lambda: red.find_snapshots(mark), lambda found: found[0].status == "available", 10)
    copy = await red.create_volume_from_snapshot(snapshot.id, "copy", mark)
    found = await eventually(lambda: red.find_volumes(mark), lambda now: now[0].status == "available", 10)

    assert [(one.id, one.project_id) for one in found] == [(copy.id, place.tenants["red"])]
    assert await blue.find_snapshots(mark) == await blue.find_volumes(mark) == ()
    with pytest.raises(NotFound):
        await blue.snapshot_volume(volume.id, "stolen", mark)
    with pytest.raises(NotFound):
        await blue.create_volume_from_snapshot(snapshot.id, "stolen", mark)
    for _ in range(2):
        await red.delete_snapshot(snapshot.id)
    await eventually(lambda: red.find_snapshots(mark), lambda found: found == (), 10)


async def test_a_snapshot_belongs_to_whoever_has_it_taken(place, red):
    """As Cinder has it: also that of an administrator who sees the volumes of all."""
    volume = await red.create_volume("original", 1, MARK)
    await eventually(lambda: red.volume(volume.id), lambda now: now.status == "available", 10)
    mark = MARK | {"n": f"taken{next(NUMBERS)}"}
    tenants = tenants_for(place.configured(username="admin"))
    fleet = tenants.of(place.project.id)
    snapshot = await fleet.snapshot_volume(volume.id, "strange", mark)

    assert [one.id for one in await fleet.find_snapshots(mark)] == [snapshot.id]
    assert await red.find_snapshots(mark) == ()
    await tenants.close()


async def test_projects_are_remembered_and_forgotten(place):
    clouds = tenants_for(place.configured(username="portal"))
    first = clouds.of("a")
    assert clouds.of("a") is first
    for number in range(300):
        clouds.of(str(number))
    assert clouds.of("a") is not first
    await clouds.close()


async def test_a_neutron_without_routers_knows_no_public_address(red, monkeypatch):
    """As the extension's absence was seen: 404 for the whole list."""

    async def absent(*_, **__):
        raise NotFound("Neutron: The resource could not be found.")

    monkeypatch.setattr(red._neutron, "pages", absent)
    assert await red.floating_ips() == ()

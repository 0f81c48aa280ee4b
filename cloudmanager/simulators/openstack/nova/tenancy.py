"""What a request names has to be the caller's: Nova asks the other services with the caller's own token."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloudmanager.simulators.openstack.images.members import sees
from cloudmanager.simulators.openstack.problems import Forbidden, Invalid, NotThere

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cloudmanager.simulators.openstack.compute import Compute
    from cloudmanager.simulators.openstack.images import Image
    from cloudmanager.simulators.openstack.rest import Call


def seen_image(compute: Compute, call: Call, key: str) -> Image | None:
    """The image, or `Invalid` where the caller sees none; None without an image service."""
    if compute.images is None:
        return None
    try:
        image = compute.images.image(key)
    except NotThere:
        image = None
    if image is None or not sees(call.caller, image):
        raise Invalid("Can not find requested image")
    return image


def must_see_volume(compute: Compute, call: Call, key: str) -> None:
    """`NotThere` for a volume of another project."""
    if compute.volumes is not None and not call.caller.sees(compute.volumes.volume(key).project_id):
        raise NotThere(f"Volume {key} could not be found.")


def must_see_plugs(compute: Compute, call: Call, plugs: Iterable[dict[str, Any]]) -> None:
    """`Invalid` for networks and ports of other projects, `Forbidden` for a network that leads outside."""
    networks = compute.networks
    if networks is None or call.caller.is_admin:
        return
    for plug in plugs:
        if plug.get("port_id"):
            if not call.caller.sees(networks.port(plug["port_id"]).project_id):
                raise Invalid(f"Port id {plug['port_id']} could not be found.")
            continue
        network = networks.network(plug["net_id"])
        if network.external and not network.shared:
            raise Forbidden(f"It is not allowed to create an interface on external network {network.id}")
        if not network.shared and not call.caller.sees(network.project_id):
            raise Invalid(f"Network {network.id} could not be found.")

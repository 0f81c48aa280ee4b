"""POST servers: what is wanted, checked as Nova checks it, and handed to the truth."""

from __future__ import annotations

import base64
import secrets
from typing import TYPE_CHECKING, Any

from cloudmanager.simulators.http import Answer
from cloudmanager.simulators.openstack.compute.rows import Server, new_id
from cloudmanager.simulators.openstack.nova.server_shapes import links
from cloudmanager.simulators.openstack.nova.servers import origin_of
from cloudmanager.simulators.openstack.nova.tenancy import must_see_plugs, must_see_volume, seen_image
from cloudmanager.simulators.openstack.nova.versions import has
from cloudmanager.simulators.openstack.problems import Forbidden, Invalid, NotThere
from cloudmanager.simulators.openstack.volumes.rows import Volume

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloudmanager.simulators.openstack.compute import Compute
    from cloudmanager.simulators.openstack.rest import Call

_HINTS = ("os:scheduler_hints", "OS-SCH-HNT:scheduler_hints")
_LONGEST_USER_DATA = 65535
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


class Creation:
    """Answers to those who want servers."""

    def __init__(self, compute: Compute) -> None:
        self._compute = compute

    def routes(self) -> dict[str, Callable[[Call], Answer]]:
        """Its calls."""
        return {"POST servers": self._create}

    def _create(self, call: Call) -> Answer:
        call.caller.must_have("member", "os_compute_api:servers:create")
        body = call.body()
        wanted = call.wanted("server")
        zone, host = self._place(call, wanted)
        wish = self._wish(call, wanted, {k: v for hint in _HINTS for k, v in body.get(hint, {}).items()})
        wish.zone = zone
        least, most = _counts(wanted)
        if most > 1 and wish.volumes:
            raise Invalid("Cannot attach one or more volumes to multiple instances")
        if least > most:
            raise Invalid("min_count must be <= max_count")
        self._compute.attachments.reserve(wish)
        made = self._compute.building.create(wish, origin_of(call), count=most, host=host)
        shown = {
            "id": made[0].id,
            "links": links(call, "servers", made[0].id),
            "OS-DCF:diskConfig": "MANUAL",
            "security_groups": wanted.get("security_groups", [{"name": "default"}]),
            "adminPass": secrets.token_urlsafe(9),
        }
        if wanted.get("return_reservation_id") in (True, "True", "true"):
            return Answer(202, {"reservation_id": made[0].reservation_id})
        location = {"Location": shown["links"][0]["href"]}
        return Answer(202, {"server": shown}, location)

    def _wish(self, call: Call, wanted: dict[str, Any], hints: dict[str, Any]) -> Server:
        name = wanted.get("name")
        if not isinstance(name, str) or not name.strip():
            raise Invalid("Invalid input for field/attribute server. 'name' is a required property")
        try:
            flavor = self._compute.tables.flavor(str(wanted.get("flavorRef", "")).rpartition("/")[2])
        except NotThere as problem:
            raise Invalid(str(problem)) from None
        self._compute.quotas.check_servers(call.caller.project_id, flavor, _counts(wanted)[1])
        image = str(wanted.get("imageRef") or "").rpartition("/")[2]
        wish = Server(
            name=name,
            project_id=call.caller.project_id,
            user_id=call.caller.user_id,
            flavor=flavor,
            image_id=self._image(call, image),
            key_name=self._key(call, wanted.get("key_name")),
            user_data=_user_data(wanted.get("user_data")),
            config_drive="True" if wanted.get("config_drive") in (True, "True", "true") else "",
            description=wanted.get("description"),
            metadata={str(key): str(value) for key, value in (wanted.get("metadata") or {}).items()},
            tags=list(wanted.get("tags") or []),
            hints=hints,
            group_id=self._group(call, hints),
            security_groups=[row["name"] for row in wanted.get("security_groups") or []],
        )
        wish.volumes = self._disks(call, wish, wanted.get("block_device_mapping_v2") or [])
        if not wish.image_id and not any(row["boot_index"] == 0 for row in wish.volumes):
            raise Invalid("Missing imageRef attribute")
        wish.ports = self._networks(call, wanted)
        return wish

    def _place(self, call: Call, wanted: dict[str, Any]) -> tuple[str | None, str | None]:
        """Zone and host; an administrator may also say both in one word."""
        zone, host = wanted.get("availability_zone"), wanted.get("host") or wanted.get("hypervisor_hostname")
        if host and not has(call, 74):
            raise Invalid(
                "Invalid input for field/attribute server. Additional properties are not allowed ('host' "
                "was unexpected)"
            )
        if zone and ":" in zone:
            zone, _, host = zone.partition(":")
            host = host.strip(":")
        if host and not call.caller.is_admin:
            raise Forbidden(
                "Policy doesn't allow compute:servers:create:requested_destination to be performed."
            )
        known = {self._compute.hosts.zone_of(row.name) for row in self._compute.hosts.registered()}
        if zone and zone not in known:
            raise Invalid("The requested availability zone is not available")
        return zone or None, host or None

    def _image(self, call: Call, key: str) -> str:
        image = seen_image(self._compute, call, key) if key else None
        if image is not None and image.status != "active":
            raise Invalid(f"Image {key} is not active.")
        return key

    def _key(self, call: Call, name: str | None) -> str | None:
        mine = {row.name for row in self._compute.tables.keypairs if row.user_id == call.caller.user_id}
        if name is not None and name not in mine:
            raise Invalid("Invalid key_name provided.")
        return name

    def _group(self, call: Call, hints: dict[str, Any]) -> str | None:
        key = hints.get("group")
        key = key[0] if isinstance(key, list) and key else key
        if key is None:
            return None
        found = self._compute.tables.groups.get(str(key))
        if found is None or not call.caller.sees(found.project_id):
            raise Invalid(f"Instance group {key} could not be found.")
        return found.id

    # --- networks and disks ---------------------------------------------------------------------------------

    def _networks(self, call: Call, wanted: dict[str, Any]) -> list[dict[str, Any]]:
        networks = wanted.get("networks")
        if networks is None and has(call, 37):
            raise Invalid("Invalid input for field/attribute server. 'networks' is a required property")
        if networks == "none":
            return []
        if networks in (None, "auto", []):
            return self._compute.plugs.any_network(call.caller.project_id)
        if not isinstance(networks, list):
            raise Invalid("Invalid input for field/attribute networks.")
        plugs = [
            {"net_id": row.get("uuid"), "port_id": row.get("port"), "address": row.get("fixed_ip")}
            for row in networks
        ]
        self._compute.plugs.check(plugs)
        must_see_plugs(self._compute, call, plugs)
        return plugs

    def _disks(self, call: Call, wish: Server, mapping: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The volumes that a server is made with; those that are made of an image are begun now."""
        rows: list[dict[str, Any]] = []
        for disk in mapping:
            if disk.get("destination_type", "volume") != "volume":
                continue  # the local disk of the image
            letter = _LETTERS[len(rows) + bool(wish.image_id)]
            index = disk.get("boot_index")
            rows.append(
                {
                    "volume_id": self._source(call, wish, disk),
                    "device": disk.get("device_name") or f"/dev/vd{letter}",
                    "bdm_uuid": new_id(),
                    "attachment_id": new_id(),
                    "delete_on_termination": bool(disk.get("delete_on_termination")),
                    "boot_index": int(index) if index is not None else None,
                    "tag": disk.get("tag"),
                }
            )
        return rows

    def _source(self, call: Call, wish: Server, disk: dict[str, Any]) -> str:
        source, key = disk.get("source_type"), str(disk.get("uuid") or "")
        if source == "volume":
            try:
                must_see_volume(self._compute, call, key)
            except NotThere:
                raise Invalid(f"Block Device Mapping is Invalid: failed to get volume {key}.") from None
            return key
        volumes = self._compute.volumes
        if volumes is None or source not in ("image", "blank", "snapshot"):
            raise Invalid("Block Device Mapping is Invalid: there is no such source of a volume.")
        size = disk.get("volume_size") or wish.flavor.disk
        if not size:
            raise Invalid("Block Device Mapping is Invalid: the volume has no size.")
        volume = Volume(
            size=int(size),
            name="",
            project_id=call.caller.project_id,
            user_id=call.caller.user_id,
            bootable=source == "image",
            snapshot_id=key if source == "snapshot" else None,
            image={"image_id": self._image(call, key)} if source == "image" else {},
            type_id=volumes.default_type,
        )
        return volumes.create(volume).id


def _user_data(given: Any) -> str | None:
    """What cloud-init reads, in base64, of bounded length."""
    if given is None:
        return None
    if not isinstance(given, str) or len(given) > _LONGEST_USER_DATA:
        raise Invalid("Invalid input for field/attribute user_data. It is too long, or no text")
    try:
        base64.b64decode(given, validate=True)
    except ValueError:
        raise Invalid(
            f"Invalid input for field/attribute user_data. {given[:32]!r} is not a 'base64'"
        ) from None
    return given


def _counts(wanted: dict[str, Any]) -> tuple[int, int]:
    try:
        least = int(wanted.get("min_count", 1))
        most = int(wanted.get("max_count", least))
    except (TypeError, ValueError):
        raise Invalid("Invalid input for field/attribute min_count.") from None
    if least < 1 or most < 1:
        raise Invalid("Invalid input for field/attribute min_count. It is less than the minimum of 1")
    return least, most

"""Microversions of the Compute API: what there is, and which one a request asks for."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from cloudmanager.simulators.openstack.problems import Invalid, NotAcceptable

if TYPE_CHECKING:
    from cloudmanager.simulators.http import Request
    from cloudmanager.simulators.openstack.rest import Call

OLDEST, NEWEST = (2, 1), (2, 96)
MODERN, LEGACY = "openstack-api-version", "x-openstack-nova-api-version"


def asked(request: Request) -> tuple[int, int]:
    """The version that a request wants; the header of all services wins over Nova's own."""
    wish = _modern(request.headers.get(MODERN, "")) or request.headers.get(LEGACY, "").strip() or "2.1"
    if wish == "latest":
        return NEWEST
    found = re.fullmatch(r"([1-9]\d*)\.([1-9]\d*|0)", wish)
    if found is None:
        raise Invalid(f"API Version String {wish} is of invalid format. Must be of format MajorNum.MinorNum.")
    version = int(found[1]), int(found[2])
    if not OLDEST <= version <= NEWEST:
        raise NotAcceptable(
            f"Version {wish} is not supported by the API. Minimum is 2.1 and maximum is "
            f"{NEWEST[0]}.{NEWEST[1]}."
        )
    return version


def has(call: Call, minor: int) -> bool:
    """Whether the request speaks 2.`minor` or newer."""
    return call.version >= (2, minor)


def document(url: str) -> dict[str, Any]:
    """The version that clients find at the address of the catalogue."""
    media_type = {"base": "application/json", "type": "application/vnd.openstack.compute+json;version=2.1"}
    return {
        "id": "v2.1",
        "status": "CURRENT",
        "version": f"{NEWEST[0]}.{NEWEST[1]}",
        "min_version": f"{OLDEST[0]}.{OLDEST[1]}",
        "updated": "2013-07-23T11:33:21Z",
        "links": [{"rel": "self", "href": f"{url}/v2.1/"}],
        "media-types": [media_type],
    }


def _modern(header: str) -> str | None:
    for wish in header.split(","):
        name, _, version = wish.strip().partition(" ")
        if name == "compute":
            return version.strip()
    return None

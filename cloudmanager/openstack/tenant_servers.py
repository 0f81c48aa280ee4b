"""What Nova says and is told in a tenant's project."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote

from cloudmanager.errors import CloudUnreachable, NotFound
from cloudmanager.openstack.calls import segment
from cloudmanager.openstack.clone_shapes import tags_of
from cloudmanager.openstack.making import Making
from cloudmanager.openstack.shapes import moment, server_from
from cloudmanager.openstack.tenant_records import (
    UNLIMITED,
    Allowance,
    AttachedDisk,
    Console,
    Deed,
    Keypair,
    Size,
)
from cloudmanager.openstack.versions import ATTACHMENTS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from cloudmanager.openstack.records import Accepted, Server
    from cloudmanager.openstack.session import CloudSession

_PROTOCOLS = {"novnc": "vnc", "spice-html5": "spice"}
"""The protocol of each kind of console."""

_LIMITS = {
    "instances": ("maxTotalInstances", "totalInstancesUsed"),
    "cores": ("maxTotalCores", "totalCoresUsed"),
    "ram_mb": ("maxTotalRAMSize", "totalRAMUsed"),
}
_NAME = re.compile(r"[A-Za-z0-9_-]{1,190}")


class TenantServers(Making):
    """Servers and keypairs of one project."""

    def __init__(self, session: CloudSession, project_id: str) -> None:
        super().__init__(session)
        self.project_id = project_id

    async def log_in(self) -> None:
        """Be let in; `Forbidden` when our user has no role in the project."""
        await self._session.log_in()

    # --- reading --------------------------------------------------------------------------------------------

    async def sizes(self) -> Sequence[Size]:
        """The flavors that the project may use."""
        found = await self._nova.pages("sizes", "flavors/detail", "flavors", {})
        return tuple(
            Size(body["id"], body["name"], body["vcpus"], body["ram"], body["disk"])
            for body in found
            if not body.get("OS-FLV-DISABLED:disabled")
        )

    async def servers(self) -> Sequence[Server]:
        """All servers of the project."""
        return await self._servers("servers", {})

    async def find_servers(self, marker: Mapping[str, str]) -> Sequence[Server]:
        """The servers that were made with all of the marker."""
        return await self._servers("find_servers", {"tags": ",".join(tags_of(marker))})

    async def _servers(self, verb: str, query: Mapping[str, str]) -> tuple[Server, ...]:
        found = await self._nova.pages(verb, "servers/detail", "servers", query)
        wanted = set(query.get("tags", "").split(",")) - {""}
        return tuple(
            server_from(body)
            for body in found
            if body.get("tenant_id") == self.project_id and wanted <= set(body.get("tags") or ())
        )

    async def server(self, server_id: str) -> Server:
        """One server."""
        answer = await self._nova.get("server", f"servers/{segment(server_id)}")
        found = server_from(answer.part("server"))
        if found.project_id != self.project_id:
            raise NotFound(f"there is no instance {server_id}")
        return found

    async def console_log(self, server_id: str, lines: int) -> str:
        """The last lines that a server wrote to its serial console."""
        path = f"servers/{segment(server_id)}/action"
        body = {"os-getConsoleOutput": {"length": lines}}
        answer = await self._nova.call("console_log", "POST", path, body=body, repeat=True)
        return str(answer.part("output"))

    async def deeds(self, server_id: str) -> Sequence[Deed]:
        """What was done with a server, newest first."""
        path = f"servers/{segment(server_id)}/os-instance-actions"
        answer = await self._nova.get("deeds", path)
        return tuple(
            Deed(body["action"], body["request_id"], moment(body.get("start_time")), body.get("message"))
            for body in answer.part("instanceActions")
        )

    async def disks(self, server_id: str) -> Sequence[AttachedDisk]:
        """The volumes of a server."""
        path = f"servers/{segment(server_id)}/os-volume_attachments"
        answer = await self._nova.get("disks", path, speech=ATTACHMENTS)
        return tuple(
            AttachedDisk(body.get("id") or body["volumeId"], body["volumeId"], body.get("device"))
            for body in answer.part("volumeAttachments")
        )

    async def compute_allowances(self) -> Mapping[str, Allowance]:
        """Of `instances`, `cores` and `ram_mb`."""
        told = (await self._nova.get("compute_allowances", "limits")).part("limits")["absolute"]
        return allowances(told, _LIMITS)

    # --- acting ---------------------------------------------------------------------------------------------

    async def console(self, server_id: str, kind: str) -> Console:
        """Open a console of a kind: `novnc` or `spice-html5`."""
        path = f"servers/{segment(server_id)}/remote-consoles"
        body = {"remote_console": {"protocol": _PROTOCOLS[kind], "type": kind}}
        answer = await self._nova.call("console", "POST", path, body=body, repeat=True)
        told = answer.part("remote_console")
        return Console(told["protocol"], told["type"], told["url"])

    # --- keypairs -------------------------------------------------------------------------------------------

    def keypair_in_nova(self, name: str) -> str:
        """Keypairs belong to users there, and ours has those of all projects; no id has a space in it."""
        return f"{self.project_id} {name}"

    async def keypairs(self) -> Sequence[Keypair]:
        """The keypairs of the project."""
        prefix, found = self.keypair_in_nova(""), list[Keypair]()
        query: dict[str, Any] = {"limit": 500}
        while True:
            page = (await self._nova.get("keypairs", "os-keypairs", query)).part("keypairs")
            bodies = [entry["keypair"] for entry in page]
            found += [_keypair_from(body, prefix) for body in bodies if body["name"].startswith(prefix)]
            last = bodies[-1]["name"] if bodies else None
            if last is None or last == query.get("marker"):
                return tuple(found)
            query = {**query, "marker": last}

    async def create_keypair(self, name: str, public_key: str) -> Keypair:
        """Keep a public key."""
        body = {"keypair": {"name": self.keypair_in_nova(name), "public_key": public_key, "type": "ssh"}}
        answer = await self._nova.call("create_keypair", "POST", "os-keypairs", body=body)
        return _keypair_from(answer.part("keypair"), self.keypair_in_nova(""))

    async def delete_keypair(self, name: str) -> Accepted:
        """Forget a public key."""
        if not _NAME.fullmatch(name):
            raise NotFound(f"there is no keypair {name!r}")
        path = f"os-keypairs/{quote(self.keypair_in_nova(name))}"
        try:
            return (await self._nova.call("delete_keypair", "DELETE", path)).accepted
        except NotFound:
            raise NotFound(f"there is no keypair {name!r}") from None


def _keypair_from(body: Mapping[str, Any], prefix: str) -> Keypair:
    return Keypair(body["name"].removeprefix(prefix), body["fingerprint"], body.get("public_key") or "")


def allowances(told: Mapping[str, Any], names: Mapping[str, tuple[str, str]]) -> dict[str, Allowance]:
    """What `limits` of Nova and Cinder say, by our names; `CloudUnreachable` for what is no such answer."""
    found = {}
    for name, (most, used) in names.items():
        if not isinstance(told.get(most), int):
            raise CloudUnreachable(f"the limits have no {most!r}: they are not OpenStack's")
        found[name] = Allowance(None if told[most] == UNLIMITED else told[most], told.get(used))
    return found

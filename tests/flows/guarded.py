"""Hosts whose servers have definitions and files, behind a fake Host port."""

from __future__ import annotations

import hashlib

from cryptography.fernet import Fernet
from sqlalchemy import select

from cloudmanager.errors import CommandFailed
from cloudmanager.models import GuardedNode, Node, Signature
from cloudmanager.sign.keys import SigningKeys
from cloudmanager.sign.measure import Node as Measuring
from cloudmanager.sign.record import seal, validity_of
from cloudmanager.vault import Vault

LOADER = "/usr/share/OVMF/OVMF_CODE.fd"
LOCK = "cloudmanager: integrity control of node {}"
XML = """<domain type='kvm'>
  <name>{name}</name>
  <uuid>{uuid}</uuid>
  <memory unit='KiB'>524288</memory>
  <os><loader>{loader}</loader><nvram>/var/lib/libvirt/qemu/nvram/{name}.fd</nvram></os>
  <devices><graphics type='vnc' port='-1' autoport='yes' listen='{host}'/></devices>
</domain>"""


def uuid(number):
    return f"00000000-0000-4000-8000-{number:012d}"


def signing_keys(file):
    """Signs with a key file that exists, or that is made."""
    if not file.exists():
        file.write_bytes(Fernet.generate_key())
        file.chmod(0o600)
    return SigningKeys(Vault(file))


class Guarded:
    """Two hosts; `s1` and `s2` on the first are what the tests work with."""

    def __init__(self, cloud, directory):
        self.cloud, self.nova = cloud, cloud.nova
        self.keys = cloud.signing = signing_keys(directory / "secret.key")
        cloud.sign_options = {"verify_interval": 30.0}
        self.changes: dict[str, tuple[str, str]] = {}
        self.files: dict[tuple[int, str], str] = {}
        self.failing: dict[str, Exception] = {}
        for name in ("h1", "h2"):
            cloud.add_host(name)
        for number in (1, 2):
            self.nova.add_server(uuid(number), "h1", instance_name=f"instance-{number:08x}")
        cloud.host.answer("domain-definition", self.definition)
        cloud.host.answer("file-digest", self.digest)

    def definition(self, asked):
        server_id = asked.arguments["server"]
        if server_id in self.failing:
            raise self.failing[server_id]
        record = self.nova.guests[server_id].record
        if record.host != self.host_of(asked.node_id):
            raise CommandFailed("no such domain", status=1, output="error: failed to get domain")
        xml = XML.format(name=record.instance_name, uuid=server_id, loader=LOADER, host=record.host)
        return xml.replace(*self.changes.get(server_id, ("", "")))

    def digest(self, asked):
        path = asked.arguments["path"]
        content = self.files.get((asked.node_id, path), "firmware" if path == LOADER else "nvram")
        if content is None:
            raise CommandFailed("failed", status=1, output=f"sha256sum: {path}: No such file or directory\n")
        return f"{hashlib.sha256(content.encode()).hexdigest()} *{path}\n"

    def host_of(self, node_id):
        with self.cloud.database.reading() as session:
            return session.get(Node, node_id).name

    async def sign(self, number, node_id=1):
        """As POST does it."""
        measured = await Measuring(self.cloud.host, node_id, with_nvram=True).measure(uuid(number))
        with self.cloud.database.transaction() as session:
            row = session.scalar(select(Signature).where(Signature.server_id == uuid(number)))
            row = row or Signature(server_id=uuid(number))
            row.node_id, row.instance_name = node_id, measured.instance_name
            row.baseline, row.is_valid, row.reason = measured.baseline, "true", None
            seal(session, row, self.keys)

    def write(self, number, **values):
        """Change a record and sign it."""
        with self.cloud.database.transaction() as session:
            row = session.scalar(select(Signature).where(Signature.server_id == uuid(number)))
            for name, value in values.items():
                setattr(row, name, value)
            seal(session, row, self.keys)

    def validity(self, number):
        with self.cloud.database.reading() as session:
            row = session.scalar(select(Signature).where(Signature.server_id == uuid(number)))
            return row and validity_of(session, row, self.keys)[0].value

    def row(self, number):
        with self.cloud.database.reading() as session:
            return session.scalar(select(Signature).where(Signature.server_id == uuid(number)))

    def server(self, number):
        self.nova._settle()
        return self.nova.guests[uuid(number)].record

    def guarded(self):
        return [row.node_id for row in self.cloud.rows(GuardedNode)]

    # --- flows ----------------------------------------------------------------------------------------------

    def activate(self, node_id=1, host="h1"):
        return self.cloud.start_flow("activate-signing", f"sign:{node_id}", node_id=node_id, host=host)

    def deactivate(self, node_id=1, host="h1"):
        return self.cloud.start_flow("deactivate-signing", f"sign:{node_id}", node_id=node_id, host=host)

    async def end(self, flow_id):
        await self.cloud.sweep_until_ended(flow_id, rounds=400)
        return self.cloud.flow(flow_id)

    async def guard_and_sign(self):
        """The first node is guarded, and its servers are signed anew."""
        assert (await self.end(self.activate())).status == "SUCCESS"
        for number in (1, 2):
            await self.sign(number)

    async def a_round(self):
        """Let the verification begin another round, and come to its end."""
        await self.cloud.pass_time(70)

    def watch(self):
        return self.cloud.rows_of("verify-signatures")[-1]

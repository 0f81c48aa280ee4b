"""Where the Host port gets its log-ins: `[host]`, what is stored of single nodes, and the inventory."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

from cloudmanager.batch import Batcher
from cloudmanager.errors import Misconfigured, NotFound
from cloudmanager.host.catalogue import load
from cloudmanager.host.login import Limits, Login
from cloudmanager.host.over_ssh import HostsOverSsh
from cloudmanager.models import Node, NodeLogin, utc_now

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloudmanager.config import Config
    from cloudmanager.db import Database
    from cloudmanager.host.port import HostPort
    from cloudmanager.vault import Vault

_ROOT = "root"


def host_port(database: Database, vault: Vault, config: Config) -> HostPort:
    """The port of this process; `Misconfigured` when `[host]` cannot be used."""
    options = config.host
    logins = HostLogins(database, vault, config)
    limits = Limits(
        connect_timeout=options.connect_timeout,
        idle=options.idle,
        connections=options.connections,
        sessions=options.sessions,
    )
    return HostsOverSsh(load(options.commands_file), limits, logins.find, logins.pin)


class HostLogins:
    """Finds how to get into nodes, by one query for all who ask at the same time."""

    def __init__(self, database: Database, vault: Vault, config: Config) -> None:
        self._database = database
        self._vault = vault
        self._options = config.host
        self._batches: Batcher[int, Login] = Batcher(self._load)
        self._configured_key()

    async def find(self, node_id: int) -> Login:
        """How to get into a node; `NotFound` without such a node."""
        return await self._batches.submit(node_id)

    async def pin(self, node_id: int, shown: str) -> str:
        """Store the host key that a node has shown, unless one is stored; gives the one that is."""
        return await asyncio.to_thread(self._pin, node_id, shown)

    def _pin(self, node_id: int, shown: str) -> str:
        with (
            contextlib.suppress(IntegrityError),
            self._database.transaction() as session,
        ):  # has a row, or is gone
            session.add(NodeLogin(node_id=node_id))
        of_node = NodeLogin.node_id == node_id
        pinned = update(NodeLogin).where(of_node, NodeLogin.host_key.is_(None))
        with self._database.transaction() as session:
            session.execute(pinned.values(host_key=shown, updated_at=utc_now()))
            return session.scalar(select(NodeLogin.host_key).where(of_node)) or shown

    def _load(self, ids: Sequence[int]) -> list[Login | Exception]:
        query = (
            select(Node.id, Node.name, Node.ip_addresses, NodeLogin)
            .outerjoin(NodeLogin, NodeLogin.node_id == Node.id)
            .where(Node.id.in_(set(ids)))
        )
        key = self._configured_key()
        with self._database.reading() as session:
            found = {row[0]: self._login(key, *row[1:]) for row in session.execute(query)}
        return [found.get(node_id) or NotFound(f"there is no node {node_id}") for node_id in ids]

    def _login(self, key: str, name: str | None, addresses: list[str] | None, own: NodeLogin | None) -> Login:
        options = self._options
        values: dict[str, Any] = {
            "host": (addresses or [name or ""])[0],
            "port": options.port,
            "login": options.login,
            "password": options.password,
            "ssh_key": key,
            "known_hosts": options.known_hosts,
            "log_ons": options.log_ons,
            "sudo": options.sudo,
            "pins": options.pin_on_first_contact,
        }
        if own is not None:
            values |= self._own(own)
        values["sudo"] = values["sudo"] and values["login"] != _ROOT
        return Login(**values)

    def _own(self, row: NodeLogin) -> dict[str, Any]:
        """What a node has of its own. Its secrets stand for both of the configured ones."""
        values = {
            "login": row.login,
            "port": row.port_number,
            "host_key": row.host_key,
            "sudo": row.sudo,
        }
        if row.sealed_password or row.sealed_ssh_key:
            values["password"] = self._vault.open(row.sealed_password)
            values["ssh_key"] = self._vault.open(row.sealed_ssh_key)
        return {name: value for name, value in values.items() if value is not None}

    def _configured_key(self) -> str:
        """The key that logs on to all nodes, as its file has it now."""
        if not self._options.key_file:
            return ""
        file = Path(self._options.key_file).expanduser()
        try:
            if file.stat().st_mode & 0o077:
                raise Misconfigured(f"[host] key_file {file} can be read by others: run `chmod 600 {file}`")
            return file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as problem:
            raise Misconfigured(f"[host] key_file {file} cannot be read: {problem}") from None

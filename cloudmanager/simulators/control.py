"""Talking to a running data centre: a unix socket, one JSON object per line in each direction."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from typing import TYPE_CHECKING, Any

from cloudmanager.simulators.faults import BadFault
from cloudmanager.simulators.openstack import faults
from cloudmanager.simulators.openstack.seeding import administrators_token
from cloudmanager.simulators.world import Cause, UnknownName

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cloudmanager.simulators.datacentre import DataCentre

CLIENT_TIMEOUT = 10.0


class ControlError(Exception):
    """The data centre did not do what was asked, or is not there; the message says why."""


class Control:
    """A client for other processes: `Control(path).call("fault", device="bmc-r1n01", set={"dead": True})`."""

    def __init__(self, path: Path, *, timeout: float = CLIENT_TIMEOUT) -> None:
        self._path = path
        self._timeout = timeout

    def call(self, do: str, **request: Any) -> dict[str, Any]:
        """Send one request and return its answer; `ControlError` if it was refused."""
        line = json.dumps({"do": do, **request}).encode() + b"\n"
        try:
            answer = json.loads(self._exchange(line))
        except (OSError, ValueError) as problem:
            raise ControlError(f"no data centre answers at {self._path}: {problem}") from problem
        if "error" in answer:
            raise ControlError(answer["error"])
        result: dict[str, Any] = answer
        return result

    def _exchange(self, line: bytes) -> bytes:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(self._timeout)
            connection.connect(str(self._path))
            connection.sendall(line)
            with connection.makefile("rb") as answers:
                return answers.readline()


class ControlServer:
    """Executes what arrives on the control socket. Only its owner may connect: it switches machines."""

    def __init__(self, centre: DataCentre, path: Path) -> None:
        self._centre = centre
        self._path = path
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.StreamWriter] = set()
        self._verbs: dict[str, tuple[frozenset[str], Callable[..., dict[str, Any]]]] = {
            "status": (frozenset(), self._status),
            "fault": (frozenset({"device", "set"}), self._fault),
            "heal": (frozenset({"device"}), self._heal),
            "token": (frozenset({"known"}), self._token),
            "rotate-keys": (frozenset(), self._rotate_keys),
            "power": (frozenset({"node", "action"}), self._power),
        }

    async def start(self) -> None:
        """Listen; `ControlError` if another data centre does so at this path."""
        if self._is_answered():
            raise ControlError(f"another data centre runs at {self._path}")
        self._server = await asyncio.start_unix_server(self._serve, sock=self._bind())

    async def stop(self) -> None:
        """Listen no more and remove the socket."""
        if self._server is not None:
            self._server.close()
            for connection in tuple(self._connections):
                connection.close()
            await self._server.wait_closed()
            self._server = None
            self._path.unlink(missing_ok=True)

    def answer(self, line: bytes) -> dict[str, Any]:
        """Execute one request; what is wrong with it is in the answer's `error`."""
        try:
            return self._execute(json.loads(line))
        except (UnknownName, BadFault, ValueError) as problem:
            return {"error": str(problem)}

    def _execute(self, request: object) -> dict[str, Any]:
        if not isinstance(request, dict):
            raise ValueError('a request is an object such as {"do": "status"}')  # noqa: TRY004 - one kind of error
        arguments = dict(request)
        verb = arguments.pop("do", None)
        if not isinstance(verb, str) or verb not in self._verbs:
            raise ValueError(f"cannot do {verb!r}; known are {', '.join(self._verbs)}")
        keys, run = self._verbs[verb]
        if wrong := sorted(keys ^ arguments.keys()):
            problem = "unknown" if wrong[0] in arguments else "missing"
            raise ValueError(
                f"{problem} key {wrong[0]!r}; {verb} takes {', '.join(sorted(keys)) or 'no keys'}"
            )
        for key, value in arguments.items():
            if key != "set" and not isinstance(value, str | None):
                raise ValueError(f"{key} must be a name")
        return run(**arguments)

    def _status(self) -> dict[str, Any]:
        return self._centre.status()

    def _fault(self, device: str, set: dict[str, Any]) -> dict[str, Any]:  # noqa: A002 - the key of the request
        if not isinstance(set, dict):
            raise BadFault("set must be an object of faults")
        cloud = self._centre.cloud
        if cloud and device in cloud.servers:
            return {"device": device, "faults": faults.set_faults(cloud, device, set)}
        return {"device": device, "faults": self._centre.world.set_faults(device, **set).to_dict()}

    def _heal(self, device: str | None) -> dict[str, Any]:
        cloud = self._centre.cloud
        if cloud and (device is None or device in cloud.servers):
            faults.heal(cloud, device)
        if not cloud or device not in cloud.servers:
            self._centre.world.heal(device)
        return {"device": device}

    def _token(self, known: str) -> dict[str, Any]:
        """A token of the cloud's administrator that lasts; the known one if it can be."""
        if self._centre.cloud is None:
            raise UnknownName("there is no cloud")
        token = administrators_token(self._centre.cloud.identity, known)
        self._centre.save()
        return {"token": token.id}

    def _rotate_keys(self) -> dict[str, Any]:
        """Keycloak signs with a new key."""
        if self._centre.cloud is None:
            raise UnknownName("there is no cloud")
        kid = self._centre.cloud.realm.rotate()
        self._centre.save()
        return {"kid": kid}

    def _power(self, node: str, action: str) -> dict[str, Any]:
        """Somebody stands before the machine."""
        world = self._centre.world
        actions: dict[str, Callable[[], None]] = {
            "on": lambda: world.power_on(node, cause=Cause.BUTTON),
            "off": lambda: world.power_off(node),
            "reset": lambda: world.reset(node, cause=Cause.BUTTON),
        }
        if action not in actions:
            raise ValueError(f"unknown action {action!r}; known are {', '.join(actions)}")
        actions[action]()
        return {"node": node, "on": world.is_on(node)}

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections.add(writer)
        try:
            while line := await reader.readline():
                writer.write(json.dumps(self.answer(line)).encode() + b"\n")
                await writer.drain()
        except (ConnectionError, ValueError):  # a client that left, or a line without end
            return
        finally:
            self._connections.discard(writer)
            writer.close()

    def _bind(self) -> socket.socket:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.unlink(missing_ok=True)
        opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        before = os.umask(0o177)
        try:
            opened.bind(str(self._path))
        except OSError:
            opened.close()
            raise
        finally:
            os.umask(before)
        return opened

    def _is_answered(self) -> bool:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            try:
                probe.connect(str(self._path))
            except OSError:
                return False
            return True

"""A Redfish service: a root, sessions, and one computer system for each outlet of its device.

The resources are those of DSP0266 and the schemas of DSP8010 that a client needs for power. Keys of the
device's memory choose what services of different makers do differently; see `Options`.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import secrets
from collections import Counter, deque
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, NamedTuple

from cloudmanager.simulators.http import Answer, Request
from cloudmanager.simulators.redfish.accounts import Accounts
from cloudmanager.simulators.redfish.messages import (
    BAD_BODY,
    BAD_STATE,
    BAD_VALUE,
    SESSION_LIMIT,
    document,
    problem,
)
from cloudmanager.simulators.redfish.sessions import SessionTable
from cloudmanager.simulators.web import WebServer
from cloudmanager.simulators.world import Action, NotPossible, Refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloudmanager.simulators.world import World

SESSION_TIMEOUT = 1800.0  # what most services have as SessionService.SessionTimeout
ROOT = "/redfish/v1"
SESSIONS = f"{ROOT}/SessionService/Sessions"
SYSTEMS = f"{ROOT}/Systems"
ACCOUNT_SERVICE = f"{ROOT}/AccountService"
ACCOUNTS = f"{ACCOUNT_SERVICE}/Accounts"
TASKS = f"{ROOT}/TaskService/Tasks"
RESET = "Actions/ComputerSystem.Reset"
OPEN = {("GET", "/redfish"), ("GET", ROOT), ("POST", SESSIONS)}  # DSP0266 §13.3.1: without authentication
ACTIONS = {
    "On": Action.ON,
    "ForceOn": Action.ON,
    "ForceOff": Action.OFF,
    "GracefulShutdown": Action.SOFT_OFF,
    "ForceRestart": Action.RESET,
    "GracefulRestart": Action.RESET,
    "PowerCycle": Action.CYCLE,
}
BUTTON = "PushPowerButton"
REFUSALS = range(400, 600)  # statuses that HTTP has for them
BOOT_TARGETS = ["None", "Pxe", "Hdd", "Cd", "BiosSetup"]


class Options(NamedTuple):
    """Ways of makers, each under its name in the memory of the device."""

    reset_types: list[str] = [*ACTIONS, BUTTON]  # noqa: RUF012 - never changed
    action_info: bool = False  # the reset types are in a resource of their own
    tasks: bool = False  # a reset is answered with 202 and a task
    wants_etag: bool = False  # a change without If-Match is refused
    strict: bool = False  # on for a system that is on is an error, as with HPE's
    sessions: bool = True  # without, there is Basic authentication only
    state: str | None = None  # a PowerState between on and off, such as PoweringOn


class RedfishService:
    """One service: reads requests, asks the world, writes resources."""

    def __init__(self, world: World, device: str, *, session_timeout: float = SESSION_TIMEOUT) -> None:
        self.web = WebServer(world, world.device(device), self.answer)
        self.resets: Counter[str] = Counter()
        self._world = world
        self._device = world.device(device)
        self._sessions = SessionTable(session_timeout)
        self._accounts = Accounts(world, self._device, ACCOUNT_SERVICE)
        self._tasks: deque[str] = deque(maxlen=100)
        self._task_numbers = itertools.count(1)
        self._collections: dict[str, Callable[[], Answer]] = {
            "/redfish": lambda: document({"v1": f"{ROOT}/"}),
            ROOT: self._root,
            f"{ROOT}/SessionService": self._session_service,
            SESSIONS: lambda: _collection(SESSIONS, self._sessions.ids(self._now())),
            ACCOUNT_SERVICE: self._accounts.service,
            ACCOUNTS: lambda: _collection(ACCOUNTS, self._accounts.numbers()),
            SYSTEMS: lambda: _collection(SYSTEMS, [_system_id(outlet) for outlet in self._device.outlets]),
        }

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> int:
        """Listen, and answer the real port; `OSError` if the wanted one is taken."""
        return await self.web.start(host, port)

    async def stop(self) -> None:
        """Listen no more and forget all sessions."""
        await self.web.stop()
        self._sessions.clear()

    def report(self) -> dict[str, Any]:
        """The counters in values that JSON can hold; resets by their type."""
        return {
            **asdict(self.web.counters),
            "sessions_opened": self._sessions.opened,
            "sessions_closed": self._sessions.closed,
            "sessions_open": len(self._sessions.ids(self._now())),
            "resets": dict(self.resets),
        }

    def answer(self, request: Request) -> Answer:
        """Answer one request of a client."""
        path = request.path.rstrip("/")
        if (request.method, path) not in OPEN:
            user = self._user(request)
            if user is None:
                return problem(401)
            demand = self._accounts.demand(user, request.method, path)
            if demand and not path.startswith(SESSIONS):
                return demand
        if path in self._collections and request.method == "GET":
            return self._collections[path]()
        if path == SESSIONS and request.method == "POST":
            return self._log_on(request)
        return self._member(request, path)

    def _member(self, request: Request, path: str) -> Answer:
        if path.startswith(f"{SESSIONS}/"):
            return self._session(request.method, path.removeprefix(f"{SESSIONS}/"))
        if path.startswith(f"{ACCOUNTS}/"):
            return self._account(request, path.removeprefix(f"{ACCOUNTS}/"))
        if path.startswith(f"{SYSTEMS}/"):
            system, _, rest = path.removeprefix(f"{SYSTEMS}/").partition("/")
            return self._system(request, system, rest)
        if path.startswith(f"{TASKS}/") and path.removeprefix(f"{TASKS}/") in self._tasks:
            return document({"@odata.id": path, "Id": path.rpartition("/")[2], "TaskState": "Completed"})
        return problem(405 if path in self._collections else 404)

    # --- who asks -------------------------------------------------------------------------------------------

    def _user(self, request: Request) -> str | None:
        """The name of who has proved who he is."""
        token = request.headers.get("x-auth-token")
        if token is not None:
            session = self._sessions.authenticate(token, self._now())
            return session.user if session else None
        kind, _, proof = request.headers.get("authorization", "").partition(" ")
        if kind.lower() != "basic":
            return None
        try:
            name, _, password = base64.b64decode(proof, validate=True).decode().partition(":")
        except ValueError:
            return None
        return name if self._knows(name, password) else None

    def _knows(self, name: object, password: object) -> bool:
        if self._device.faults.reject_credentials:
            return False
        return any(
            account.enabled
            and account.name == name
            and secrets.compare_digest(account.password.encode(), str(password).encode())
            for account in self._device.accounts.values()
        )

    def _log_on(self, request: Request) -> Answer:
        if not self._options().sessions:
            return problem(404)
        wanted = _json(request)
        if wanted is None:
            return problem(400, BAD_BODY)
        if not self._knows(wanted.get("UserName"), wanted.get("Password")):
            return problem(401)
        session = self._sessions.open(wanted["UserName"], self._device.faults.session_limit, self._now())
        if session is None:
            return problem(503, SESSION_LIMIT)
        headers = {"X-Auth-Token": session.token, "Location": f"{SESSIONS}/{session.id}"}
        return document(_session_resource(session.id, session.user), status=201, headers=headers)

    def _session(self, method: str, session_id: str) -> Answer:
        session = self._sessions.find(session_id, self._now())
        if session is None:
            return problem(404)
        if method == "DELETE":
            self._sessions.close(session)
            return Answer(204)
        return document(_session_resource(session.id, session.user)) if method == "GET" else problem(405)

    def _account(self, request: Request, number: str) -> Answer:
        if request.method == "PATCH":
            return self._accounts.change(number, _json(request), request.headers.get("if-match"))
        return self._accounts.show(number) if request.method == "GET" else problem(405)

    # --- systems --------------------------------------------------------------------------------------------

    def _system(self, request: Request, system: str, rest: str) -> Answer:
        outlet = next((each for each in self._device.outlets if _system_id(each) == system), None)
        if outlet is None:
            return problem(404)
        match request.method, rest:
            case "GET", "":
                resource = self._resource(outlet)
                return document(resource, headers={"ETag": resource["@odata.etag"]})
            case "PATCH", "":
                return self._change(request, outlet)
            case "GET", "ResetActionInfo":
                values = {"Name": "ResetType", "AllowableValues": self._options().reset_types}
                return document({"Id": "ResetActionInfo", "Parameters": [values]})
            case "POST", "Actions/ComputerSystem.Reset":
                return self._reset(request, outlet)
            case _:
                return problem(404)

    def _resource(self, outlet: str) -> dict[str, Any]:
        path, options = f"{SYSTEMS}/{_system_id(outlet)}", self._options()
        reset: dict[str, Any] = {"target": f"{path}/{RESET}"}
        if options.action_info:
            reset["@Redfish.ActionInfo"] = f"{path}/ResetActionInfo"
        else:
            reset["ResetType@Redfish.AllowableValues"] = options.reset_types
        on = self._world.read(self._device.name, outlet)
        resource = {
            "@odata.id": path,
            "@odata.type": "#ComputerSystem.v1_20_0.ComputerSystem",
            "Id": _system_id(outlet),
            "Name": self._device.outlets[outlet],
            "PowerState": options.state or ("On" if on else "Off"),
            "Boot": {
                **self._boot(outlet),
                "BootSourceOverrideTarget@Redfish.AllowableValues": BOOT_TARGETS,
            },
            "Actions": {"#ComputerSystem.Reset": reset},
        }
        digest = hashlib.sha256(json.dumps(resource).encode()).hexdigest()[:16]
        return {**resource, "@odata.etag": f'"{digest}"'}

    def _boot(self, outlet: str) -> dict[str, str]:
        """What it starts from next; `Once` is over when it has started."""
        kept = self._device.memory.get(f"boot {outlet}")
        if kept is None or (kept["enabled"] == "Once" and kept["boots"] != self._boots(outlet)):
            return {"BootSourceOverrideEnabled": "Disabled", "BootSourceOverrideTarget": "None"}
        return {
            "BootSourceOverrideEnabled": kept["enabled"],
            "BootSourceOverrideTarget": kept["target"],
        }

    def _boots(self, outlet: str) -> int:
        return self._world.wired(self._device.name, outlet).boots

    def _change(self, request: Request, outlet: str) -> Answer:
        match = request.headers.get("if-match")
        if match is None and self._options().wants_etag:
            return problem(428)
        if match not in (None, "*", self._resource(outlet)["@odata.etag"]):
            return problem(412)
        boot = (_json(request) or {}).get("Boot")
        if not isinstance(boot, dict):
            return problem(400, BAD_BODY)
        target, enabled = boot.get("BootSourceOverrideTarget"), boot.get("BootSourceOverrideEnabled", "Once")
        if target not in BOOT_TARGETS or enabled not in ("Once", "Continuous", "Disabled"):
            return problem(400, BAD_VALUE)
        kept = {"target": target, "enabled": enabled, "boots": self._boots(outlet)}
        self._world.remember(self._device.name, f"boot {outlet}", kept)
        return Answer(204)

    def _reset(self, request: Request, outlet: str) -> Answer:
        wanted, options = _json(request), self._options()
        if wanted is None:
            return problem(400, BAD_BODY)
        kind = wanted.get("ResetType")
        if kind not in options.reset_types:
            return problem(400, BAD_VALUE)
        on = self._world.wired(self._device.name, outlet).on
        button = Action.SOFT_OFF if on else Action.ON
        action = button if kind == BUTTON else ACTIONS[kind]
        if options.strict and on and action is Action.ON:
            return problem(400, BAD_STATE)
        try:
            self._world.switch(self._device.name, outlet, action)
        except Refused as refused:
            return problem(refused.code if refused.code in REFUSALS else 500)
        except NotPossible:
            return problem(400, BAD_STATE)
        self.resets[kind] += 1
        return self._accepted() if options.tasks else Answer(204)

    def _accepted(self) -> Answer:
        task = str(next(self._task_numbers))
        self._tasks.append(task)
        resource = {"@odata.id": f"{TASKS}/{task}", "Id": task, "TaskState": "Running"}
        return document(resource, status=202, headers={"Location": f"{TASKS}/{task}"})

    def _root(self) -> Answer:
        root = {
            "@odata.id": f"{ROOT}/",
            "@odata.type": "#ServiceRoot.v1_15_0.ServiceRoot",
            "Id": "RootService",
            "Name": self._device.name,
            "RedfishVersion": "1.18.0",
            "Systems": {"@odata.id": SYSTEMS},
            "AccountService": {"@odata.id": ACCOUNT_SERVICE},
        }
        if self._options().sessions:
            root["SessionService"] = {"@odata.id": f"{ROOT}/SessionService"}
            root["Links"] = {"Sessions": {"@odata.id": SESSIONS}}
        return document(root)

    def _session_service(self) -> Answer:
        return document(
            {
                "@odata.id": f"{ROOT}/SessionService",
                "@odata.type": "#SessionService.v1_1_9.SessionService",
                "Id": "SessionService",
                "Name": "Session Service",
                "ServiceEnabled": True,
                "Sessions": {"@odata.id": SESSIONS},
            }
        )

    def _options(self) -> Options:
        return Options(
            **{key: self._device.memory[key] for key in Options._fields if key in self._device.memory}
        )

    def _now(self) -> float:
        return self._world.clock.now()


def _system_id(outlet: str) -> str:
    return f"Node{outlet}"


def _session_resource(session_id: str, user: str) -> dict[str, Any]:
    return {
        "@odata.id": f"{SESSIONS}/{session_id}",
        "@odata.type": "#Session.v1_7_1.Session",
        "Id": session_id,
        "Name": "User Session",
        "UserName": user,
    }


def _collection(path: str, members: list[str]) -> Answer:
    return document(
        {
            "@odata.id": path,
            "@odata.type": "#ResourceCollection.ResourceCollection",
            "Name": path.rpartition("/")[2],
            "Members": [{"@odata.id": f"{path}/{member}"} for member in members],
            "Members@odata.count": len(members),
        }
    )


def _json(request: Request) -> dict[str, Any] | None:
    try:
        found = request.json()
    except ValueError:
        return None
    return found if isinstance(found, dict) else None

"""POST servers/{id}/action: one call, many verbs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloudmanager.simulators.http import Answer
from cloudmanager.simulators.openstack.compute.building import must_be_free
from cloudmanager.simulators.openstack.images.images import Image
from cloudmanager.simulators.openstack.nova.servers import find_server, origin_of
from cloudmanager.simulators.openstack.nova.versions import has
from cloudmanager.simulators.openstack.problems import Conflict, Invalid, NotThere

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloudmanager.simulators.openstack.compute import Compute
    from cloudmanager.simulators.openstack.compute.rows import Server
    from cloudmanager.simulators.openstack.rest import Call

_SIMPLE = {
    "os-start": "start",
    "os-stop": "stop",
    "pause": "pause",
    "unpause": "unpause",
    "suspend": "suspend",
    "resume": "resume",
    "rescue": "rescue",
    "unrescue": "unrescue",
}
_ADMIN = {
    "os-migrateLive": "os-migrate-server:migrate_live",
    "migrate": "os-migrate-server:migrate",
    "evacuate": "os-evacuate",
    "os-resetState": "os-admin-actions:reset_state",
}
_GIB = 1 << 30


class ServerActions:
    """Answers to verbs. A verb's handler may answer None: 202 without a body."""

    def __init__(self, compute: Compute) -> None:
        self._compute = compute
        self._verbs: dict[str, Callable[[Call, Server, Any], Answer | None]] = {
            "reboot": self._reboot,
            "os-migrateLive": self._migrate_live,
            "migrate": self._migrate,
            "resize": self._resize,
            "confirmResize": self._confirm,
            "revertResize": self._revert,
            "evacuate": self._evacuate,
            "os-resetState": self._reset_state,
            "shelve": self._shelve,
            "shelveOffload": self._offload,
            "unshelve": self._unshelve,
            "lock": self._lock,
            "unlock": self._unlock,
            "createImage": self._create_image,
            "os-getConsoleOutput": self._console,
            "addSecurityGroup": self._add_group,
            "removeSecurityGroup": self._remove_group,
            "forceDelete": self._force_delete,
            **dict.fromkeys(_SIMPLE, self._simple),
        }

    def routes(self) -> dict[str, Callable[[Call], Answer]]:
        """Its only call."""
        return {"POST servers/*/action": self._act}

    def _act(self, call: Call) -> Answer:
        body = call.body()
        if len(body) != 1:
            raise Invalid("Malformed request body")
        verb = next(iter(body))
        if verb not in self._verbs:
            raise Invalid(f"There is no such action: {', '.join(body)}")
        server = find_server(self._compute, call)
        if verb in _ADMIN:
            call.caller.must_have("admin", f"os_compute_api:{_ADMIN[verb]}")
        else:
            call.caller.must_have("member", f"os_compute_api:servers:{verb}")
        if verb not in ("lock", "unlock"):
            must_be_free(server, call.caller.is_admin)
        return self._verbs[verb](call, server, body[verb]) or Answer(202)

    # --- power ----------------------------------------------------------------------------------------------

    def _simple(self, call: Call, server: Server, _given: Any) -> Answer | None:
        verb = _SIMPLE[next(iter(call.body()))]
        self._compute.power.ask(server, verb, origin_of(call))
        return Answer(200, {"adminPass": "unchanged"}) if verb == "rescue" else None

    def _reboot(self, call: Call, server: Server, given: Any) -> None:
        kind = str(_object(given, "reboot").get("type", "")).upper()
        if kind not in ("SOFT", "HARD"):
            raise Invalid(f"Invalid input for field/attribute type. Value: {kind}.")
        self._compute.power.ask(server, "reboot hard" if kind == "HARD" else "reboot", origin_of(call))

    def _shelve(self, call: Call, server: Server, _given: Any) -> None:
        self._compute.power.shelve(server, origin_of(call))

    def _offload(self, call: Call, server: Server, _given: Any) -> None:
        self._compute.power.offload(server, origin_of(call))

    def _unshelve(self, call: Call, server: Server, given: Any) -> None:
        host = (given or {}).get("host") if has(call, 91) else None
        self._compute.power.unshelve(server, origin_of(call), host)

    def _reset_state(self, call: Call, server: Server, given: Any) -> None:
        state = _object(given, "os-resetState").get("state")
        if state not in ("active", "error"):
            raise Invalid(
                f"Invalid input for field/attribute state. Value: {state}. '{state}' is not one of "
                "['active', 'error']"
            )
        self._compute.power.reset_state(server, state, origin_of(call))

    def _force_delete(self, call: Call, server: Server, _given: Any) -> None:
        self._compute.building.delete(server, origin_of(call))

    # --- moves ----------------------------------------------------------------------------------------------

    def _migrate_live(self, call: Call, server: Server, given: Any) -> None:
        wanted = _object(given, "os-migrateLive")
        for name in ("host", "block_migration"):
            if name not in wanted:
                raise Invalid(
                    f"Invalid input for field/attribute os-migrateLive. '{name}' is a required property"
                )
        if has(call, 68) and "force" in wanted:
            raise Invalid(
                "Invalid input for field/attribute os-migrateLive. Additional properties are not allowed "
                "('force' was unexpected)"
            )
        if not has(call, 34):
            self._compute.live.check_now(server, wanted["host"])
        self._compute.live.ask(server, origin_of(call), wanted["host"])

    def _migrate(self, call: Call, server: Server, given: Any) -> None:
        host = (given or {}).get("host") if has(call, 56) else None
        self._compute.cold.migrate(server, origin_of(call), host)

    def _resize(self, call: Call, server: Server, given: Any) -> None:
        key = str(_object(given, "resize").get("flavorRef", "")).rpartition("/")[2]
        try:
            flavor = self._compute.tables.flavor(key)
        except NotThere as problem:
            raise Invalid(str(problem)) from None
        self._compute.cold.resize(server, origin_of(call), flavor)

    def _confirm(self, call: Call, server: Server, _given: Any) -> Answer:
        self._compute.cold.confirm(server, origin_of(call))
        return Answer(204)

    def _revert(self, call: Call, server: Server, _given: Any) -> None:
        self._compute.cold.revert(server, origin_of(call))

    def _evacuate(self, call: Call, server: Server, given: Any) -> Answer:
        wanted = _object(given, "evacuate")
        allowed = {"host", "adminPass"}
        allowed |= {"force"} if has(call, 29) and not has(call, 68) else set()
        allowed |= set() if has(call, 14) else {"onSharedStorage"}
        if extra := set(wanted) - allowed:
            raise Invalid(
                "Invalid input for field/attribute evacuate. Additional properties are not allowed "
                f"('{min(extra)}' was unexpected)"
            )
        host = wanted.get("host")
        self._compute.evacuations.ask(server, origin_of(call), host, stopped=has(call, 95))
        return Answer(200, None if has(call, 14) else {"adminPass": "unchanged"})

    # --- the rest -------------------------------------------------------------------------------------------

    def _lock(self, call: Call, server: Server, given: Any) -> None:
        server.locked, server.locked_by_admin = True, call.caller.is_admin
        server.locked_reason = (given or {}).get("locked_reason") if has(call, 73) else None
        self._compute.actions.begin(server, "lock", origin_of(call))
        server.updated_at = self._compute.clock.now()

    def _unlock(self, call: Call, server: Server, _given: Any) -> None:
        if server.locked_by_admin:
            call.caller.must_have("admin", "os_compute_api:os-lock-server:unlock:unlock_override")
        server.locked, server.locked_by_admin, server.locked_reason = False, False, None
        self._compute.actions.begin(server, "unlock", origin_of(call))
        server.updated_at = self._compute.clock.now()

    def _create_image(self, call: Call, server: Server, given: Any) -> Answer:
        wanted = _object(given, "createImage")
        if not isinstance(wanted.get("name"), str):
            raise Invalid("Invalid input for field/attribute createImage. 'name' is a required property")
        images = self._compute.images
        if images is None:
            raise Conflict("there is no image service")
        self._compute.power.snapshot(server, origin_of(call))
        image = Image(
            name=wanted["name"],
            owner=call.caller.project_id,
            visibility="private",
            container_format="bare",
            disk_format="qcow2",
            min_disk=server.flavor.disk,
            properties={
                **(wanted.get("metadata") or {}),
                "image_type": "snapshot",
                "instance_uuid": server.id,
                "base_image_ref": server.image_id,
            },
        )
        images.copy_disk(image, server.flavor.disk * _GIB, self._compute.timings.snapshot)
        location = {"Location": f"/images/{image.id}"}
        return Answer(202, {"image_id": image.id} if has(call, 45) else None, location)

    def _console(self, call: Call, server: Server, given: Any) -> Answer:
        call.caller.must_have("member", "os_compute_api:os-console-output")
        if server.host is None or self._compute.hosts.reach(server.host) is None:
            raise Conflict(f"Instance {server.id} is not ready")
        lines = [f"[    0.000000] Linux on {server.host}", f"{server.name} login: "]
        length = (given or {}).get("length")
        return Answer(200, {"output": "\n".join(lines[-int(length) :] if length else lines)})

    def _add_group(self, _call: Call, server: Server, given: Any) -> None:
        self._compute.plugs.add_group(server, str(_object(given, "addSecurityGroup").get("name")))

    def _remove_group(self, _call: Call, server: Server, given: Any) -> None:
        self._compute.plugs.remove_group(server, str(_object(given, "removeSecurityGroup").get("name")))


def _object(given: Any, verb: str) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise Invalid(f"Invalid input for field/attribute {verb}. Value: {given}. It is not of type 'object'")
    return given

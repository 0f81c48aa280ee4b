"""Calls of those who run Cinder: types, services, pools, quotas; and the limits of the caller's project."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmanager.simulators.http import Answer
from cloudmanager.simulators.openstack.problems import Conflict, Invalid, NotThere
from cloudmanager.simulators.openstack.volumes import shapes
from cloudmanager.simulators.openstack.volumes.disks import whole

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloudmanager.simulators.openstack.rest import Call
    from cloudmanager.simulators.openstack.volumes.rows import Service, VolumeType
    from cloudmanager.simulators.openstack.volumes.volumes import Volumes


class Administration:
    """The part of Cinder that knows itself."""

    def __init__(self, volumes: Volumes) -> None:
        self._volumes = volumes

    def routes(self) -> dict[str, Callable[[Call], Answer]]:
        """What it answers."""
        return {
            "GET types": self._types,
            "POST types": self._create_type,
            "GET types/default": self._default_type,
            "GET types/*": self._type,
            "DELETE types/*": self._delete_type,
            "GET types/*/extra_specs": self._specs,
            "POST types/*/extra_specs": self._add_specs,
            "GET os-services": self._services,
            "PUT os-services/enable": lambda call: self._switch(call, disabled=False),
            "PUT os-services/disable": lambda call: self._switch(call, disabled=True),
            "PUT os-services/disable-log-reason": lambda call: self._switch(call, disabled=True),
            "GET scheduler-stats/get_pools": self._pools,
            "GET os-availability-zone": self._zones,
            "GET limits": self._limits,
            "GET os-quota-sets/*": self._quota,
            "PUT os-quota-sets/*": self._set_quota,
            "GET extensions": lambda _call: Answer(200, {"extensions": []}),
        }

    # --- types ----------------------------------------------------------------------------------------------

    def _types(self, call: Call) -> Answer:
        shown = [row for row in self._volumes.types.values() if row.is_public or call.caller.is_admin]
        return Answer(200, {"volume_types": [shapes.volume_type(row, call) for row in shown]})

    def _create_type(self, call: Call) -> Answer:
        call.caller.must_have("admin", "volume_extension:type_create")
        asked = call.wanted("volume_type")
        name = str(asked.get("name") or "").strip()
        if not name:
            raise Invalid("Volume type name can not be empty.")
        if any(row.name == name for row in self._volumes.types.values()):
            raise Conflict(f"Volume Type {name} already exists.")
        made = self._volumes.add_type(name)
        made.description = asked.get("description")
        made.is_public = asked.get("os-volume-type-access:is_public", True) is True
        made.specs = dict(asked.get("extra_specs") or {})
        return Answer(200, {"volume_type": shapes.volume_type(made, call)})

    def _default_type(self, call: Call) -> Answer:
        if not self._volumes.default_type:
            raise NotThere("Default volume type can not be found.")
        return self._shown(self._volumes.types[self._volumes.default_type], call)

    def _type(self, call: Call) -> Answer:
        return self._shown(self._volumes.type(call.name), call)

    def _delete_type(self, call: Call) -> Answer:
        call.caller.must_have("admin", "volume_extension:type_delete")
        found = self._volumes.type(call.name)
        if found.id == self._volumes.default_type:
            raise Invalid(f"Volume type {found.id} is the default type and cannot be deleted.")
        if any(row.type_id == found.id for row in self._volumes.all()):
            raise Invalid("Target volume type is still in use.")
        del self._volumes.types[found.id]
        return Answer(202)

    def _specs(self, call: Call) -> Answer:
        call.caller.must_have("admin", "volume_extension:types_extra_specs:index")
        return Answer(200, {"extra_specs": self._volumes.type(call.name).specs})

    def _add_specs(self, call: Call) -> Answer:
        call.caller.must_have("admin", "volume_extension:types_extra_specs:create")
        specs = call.wanted("extra_specs")
        self._volumes.type(call.name).specs |= specs
        return Answer(200, {"extra_specs": specs})

    def _shown(self, found: VolumeType, call: Call) -> Answer:
        return Answer(200, {"volume_type": shapes.volume_type(found, call)})

    # --- services and pools ---------------------------------------------------------------------------------

    def _services(self, call: Call) -> Answer:
        call.caller.must_have("admin", "volume_extension:services:index")
        wanted = {name: call.query.get(name) for name in ("binary", "host")}
        rows = [
            shapes.service(row, self._volumes.clock.now(), call)
            for row in self._volumes.services
            if all(value in (None, getattr(row, name)) for name, value in wanted.items())
        ]
        return Answer(200, {"services": rows})

    def _switch(self, call: Call, *, disabled: bool) -> Answer:
        call.caller.must_have("admin", "volume_extension:services:update")
        asked = call.body()
        found = self._service(str(asked.get("binary")), str(asked.get("host")))
        found.disabled = disabled
        found.disabled_reason = asked.get("disabled_reason") if disabled else None
        status = "disabled" if disabled else "enabled"
        said = {
            "host": found.host,
            "service": found.binary,
            "binary": found.binary,
            "status": status,
            "disabled": disabled,
        }
        if found.disabled_reason:
            said["disabled_reason"] = found.disabled_reason
        return Answer(200, said)

    def _service(self, binary: str, host: str) -> Service:
        for row in self._volumes.services:
            if (row.binary, row.host) == (binary, host):
                return row
        raise NotThere(f"Service {binary} could not be found on host {host}.")

    def _pools(self, call: Call) -> Answer:
        call.caller.must_have("admin", "scheduler_extension:scheduler_stats:get_pools")
        now = self._volumes.clock.now()
        self._volumes.all()  # what is due frees its room
        rows = [
            shapes.pool(name, group, now, detail=call.flag("detail"))
            for name, group in self._volumes.groups.items()
            if self._volumes.is_served(name) and call.query.get("name", name) == name
        ]
        return Answer(200, {"pools": rows})

    def _zones(self, _call: Call) -> Answer:
        zones = dict.fromkeys(row.zone for row in self._volumes.services)
        rows = [{"zoneName": zone, "zoneState": {"available": True}} for zone in zones]
        return Answer(200, {"availabilityZoneInfo": rows})

    # --- limits ---------------------------------------------------------------------------------------------

    def _limits(self, call: Call) -> Answer:
        project = call.caller.project_id
        limits, used = self._volumes.limits(project), self._volumes.usage(project)
        names = {
            "volumes": "Volumes",
            "snapshots": "Snapshots",
            "gigabytes": "Gigabytes",
            "backups": "Backups",
            "backup_gigabytes": "BackupGigabytes",
        }
        absolute: dict[str, int] = {}
        for name, word in names.items():
            total = "maxTotalVolumeGigabytes" if name == "gigabytes" else f"maxTotal{word}"
            absolute |= {total: limits[name], f"total{word}Used": used[name]}
        return Answer(200, {"limits": {"rate": [], "absolute": absolute}})

    def _quota(self, call: Call) -> Answer:
        project = call.name
        if project != call.caller.project_id:
            call.caller.must_have("admin", "volume_extension:quotas:show")
        limits, used = self._volumes.limits(project), self._volumes.usage(project)
        if not call.flag("usage"):
            return Answer(200, {"quota_set": {"id": project, **limits}})
        shown = {
            name: {"limit": limit, "in_use": used[name], "reserved": 0} for name, limit in limits.items()
        }
        return Answer(200, {"quota_set": {"id": project, **shown}})

    def _set_quota(self, call: Call) -> Answer:
        call.caller.must_have("admin", "volume_extension:quotas:update")
        limits = self._volumes.limits(call.name)
        for name, value in call.wanted("quota_set").items():
            if name not in limits:
                raise Invalid(f"Bad key(s) in quota set: {name}")
            limits[name] = whole(value)
        self._volumes.quotas[call.name] = limits
        return Answer(200, {"quota_set": limits})

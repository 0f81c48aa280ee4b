"""Snapshots, options and plans as they are kept and sent: JSON, the first two compressed."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

import orjson

from cloudmanager.drs.cluster import Group, Host, HostState, Policy, Resource, Server, Snapshot
from cloudmanager.drs.options import Mode, Options
from cloudmanager.drs.plan import Figures, Impossible, Move, Plan

if TYPE_CHECKING:
    from collections.abc import Mapping

_AMOUNTS_OF_HOST = ("capacity", "ratios", "reserved", "load")
_AMOUNTS_OF_SERVER = ("demand", "load")
_RECKONED = ("gigabytes", "waves")


def pack(snapshot: Snapshot, options: Options) -> bytes:
    """Both, in bytes that `unpack` reads."""
    content = {
        "hosts": [vars(host) for host in snapshot.hosts],
        "servers": [vars(server) for server in snapshot.servers],
        "groups": [vars(group) for group in snapshot.groups],
        "taken_at": snapshot.taken_at,
        "options": vars(options),
    }
    return zlib.compress(orjson.dumps(content, default=_plain, option=orjson.OPT_NON_STR_KEYS))


def unpack(packed: bytes) -> tuple[Snapshot, Options]:
    """What was packed."""
    content = orjson.loads(zlib.decompress(packed))
    options = content["options"]
    snapshot = Snapshot(
        tuple(_host(body) for body in content["hosts"]),
        tuple(_server(body) for body in content["servers"]),
        tuple(_group(body) for body in content["groups"]),
        content["taken_at"],
    )
    return snapshot, Options(
        **{**options, "mode": Mode(options["mode"]), "weights": _amounts(options["weights"])}
    )


def plan_from(told: Mapping[str, Any]) -> Plan:
    """The plan that told this of itself."""
    values = {name: value for name, value in told.items() if name not in _RECKONED}
    return Plan(
        **{
            **values,
            "mode": Mode(values["mode"]),
            "moves": tuple(Move(**move) for move in values["moves"]),
            "before": _figures(values["before"]),
            "after": _figures(values["after"]),
            "impossible": tuple(Impossible(**move) for move in values["impossible"]),
            "notes": tuple(values["notes"]),
            "switch_off": tuple(values["switch_off"]),
            "switch_on": tuple(values["switch_on"]),
        }
    )


def plan_in_bytes(made: Plan) -> bytes:
    """A plan as JSON; `plan_from` takes it when it is read."""
    return orjson.dumps(made.told(), option=orjson.OPT_NON_STR_KEYS)


def _plain(value: Any) -> Any:
    if isinstance(value, frozenset):
        return sorted(value)
    raise TypeError


def _host(body: dict[str, Any]) -> Host:
    amounts = {name: _amounts(body[name]) for name in _AMOUNTS_OF_HOST}
    more = {"state": HostState(body["state"]), "traits": frozenset(body["traits"])}
    return Host(**{**body, **amounts, **more})


def _server(body: dict[str, Any]) -> Server:
    amounts = {name: _amounts(body[name]) for name in _AMOUNTS_OF_SERVER}
    return Server(**{**body, **amounts, "required_traits": frozenset(body["required_traits"])})


def _group(body: dict[str, Any]) -> Group:
    return Group(**{**body, "policy": Policy(body["policy"]), "members": frozenset(body["members"])})


def _figures(body: dict[str, Any]) -> Figures:
    return Figures(
        body["cost"],
        _amounts(body["imbalance"]),
        {Resource(name): hosts for name, hosts in body["utilisation"].items()},
    )


def _amounts(body: Mapping[str, float]) -> dict[Resource, float]:
    return {Resource(name): amount for name, amount in body.items()}

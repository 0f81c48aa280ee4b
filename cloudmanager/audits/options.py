"""What the configuration and a request together ask of the planner."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloudmanager.drs.cluster import Resource
from cloudmanager.drs.options import Mode, Options

if TYPE_CHECKING:
    from collections.abc import Mapping

ASKED = ("min_gain", "min_improvement", "hold_seconds", "high", "low", "spare", "time_limit")
"""What a request may say instead of the configuration, besides `mode`, `max_moves` and `allow_off_vm`."""

_CONFIGURED = (*ASKED, "price_per_gb", "moves_per_host", "ceiling", "effort")


def options_for(drs: Any, params: Mapping[str, Any]) -> Options:
    """[drs] of the configuration, and what `params` says instead. InvalidInput: they do not go together."""
    asked = {name: params[name] for name in ASKED if params.get(name) is not None}
    return Options(
        mode=Mode(params.get("mode") or drs.mode),
        weights={resource: getattr(drs, f"weight_{resource}") for resource in Resource},
        max_moves=params.get("max_moves") or drs.max_moves or None,
        bandwidth_mb_s=drs.bandwidth,
        **{**{name: getattr(drs, name) for name in _CONFIGURED}, **asked},
    )

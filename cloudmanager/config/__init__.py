"""The configuration: oslo.config options, one file per section, every option with help text.

`load()` gives a configuration object that is passed on explicitly; there is no global one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from oslo_config import cfg

from cloudmanager.config import (
    api,
    audit,
    auth,
    broker,
    database,
    domains,
    drs,
    drs_prometheus,
    extra_availability_check,
    flows,
    host,
    host_tasks,
    hosts,
    keystone_authtoken,
    licence,
    log,
    monitor,
    node_actions,
    node_tracker,
    nova,
    oidc,
    onecloud,
    oslo_policy,
    portal,
    power,
    prometheus,
    pxe,
    secrets,
    sign,
    volumes,
    webhooks,
)
from cloudmanager.errors import Misconfigured

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SECTIONS = (
    api,
    auth,
    keystone_authtoken,
    oslo_policy,
    audit,
    broker,
    database,
    domains,
    drs,
    drs_prometheus,
    extra_availability_check,
    flows,
    host,
    hosts,
    host_tasks,
    licence,
    log,
    monitor,
    node_actions,
    node_tracker,
    nova,
    oidc,
    onecloud,
    portal,
    power,
    prometheus,
    pxe,
    secrets,
    sign,
    volumes,
    webhooks,
)

Config = cfg.ConfigOpts
"""`config.<section>.<option>`; see `docs/configuration.md` for every option."""


def list_opts() -> list[tuple[str, list[Any]]]:
    """Every option by section, in the form that oslo.config's sample generator asks for."""
    return [(section.GROUP, section.OPTIONS) for section in SECTIONS]


def load(path: Path | None = None, overrides: Mapping[tuple[str, str], Any] | None = None) -> Config:
    """Read the file (none: all defaults), then apply overrides {(section, option): value}.

    Raises `Misconfigured`, naming the file, section and option.
    """
    config = cfg.ConfigOpts()
    for group, options in list_opts():
        config.register_opts(options, group=group)
    try:
        config([], project="cloudmanager", default_config_files=[str(path)] if path else [])
        for (group, option), value in (overrides or {}).items():
            config.set_override(option, value, group=group)
        _read_every_value(config)
    except (cfg.Error, ValueError) as error:
        raise Misconfigured(f"configuration {path or '(defaults)'}: {error}") from None
    return config


def _read_every_value(config: Config) -> None:
    """oslo.config checks a value when it is read: read all now, so that a typing error stops the start."""
    for group, options in list_opts():
        for option in options:
            config[group][option.dest]

"""The source of load that the configuration names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmanager.errors import Misconfigured
from cloudmanager.load_sources.allocation import AllocationSource
from cloudmanager.load_sources.nova import NovaSource
from cloudmanager.load_sources.prometheus import SECTION, PrometheusSource, Window, queries
from cloudmanager.prometheus import Prometheus

if TYPE_CHECKING:
    from cloudmanager.config import Config
    from cloudmanager.load_sources.source import LoadSource
    from cloudmanager.openstack.port import CloudPort


def source_for(config: Config, cloud: CloudPort) -> LoadSource:
    """As `[drs] metrics` says. It uses the cloud for as long as it is used itself, and closes nothing.

    Raises `Misconfigured` when options contradict each other.
    """
    match config.drs.metrics:
        case "nova":
            return NovaSource(
                cloud,
                interval=config.drs.nova_interval,
                requests=config.drs.nova_requests,
                time_limit=config.drs.nova_time_limit,
            )
        case "prometheus":
            return _prometheus(config)
        case _:
            return AllocationSource()


def _prometheus(config: Config) -> PrometheusSource:
    options = config.drs_prometheus
    if not config.prometheus.url:
        raise Misconfigured("[drs] metrics is prometheus: set [prometheus] url")
    for name in ("look_back", "max_age"):
        if options[name] < options.step:
            raise Misconfigured(f"[{SECTION}] {name} is shorter than step")
    window = Window(options.look_back, options.step, options.percentile, options.max_age)
    hosts, servers = (tuple(queries(options, noun)) for noun in ("host", "server"))
    if not servers:
        raise Misconfigured(f"[{SECTION}] has no query of what servers use")
    return PrometheusSource(Prometheus(config.prometheus, timeout=options.timeout), window, hosts, servers)

"""[host_tasks] what may be done to a host that is dead."""

from oslo_config import cfg

GROUP = "host_tasks"
OPTIONS = [
    cfg.BoolOpt(
        "allow_evacuate_host", default=True, help="Whether servers of a dead host may be started elsewhere."
    ),
    cfg.IntOpt("evacuation_retries", default=2, min=1, help="Attempts to evacuate each server."),
    cfg.ListOpt("deny_evacuate", default=[], help="Hosts whose servers are never started elsewhere."),
]

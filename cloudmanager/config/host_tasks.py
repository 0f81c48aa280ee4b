"""[host_tasks] what may be done to a host that is dead."""

from oslo_config import cfg

GROUP = "host_tasks"
OPTIONS = [
    cfg.BoolOpt(
        "allow_evacuate_host", default=True, help="Whether servers of a dead host may be started elsewhere."
    ),
    cfg.IntOpt("evacuation_retries", default=2, min=1, help="Attempts to evacuate each server."),
    cfg.FloatOpt(
        "spare_wait",
        default=300.0,
        min=0.0,
        max=3600.0,
        help="Seconds for which servers of a dead host wait at most for the spare node that stands in for "
        "it, while there is not enough room for them elsewhere.",
    ),
    cfg.ListOpt("deny_evacuate", default=[], help="Hosts whose servers are never started elsewhere."),
]

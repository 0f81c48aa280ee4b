"""[extra_availability_check] whether a host that Nova counts as down shows elsewhere that it lives."""

from oslo_config import cfg

GROUP = "extra_availability_check"
OPTIONS = [
    cfg.BoolOpt(
        "enabled",
        default=False,
        help="Whether the availability storages of a host are read before it is evacuated.",
    ),
    cfg.FloatOpt(
        "delay", default=60.0, min=0.0, help="Seconds between attempts when none of them can be read."
    ),
    cfg.IntOpt(
        "attempts", default=2, min=1, help="Attempts after which a host that cannot be read of is down."
    ),
    cfg.IntOpt(
        "instance_rate",
        default=100,
        min=0,
        max=100,
        help="Percent of the servers that should run on a host, and run there as its heartbeat says, from "
        "which it counts as alive.",
    ),
    cfg.FloatOpt("stale_after", default=60.0, min=1.0, help="Seconds after which a heartbeat is stale."),
    cfg.FloatOpt(
        "max_clock_skew",
        default=30.0,
        min=0.0,
        help="Seconds that the clock of a node may differ from ours. A heartbeat whose clock is further off "
        "leaves in doubt whether the host lives, and it is left alone.",
    ),
    cfg.FloatOpt(
        "timeout", default=5.0, min=0.1, help="Seconds that an availability storage may take to answer."
    ),
]

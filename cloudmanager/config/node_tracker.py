"""[node_tracker] how dead hosts are found, and how far the daemon may go by itself."""

from oslo_config import cfg

GROUP = "node_tracker"
OPTIONS = [
    cfg.StrOpt(
        "enabled",
        default="True",
        ignore_case=True,
        choices=[
            ("True", "Hosts are tracked; what is dead is evacuated as far as `max_down_hosts` lets it."),
            ("observe", "Hosts are tracked and verdicts told, but nothing is ever done."),
            ("False", "Hosts are not tracked."),
        ],
        help="Whether `cloudmanager monitor` tracks hosts.",
    ),
    cfg.FloatOpt("loop_time", default=30.0, min=0.1, help="Seconds between two looks at all hosts."),
    cfg.IntOpt("mutex", default=3, min=1, help="Looks in a row that must find a host down."),
    cfg.IntOpt(
        "max_down_hosts",
        default=0,
        min=0,
        help="Hosts that may be down for dead ones to be evacuated automatically; when more are, nobody is "
        "touched. 0: never.",
    ),
    cfg.IntOpt(
        "aggregate_limit",
        default=0,
        min=0,
        help="The same for the hosts of any one aggregate. 0: only `max_down_hosts` counts.",
    ),
    cfg.IntOpt("fences_per_cycle", default=1, min=1, help="Hosts that are fenced in `loop_time` at most."),
    cfg.IntOpt(
        "partition_share",
        default=50,
        min=0,
        max=100,
        help="Percent of the power devices of other hosts that may be silent; when more are, it may be this "
        "machine that is cut off, and nobody is touched.",
    ),
    cfg.IntOpt(
        "storage_cliff",
        default=50,
        min=0,
        max=100,
        help="Percent of the hosts that are up that may be silent on an availability storage; when more are, "
        "the storage has failed, and nobody who uses it is touched.",
    ),
    cfg.BoolOpt(
        "storage_fencing",
        default=False,
        help="Whether a host counts as fenced when its power device does not answer and it has been silent "
        "on every one of its availability storages for `storage_silence` seconds. Only where nodes stop "
        "their servers by themselves when they lose their storages.",
    ),
    cfg.FloatOpt(
        "storage_silence", default=120.0, min=1.0, help="Seconds of silence that count as fenced then."
    ),
    cfg.BoolOpt(
        "evacuate_cordoned",
        default=False,
        help="Whether dead hosts that somebody has cordoned in Nova are evacuated as well. Cordons of our "
        "own tasks, and those by which Nova itself takes a failing host out of service, never matter.",
    ),
    cfg.FloatOpt(
        "retry_interval",
        default=600.0,
        min=1.0,
        help="Seconds after which an evacuation that failed is begun again; sooner, when it failed because "
        "the power could not be cut, and with storage_fencing the host counts as fenced by now.",
    ),
    cfg.BoolOpt(
        "use_spares",
        default=False,
        help="Whether a reserved node is switched on to stand in for a host that is evacuated automatically, "
        "and returned when that host is back.",
    ),
]

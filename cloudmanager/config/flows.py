"""[flows] how long work is advanced."""

from oslo_config import cfg

GROUP = "flows"
OPTIONS = [
    cfg.FloatOpt(
        "lease", default=15.0, min=1.0, help="Seconds after which the work of a silent worker is taken over."
    ),
    cfg.FloatOpt(
        "sweep_interval", default=2.0, min=0.1, help="Seconds between two looks for work that is due."
    ),
    cfg.IntOpt("capacity", default=1000, min=1, help="Flows that one worker advances at once."),
    cfg.IntOpt(
        "max_attempts", default=3, min=1, help="Attempts at one step without progress before giving up."
    ),
    cfg.FloatOpt(
        "retry_delay", default=1.0, min=0.0, help="Seconds before the second attempt; doubles from then on."
    ),
    cfg.IntOpt("keep_days", default=90, min=1, help="Days for which a finished task can be read."),
]

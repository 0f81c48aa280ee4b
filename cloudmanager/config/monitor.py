"""[monitor] how the power state of the fleet is watched."""

from oslo_config import cfg

GROUP = "monitor"
OPTIONS = [
    cfg.BoolOpt("enabled", default=True, help="Whether `cloudmanager up` runs a monitor."),
    cfg.FloatOpt("interval", default=10.0, min=0.5, help="Seconds between looks at a device that answers."),
    cfg.FloatOpt(
        "longest_interval", default=120.0, min=1.0, help="Seconds between looks at a device long silent."
    ),
    cfg.IntOpt("misses", default=3, min=1, help="Looks without an answer after which a state is unknown."),
    cfg.IntOpt("at_once", default=1000, min=1, help="Devices that are asked at the same time."),
    cfg.FloatOpt("refresh_interval", default=5.0, min=0.5, help="Seconds between readings of the inventory."),
    cfg.FloatOpt(
        "sync_interval",
        default=300.0,
        min=0.0,
        help="Seconds between comparisons of the inventory with Nova's hypervisors; 0 is never.",
    ),
    cfg.IntOpt("keep_days", default=90, min=1, help="Days for which an event can be read."),
]

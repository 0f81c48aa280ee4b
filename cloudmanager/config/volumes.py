"""[volumes] work on the volumes of LVM backends."""

from oslo_config import cfg

GROUP = "volumes"
OPTIONS = [
    cfg.FloatOpt(
        "poll_interval",
        default=5.0,
        min=0.05,
        help="Seconds between two looks at a volume that is being mirrored or moved.",
    ),
    cfg.FloatOpt(
        "stalled_after",
        default=120.0,
        min=1.0,
        help="Seconds without progress after which LVM is told to go on with a move.",
    ),
]

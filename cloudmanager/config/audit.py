"""[audit] the record of who did what."""

from oslo_config import cfg

GROUP = "audit"
OPTIONS = [
    cfg.IntOpt(
        "keep_days",
        default=365,
        min=31,
        help="Days for which audit records are kept. The database refuses to delete what is younger than 30.",
    ),
]

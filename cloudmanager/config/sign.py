"""[sign] integrity of servers: how it is verified, and what follows from a violation."""

from oslo_config import cfg

GROUP = "sign"
OPTIONS = [
    cfg.FloatOpt(
        "verify_interval",
        default=300.0,
        min=1.0,
        help="Seconds between two verifications of the servers of a guarded node.",
    ),
    cfg.BoolOpt(
        "verify_nvram",
        default=True,
        help="Whether a server's own NVRAM, kernel and RAM disk are a part of its signature. Some guests "
        "write their NVRAM when they are updated.",
    ),
    cfg.BoolOpt(
        "stop_violated",
        default=True,
        help="Whether a server of a guarded node is stopped when it is not what was signed. False: that is "
        "only told.",
    ),
]

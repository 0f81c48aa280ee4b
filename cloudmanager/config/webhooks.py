"""[webhooks] how others are told of events."""

from oslo_config import cfg
from oslo_config.types import String

GROUP = "webhooks"
OPTIONS = [
    cfg.StrOpt(
        "source",
        default="/cloudmanager",
        help="The `source` of every event, a URI reference. Another for each installation, where several "
        "tell the same receiver.",
    ),
    cfg.FloatOpt(
        "timeout", default=10.0, min=0.1, max=60.0, help="Seconds that a receiver may take to answer."
    ),
    cfg.FloatOpt(
        "retry_delay", default=5.0, min=0.1, help="Seconds until the second attempt; each pause doubles."
    ),
    cfg.FloatOpt("longest_delay", default=7200.0, min=1.0, help="The longest pause between two attempts."),
    cfg.FloatOpt("give_up_after", default=3.0, min=0.01, help="Days after which a delivery is given up."),
    cfg.IntOpt("keep_days", default=30, min=1, help="Days for which deliveries that have ended are kept."),
    cfg.StrOpt("cafile", help="Certificates that receivers' are checked with; empty: those of the system."),
    cfg.ListOpt(
        "refused_networks",
        item_type=String(),
        default=[
            "0.0.0.0/8",
            "169.254.0.0/16",
            "224.0.0.0/4",
            "255.255.255.255/32",
            "100.100.100.200/32",
            "::/128",
            "fe80::/10",
            "ff00::/8",
            "fd00:ec2::254/128",
        ],
        help="Networks to which nothing is sent, whatever name leads there: by default link-local, "
        "multicast and the metadata services of clouds.",
    ),
    cfg.ListOpt(
        "allowed_networks",
        item_type=String(),
        default=[],
        help="If any are given, nothing is sent elsewhere. They go before `refused_networks`.",
    ),
]

"""[prometheus] the server that is asked for alerts before maintenance, and for load by the balancer."""

from oslo_config import cfg

GROUP = "prometheus"
OPTIONS = [
    cfg.StrOpt(
        "url",
        default="",
        regex=r"^(https?://\S+)?$",
        help="Address of Prometheus, or of what speaks its API (Thanos, Mimir, VictoriaMetrics), with the "
        "path before `/api/v1`. Empty: maintenance windows cannot be blocked by alerts.",
    ),
    cfg.StrOpt("bearer_token", secret=True, help="Token that it wants."),
    cfg.StrOpt("username", help="Our name, where it wants basic authentication."),
    cfg.StrOpt("password", secret=True, help="Its password."),
    cfg.StrOpt("cafile", help="Certificates that its own is checked with; empty: those of the system."),
    cfg.FloatOpt(
        "timeout", default=5.0, min=0.1, max=10.0, help="Seconds that an answer about alerts may take."
    ),
]

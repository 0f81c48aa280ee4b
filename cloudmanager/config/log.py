"""[log] what is written to standard error."""

from oslo_config import cfg

GROUP = "log"
OPTIONS = [
    cfg.StrOpt("format", default="console", choices=["console", "json"], help="For people or for machines."),
    cfg.StrOpt(
        "level", default="info", choices=["debug", "info", "warning", "error"], help="Least level written."
    ),
]

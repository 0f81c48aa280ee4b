"""[onecloud] the API for consoles of many clouds."""

from oslo_config import cfg

GROUP = "onecloud"
OPTIONS = [
    cfg.StrOpt(
        "prefix",
        default="",
        regex=r"^(/[A-Za-z0-9._~-]+)*$",
        help="What stands before /servers and /v3/auth/tokens in the addresses of its clients; "
        "empty: nothing, as OneCloud documents it. Below /onecloud they are always answered.",
    ),
]

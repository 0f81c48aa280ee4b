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
    cfg.FloatOpt(
        "rate",
        default=10.0,
        min=0.0,
        help="Requests a second that a user's tokens for a project are good for, and logins a second from an "
        "address, in each process of the API; more are answered 429. 0: without limit.",
    ),
    cfg.IntOpt("burst", default=50, min=1, help="Requests that may come at once before `rate` counts."),
]

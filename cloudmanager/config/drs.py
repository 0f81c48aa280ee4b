"""[drs] how aggregates are balanced: where their load is learnt from."""

from oslo_config import cfg

GROUP = "drs"
OPTIONS = [
    cfg.StrOpt(
        "metrics",
        default="allocation",
        choices=[
            ("allocation", "What flavors reserve; nothing is measured."),
            ("nova", "CPU and network of servers, from Nova's diagnostics."),
            ("prometheus", "What the queries of this section find in the server of [prometheus]."),
        ],
        help="Where the load of hosts and servers is learnt from.",
    ),
    cfg.FloatOpt(
        "nova_interval",
        default=10.0,
        min=1.0,
        max=300.0,
        help="Seconds between the two diagnostics of a server from which its rates are reckoned.",
    ),
    cfg.IntOpt(
        "nova_requests",
        default=8,
        min=1,
        max=64,
        help="Diagnostics that are asked for at a time; each is a call to a nova-compute.",
    ),
    cfg.FloatOpt(
        "nova_time_limit",
        default=120.0,
        min=5.0,
        max=3600.0,
        help="Seconds in which all servers have to be measured; those that are not count as not measured.",
    ),
]

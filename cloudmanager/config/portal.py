"""[portal] the Compute portal: what tenants may ask of it, and what it does in their projects."""

from oslo_config import cfg
from oslo_config.types import Dict, Float, String

GROUP = "portal"
OPTIONS = [
    cfg.FloatOpt(
        "rate",
        default=10.0,
        min=0.0,
        help="Requests a second that a user's tokens are good for, in each process of the API; more are "
        "answered 429. 0: without limit.",
    ),
    cfg.IntOpt("burst", default=50, min=1, help="Requests that may come at once before `rate` counts."),
    cfg.StrOpt(
        "public_network",
        default="",
        help="Name or id of the external network that public addresses come from; empty: the only one that "
        "the project sees.",
    ),
    cfg.ListOpt(
        "ssh_sources",
        item_type=String(regex=r"^[0-9A-Fa-f.:]+/[0-9]{1,3}$"),
        default=["0.0.0.0/0"],
        help="Networks from which `enable_ssh` lets port 22 be reached.",
    ),
    cfg.StrOpt(
        "console",
        default="novnc",
        choices=["novnc", "spice-html5"],
        help="Which kind of console an instance is given.",
    ),
    cfg.IntOpt("log_lines", default=500, min=1, max=10000, help="Lines of an instance's log that are shown."),
    cfg.StrOpt(
        "domain_hook",
        default="",
        help="A command that makes domain names lead to public addresses. It is called with `publish NAME "
        "ADDRESS` and `withdraw NAME ADDRESS`, perhaps more than once; its environment has the project's id "
        "as CLOUDMANAGER_PROJECT. Status 0: done; 75: not now, try again; any other: refused, and the last "
        "line of its output says why. Empty: nobody is told of names.",
    ),
    cfg.FloatOpt("domain_hook_timeout", default=10.0, min=0.1, help="Seconds that the command may take."),
    cfg.Opt(
        "prices",
        type=Dict(Float(min=0.0)),
        default={},
        help="Prices of an hour by name of flavor, for the forecast: `m1.small:0.02,m1.large:0.11`. Empty: "
        "there is no forecast.",
    ),
    cfg.StrOpt("currency", default="EUR", help="What prices are in."),
]

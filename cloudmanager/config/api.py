"""[api] where the REST API listens and how much one request may ask."""

from ipaddress import ip_network
from typing import cast

from oslo_config import cfg, types

GROUP = "api"
OPTIONS = [
    cfg.StrOpt("host", default="127.0.0.1", help="Address to listen on."),
    cfg.PortOpt("port", default=9362, help="TCP port to listen on."),
    cfg.ListOpt(
        "trusted_proxies",
        default=[],
        item_type=cast("types.ConfigType", ip_network),
        help="Addresses or networks whose X-Forwarded-For is believed, for the audit log.",
    ),
    cfg.IntOpt("processes", default=1, min=1, help="Number of API processes on this machine."),
    cfg.IntOpt("threads", default=16, min=1, help="Requests that one API process serves at once."),
    cfg.IntOpt(
        "max_body_bytes", default=8_388_608, min=1024, help="A larger request body is refused with 413."
    ),
    cfg.IntOpt(
        "max_limit", default=1000, min=1, help="Largest `limit` of a list; no `limit` lists everything."
    ),
    cfg.IntOpt(
        "max_bulk_nodes",
        default=5000,
        min=1,
        max=30_000,  # their ids fit into one statement on every database
        help="Most nodes that one request creates or one bulk action takes; more are refused with 422.",
    ),
    cfg.IntOpt(
        "idempotency_hours",
        default=24,
        min=1,
        help="How long the answer to a request with an Idempotency-Key is kept.",
    ),
]

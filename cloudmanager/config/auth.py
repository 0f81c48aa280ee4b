"""[auth] who may call the API."""

from oslo_config import cfg

GROUP = "auth"
OPTIONS = [
    cfg.StrOpt(
        "strategy",
        default="token",
        choices=[("token", "Tokens kept in our own database; `cloudmanager token create` makes them.")],
        help="How the X-Auth-Token of a request is checked.",
    ),
]

"""[auth] who may call the API."""

from oslo_config import cfg

GROUP = "auth"
OPTIONS = [
    cfg.StrOpt(
        "strategy",
        default="token",
        choices=[
            ("token", "Tokens kept in our own database; `cloudmanager token create` makes them."),
            ("keystone", "Tokens of OpenStack's Keystone; see [keystone_authtoken]."),
        ],
        help="How the X-Auth-Token of a request is checked.",
    ),
]

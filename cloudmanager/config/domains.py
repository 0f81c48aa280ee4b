"""[domains] Keystone's domains that have users of their own, such as those of a directory."""

from oslo_config import cfg

GROUP = "domains"
OPTIONS = [
    cfg.StrOpt(
        "store",
        default="file",
        choices=["file", "database"],
        help="Where Keystone reads the options of domains: `database` where its `[identity] "
        "domain_configurations_from_database` is true. It is told by `/v1/domains/actions/get-store`.",
    ),
    cfg.StrOpt(
        "config_directory",
        default="/etc/keystone/domains",
        help="Directory of `keystone.<domain name>.conf`, which "
        "`/v1/domains/{domain_id}/actions/configure` loads.",
    ),
    cfg.ListOpt(
        "additional_options",
        default=[],
        help="Options besides Keystone's usual ones, as `group.option`, that a domain may have: those of its "
        "`[domain_config] additional_whitelisted_options` and `additional_sensitive_options`.",
    ),
    cfg.BoolOpt(
        "totp_allowed",
        default=False,
        help="What `GET /v1/domains/totp-allowed` tells: whether users may be sent one-time passwords.",
    ),
]

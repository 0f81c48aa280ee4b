"""[keystone_authtoken] how tokens are checked with Keystone, when `[auth] strategy = keystone`.

Names and meanings are those of keystonemiddleware, so that a section of another service can be used.
"""

from oslo_config import cfg

GROUP = "keystone_authtoken"
OPTIONS = [
    cfg.StrOpt("auth_url", help="Keystone's address, such as https://keystone.example:5000/v3."),
    cfg.StrOpt(
        "www_authenticate_uri", help="Keystone's address for those who have no token; empty: `auth_url`."
    ),
    cfg.StrOpt(
        "auth_type",
        default="password",
        choices=[
            ("password", "As `username` in `project_name`."),
            ("v3applicationcredential", "With `application_credential_id` and `_secret`."),
        ],
        help="How we ourselves log in to Keystone, to ask it about tokens.",
    ),
    cfg.StrOpt("username", help="Our user; it needs the role service or admin."),
    cfg.StrOpt("password", secret=True, help="Its password."),
    cfg.StrOpt("user_domain_name", default="Default", help="The domain of our user."),
    cfg.StrOpt("project_name", default="service", help="The project in which our user has its role."),
    cfg.StrOpt("project_domain_name", default="Default", help="The domain of that project."),
    cfg.StrOpt("application_credential_id", help="Our application credential."),
    cfg.StrOpt("application_credential_secret", secret=True, help="Its secret."),
    cfg.StrOpt(
        "interface",
        default="internal",
        choices=["internal", "public", "admin"],
        help="Which of Keystone's endpoints in the catalogue is asked.",
    ),
    cfg.StrOpt("region_name", help="The region of that endpoint."),
    cfg.StrOpt("cafile", help="Certificates that Keystone's is checked with; empty: those of the system."),
    cfg.StrOpt("certfile", help="Our certificate, where Keystone wants one."),
    cfg.StrOpt("keyfile", help="The key of our certificate."),
    cfg.BoolOpt("insecure", default=False, help="Believe any certificate."),
    cfg.IntOpt("http_connect_timeout", default=5, min=1, help="Seconds to wait for an answer of Keystone."),
    cfg.IntOpt(
        "http_request_max_retries", default=1, min=0, help="Further attempts when it cannot be reached."
    ),
    cfg.IntOpt(
        "token_cache_time",
        default=60,
        min=-1,
        help="Seconds for which a token is good without another look; a revoked one too. -1: none.",
    ),
    cfg.ListOpt(
        "memcached_servers",
        default=[],
        help="host:port of memcached that all API processes share; empty: each remembers for itself. "
        "Needs `pip install cloudmanager[memcached]`.",
    ),
    cfg.StrOpt(
        "memcache_security_strategy",
        default="None",
        choices=["None", "MAC", "ENCRYPT"],
        ignore_case=True,
        help="How what is kept in memcached is protected.",
    ),
    cfg.StrOpt("memcache_secret_key", secret=True, help="The key for that."),
    cfg.ListOpt(
        "service_token_roles",
        default=["service"],
        help="Roles that make an X-Service-Token one of a service; with it an expired token still counts.",
    ),
    cfg.BoolOpt(
        "service_token_roles_required",
        default=True,
        help="Refuse an X-Service-Token without one of those roles.",
    ),
    cfg.StrOpt(
        "service_type",
        help="Our type in the catalogue, by which access rules of application credentials name us; "
        "without it, credentials that have access rules are refused.",
    ),
]

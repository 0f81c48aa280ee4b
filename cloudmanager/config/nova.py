"""[nova] how we act in OpenStack: as which user, through which endpoints, how patiently.

Names of the log-in options are keystoneauth's, as in other services' [nova] sections. Whatever is not set is
taken from [keystone_authtoken].
"""

from oslo_config import cfg

GROUP = "nova"
OPTIONS = [
    cfg.StrOpt(
        "cloud",
        help="Name of a cloud in clouds.yaml; with it the log-in options of this section are not used.",
    ),
    cfg.StrOpt("auth_url", help="Keystone's address, such as https://keystone.example:5000/v3."),
    cfg.StrOpt(
        "auth_type",
        default="",
        choices=[
            ("", "As [keystone_authtoken] says."),
            ("password", "As `username` in `project_name`."),
            ("v3applicationcredential", "With `application_credential_id` and `_secret`."),
        ],
        help="How we log in.",
    ),
    cfg.StrOpt("username", help="Our user; it needs the role admin."),
    cfg.StrOpt("password", secret=True, help="Its password."),
    cfg.StrOpt("user_domain_name", help="The domain of our user."),
    cfg.StrOpt("project_name", help="The project in which our user has its role."),
    cfg.StrOpt("project_domain_name", help="The domain of that project."),
    cfg.StrOpt("application_credential_id", help="Our application credential."),
    cfg.StrOpt("application_credential_secret", secret=True, help="Its secret."),
    cfg.StrOpt(
        "interface",
        default="",
        choices=["", "internal", "public", "admin"],
        help="Which endpoints of the catalogue are used.",
    ),
    cfg.StrOpt("region_name", help="The region of those endpoints."),
    cfg.StrOpt(
        "cafile", help="Certificates that the endpoints' are checked with; empty: those of the system."
    ),
    cfg.StrOpt("certfile", help="Our certificate, where the cloud wants one."),
    cfg.StrOpt("keyfile", help="The key of our certificate."),
    cfg.BoolOpt(
        "insecure", default=False, help="Believe any certificate, as [keystone_authtoken] may say as well."
    ),
    cfg.FloatOpt("timeout", default=8.0, min=0.1, help="Seconds that one request to the cloud may take."),
    cfg.IntOpt(
        "connections", default=16, min=1, help="Requests to the cloud that a process makes at a time."
    ),
    cfg.StrOpt(
        "database_connection",
        secret=True,
        help="SQLAlchemy address of the database of Nova's cell, for `system_metadata` alone: "
        "Nova has no API for it. Empty: those calls answer 501.",
    ),
]

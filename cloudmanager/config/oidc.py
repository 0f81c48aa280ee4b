"""[oidc] the issuer of tenants' tokens, such as a realm of Keycloak, and what a token must say."""

from oslo_config import cfg
from oslo_config.types import String

GROUP = "oidc"
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
OPTIONS = [
    cfg.StrOpt(
        "issuer",
        default="",
        regex=r"^(https?://\S+)?$",
        help="Address of the issuer, exactly as its tokens name it: https://keycloak.example/realms/cloud. "
        "Empty: the portal takes no tokens. By http, whoever is on the way can make tokens.",
    ),
    cfg.ListOpt(
        "audiences",
        default=[],
        help="Tokens must be meant for one of these (`aud`). This or `authorized_parties` must be set.",
    ),
    cfg.ListOpt(
        "authorized_parties",
        default=[],
        help="Clients that tokens may have been given to (`azp`); empty: any.",
    ),
    cfg.ListOpt(
        "algorithms",
        item_type=String(choices=ALGORITHMS),
        default=["RS256", "PS256", "ES256", "EdDSA"],
        help=f"How tokens may be signed: some of {', '.join(ALGORITHMS)}.",
    ),
    cfg.IntOpt(
        "leeway", default=10, min=0, max=300, help="Seconds by which the issuer's clock may differ from ours."
    ),
    cfg.StrOpt(
        "jwks_url",
        default="",
        regex=r"^(https?://\S+)?$",
        help="Address of the issuer's keys, where it has another from here; empty: what discovery says.",
    ),
    cfg.FloatOpt("keys_seconds", default=300.0, min=1.0, help="Seconds after which keys are fetched again."),
    cfg.FloatOpt(
        "keys_stale_seconds",
        default=86400.0,
        min=1.0,
        help="Seconds for which fetched keys count while the issuer cannot be reached.",
    ),
    cfg.FloatOpt(
        "refresh_interval",
        default=10.0,
        min=1.0,
        max=3600.0,
        help="Seconds between two attempts to fetch keys, however many tokens name an unknown one.",
    ),
    cfg.StrOpt("cafile", help="Certificates that the issuer's is checked with; empty: those of the system."),
    cfg.FloatOpt("timeout", default=5.0, min=0.1, max=30.0, help="Seconds that fetching keys may take."),
    cfg.StrOpt(
        "project_claim",
        default="project_id",
        help="The claim that says whose project a token is for: a name, or names joined by dots for a claim "
        "within others. It may hold one text or a list, such as `groups`.",
    ),
    cfg.DictOpt(
        "projects",
        default={},
        help="Ids of Keystone's projects by value of that claim: `/tenants/red:4f1c…,/tenants/blue:90ab…`. "
        "Values that are not there give no project. Empty: the claim itself is the id.",
    ),
    cfg.StrOpt(
        "roles_claim",
        default="realm_access.roles",
        help="The claim with the user's roles, as `project_claim`.",
    ),
]

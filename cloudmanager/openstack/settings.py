"""Where the cloud is and who we are there: [nova], and [keystone_authtoken] for what [nova] leaves out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from cloudmanager.errors import Misconfigured

_LOGIN = {
    "password": ("auth_url", "username", "password"),
    "v3applicationcredential": (
        "auth_url",
        "application_credential_id",
        "application_credential_secret",
    ),
}
"""What each way to log in needs."""

_SCOPE = {"password": ("user_domain_name", "project_name", "project_domain_name")}
"""What it takes besides, when it is there."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How to reach the cloud: by a name in clouds.yaml, or by `login`, which are keystoneauth's options."""

    cloud: str | None = None
    auth_type: str = "password"
    login: dict[str, str] = field(default_factory=dict, repr=False)
    interface: str = "public"
    region_name: str | None = None
    verify: bool | str = True
    certificate: tuple[str, str] | None = None
    timeout: float = 8.0
    connections: int = 16


def settings_from(config: Any) -> Settings | None:
    """What a configuration object says; None when it does not name a cloud.

    Raises `Misconfigured` when [nova] says something, and not enough.
    """
    ours, fallback = config.nova, config.keystone_authtoken
    patience = {"timeout": ours.timeout, "connections": ours.connections}
    if ours.cloud:
        return Settings(cloud=ours.cloud, **patience)

    def value(name: str) -> Any:
        return ours[name] or fallback[name]

    auth_type = value("auth_type")
    needed = _LOGIN[auth_type]
    missing = [name for name in needed if not value(name)]
    if missing and any(ours[name] for name in needed):
        raise Misconfigured(f"[nova] {missing[0]} is missing, in [keystone_authtoken] as well")
    if missing:
        return None
    names = (*needed, *_SCOPE.get(auth_type, ()))
    return Settings(
        auth_type=auth_type,
        login={name: value(name) for name in names if value(name)},
        interface=value("interface"),
        region_name=value("region_name"),
        verify=False if value("insecure") else value("cafile") or True,
        certificate=(value("certfile"), value("keyfile")) if value("certfile") and value("keyfile") else None,
        **patience,
    )

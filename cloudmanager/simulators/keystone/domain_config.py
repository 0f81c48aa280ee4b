"""Configuration of domains (`/v3/domains/{id}/config`): the options that a domain has of its own.

Keystone keeps those of its whitelist alone, and never shows what is sensitive.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloudmanager.simulators.http import Answer, failure

if TYPE_CHECKING:
    from cloudmanager.simulators.http import Request
    from cloudmanager.simulators.keystone.identity import Identity

Config = dict[str, dict[str, Any]]

_SENSITIVE = {("ldap", "password")}
_IDENTITY = frozenset({"driver", "list_limit"})
_LDAP = frozenset(
    {
        "url",
        "user",
        "suffix",
        "query_scope",
        "page_size",
        "alias_dereferencing",
        "debug_level",
        "chase_referrals",
        "user_tree_dn",
        "user_filter",
        "user_objectclass",
        "user_id_attribute",
        "user_name_attribute",
        "user_mail_attribute",
        "user_description_attribute",
        "user_pass_attribute",
        "user_enabled_attribute",
        "user_enabled_invert",
        "user_enabled_mask",
        "user_enabled_default",
        "user_attribute_ignore",
        "user_default_project_id_attribute",
        "user_enabled_emulation",
        "user_enabled_emulation_dn",
        "user_enabled_emulation_use_group_config",
        "user_additional_attribute_mapping",
        "group_tree_dn",
        "group_filter",
        "group_objectclass",
        "group_id_attribute",
        "group_name_attribute",
        "group_member_attribute",
        "group_members_are_ids",
        "group_desc_attribute",
        "group_attribute_ignore",
        "group_additional_attribute_mapping",
        "tls_cacertfile",
        "tls_cacertdir",
        "use_tls",
        "tls_req_cert",
        "use_pool",
        "pool_size",
        "pool_retry_max",
        "pool_retry_delay",
        "pool_connection_timeout",
        "pool_connection_lifetime",
        "use_auth_pool",
        "auth_pool_size",
        "auth_pool_connection_lifetime",
        "password",
    }
)
_WHITELIST = {"identity": _IDENTITY, "ldap": _LDAP}


def answer(identity: Identity, request: Request, domain_id: str) -> Answer:
    """What Keystone says to an administrator who reads, sets, changes or deletes the options of a domain."""
    kept: Config | None = identity.domain_configs.get(domain_id)
    if request.method == "GET":
        if kept is None:
            return failure(404, f"Could not find any options in domain configuration for domain {domain_id}.")
        return Answer(200, {"config": _shown(kept)})
    if domain_id not in identity.domains:
        return failure(404, f"Could not find domain: {domain_id}.")
    if request.method in ("PUT", "PATCH"):
        return _set(identity, request, domain_id)
    if request.method == "DELETE":
        identity.domain_configs.pop(domain_id, None)
        return Answer(204)
    return failure(405, "The method is not allowed for the requested URL.")


def _set(identity: Identity, request: Request, domain_id: str) -> Answer:
    """Seen on Keystone 29: what is no configuration is one without options; PATCH makes one, too."""
    try:
        given: Config = {group: dict(options) for group, options in (request.json()["config"] or {}).items()}
    except LookupError:
        given = {}
    except (ValueError, TypeError, AttributeError):
        return failure(400, "The request body is not a domain configuration.")
    if why := _not_allowed(given):
        return failure(403, f"Invalid domain specific configuration: {why}.")
    old = identity.domain_configs.get(domain_id)
    if request.method == "PATCH" and old is not None:
        given = {group: old.get(group, {}) | given.get(group, {}) for group in {**old, **given}}
    identity.domain_configs[domain_id] = given
    made = request.method == "PUT" and old is None
    return Answer(201 if made else 200, {"config": _shown(given)})


def _not_allowed(config: Config) -> str | None:
    if not config:
        return "No options specified"
    for group, options in config.items():
        if group not in _WHITELIST:
            return f"Group {group} is not supported for domain specific configurations"
        for option in options:
            if option not in _WHITELIST[group]:
                return f"Option {option} in group {group} is not supported for domain specific configurations"
    return None


def _shown(config: Config) -> Config:
    return {
        group: {name: value for name, value in options.items() if (group, name) not in _SENSITIVE}
        for group, options in config.items()
    }

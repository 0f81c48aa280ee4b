"""The options of a domain of Keystone, as `keystone.<domain name>.conf` has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oslo_config import cfg

from cloudmanager.errors import Conflict, InvalidInput

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

_TREE = ("{}_tree_dn", "{}_filter", "{}_objectclass", "{}_id_attribute", "{}_name_attribute")
_BOTH = (*_TREE, "{}_attribute_ignore", "{}_additional_attribute_mapping")
_LDAP = (
    *("url", "user", "password", "suffix", "query_scope", "page_size", "alias_dereferencing"),
    *("debug_level", "chase_referrals"),
    *(name.format("user") for name in _BOTH),
    *(f"user_{name}_attribute" for name in ("mail", "description", "pass", "enabled", "default_project_id")),
    *("user_enabled_invert", "user_enabled_mask", "user_enabled_default", "user_enabled_emulation"),
    *("user_enabled_emulation_dn", "user_enabled_emulation_use_group_config"),
    *(name.format("group") for name in _BOTH),
    *("group_members_are_ids", "group_member_attribute", "group_desc_attribute"),
    *("tls_cacertfile", "tls_cacertdir", "use_tls", "tls_req_cert"),
    *("use_pool", "pool_size", "pool_retry_max", "pool_retry_delay", "pool_connection_timeout"),
    *("pool_connection_lifetime", "use_auth_pool", "auth_pool_size", "auth_pool_connection_lifetime"),
)
ALLOWED = frozenset({"identity.driver", "identity.list_limit", *(f"ldap.{name}" for name in _LDAP)})
"""What Keystone 29 lets a domain have of its own; others it refuses (its `DomainConfigManager`)."""


def options_of(directory: Path, domain: str, more: Collection[str] = ()) -> Mapping[str, Mapping[str, str]]:
    """{group: {option: value}} of the file for this domain; of an option that stands twice, the first.

    `more` are allowed besides. Raises `Conflict` without such a file, `InvalidInput` for what stands in it.
    """
    if "/" in domain or "\0" in domain:
        raise Conflict(f"the name of domain {domain!r} cannot be a part of a file's name: rename the domain")
    path = directory / f"keystone.{domain}.conf"
    sections: dict[str, dict[str, list[str]]] = {}
    try:
        cfg.ConfigParser(str(path), sections).parse()
    except OSError as error:
        raise Conflict(f"the options of domain {domain} cannot be read: {path}: {error.strerror}") from None
    except cfg.ParseError as error:  # what stands in the line may be a password
        raise InvalidInput(f"{path}: line {error.lineno} is neither a section nor an option") from None
    except UnicodeDecodeError:
        raise InvalidInput(f"{path} is not UTF-8") from None
    _check(path, sections, ALLOWED | set(more))
    return {
        group: {name: values[0] for name, values in options.items()}
        for group, options in sections.items()
        if options
    }


def _check(path: Path, sections: Mapping[str, Mapping[str, object]], allowed: Collection[str]) -> None:
    given = [f"{group}.{name}" for group, options in sections.items() for name in options]
    if not given:
        raise InvalidInput(f"{path} has no options")
    if wrong := [name for name in given if name not in allowed]:
        raise InvalidInput(
            f"{path}: a domain cannot have {', '.join(wrong)} of its own: remove it from the file",
            {name: ["Not an option that a domain can have of its own."] for name in wrong},
        )

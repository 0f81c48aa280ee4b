"""How people, and the daemon of a demo, get into its simulated cloud."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from cloudmanager.simulators.datacentre import HOST
from cloudmanager.simulators.openstack.seeding import (
    ADMIN,
    OURS,
    PORTAL_AUDIENCE,
    PORTAL_CLIENT,
    PROJECT,
    READER,
)
from cloudmanager.state_dir import write_private

if TYPE_CHECKING:
    from cloudmanager.config import Config
    from cloudmanager.simulators.openstack.cloud import OpenStack
    from cloudmanager.state_dir import StateDirectory

TENANT = "shop-owner"
"""Whose token the demo shows how to get; there is one for each tenant."""

_USUAL_PORTS = {"keystone": 5000, "keycloak": 8080}
_SECTIONS = """
[auth]
strategy = keystone

[keystone_authtoken]
# The Keystone of the simulated data centre. `cloudmanager demo` corrects the port when it has moved.
auth_url = {auth_url}
username = {username}
password = {password}
project_name = service

[nova]
# As the same user we act in the simulated cloud.
database_connection = {database}

[oidc]
# Its Keycloak, whose tokens the portal takes; `portal-token-…` get one.
issuer = {issuer}
audiences = {audience}
"""
_SCRIPT = r"""#!/bin/sh
# Prints a token of {name} for the portal: TOKEN=$(sh THIS_FILE)
curl -fsS -m 10 -d @- {issuer}/protocol/openid-connect/token <<'FORM' |
{form}
FORM
    sed 's/.*"access_token": *"\([^"]*\)".*/\1/'
"""


def sections(cloud: OpenStack, directory: StateDirectory) -> str:
    """What a configuration has to say, so that the daemon of the demo knows its cloud."""
    values = {
        "auth_url": _keystone(cloud),
        "issuer": _issuer(cloud),
        "audience": PORTAL_AUDIENCE,
        "username": OURS,
        "password": cloud.identity.user_named(OURS).password,
        "database": f"sqlite:///{directory.nova_database}",
    }
    return _SECTIONS.format(**{name: value.replace("$", "$$") for name, value in values.items()})


def correct_addresses(cloud: OpenStack, directory: StateDirectory, config: Config) -> None:
    """Let our configuration name the ports on which Keystone and Keycloak listen now, where it names them."""
    file = directory.config_file
    for named, real in (
        (config.keystone_authtoken.auth_url, _keystone(cloud)),
        (config.oidc.issuer, _issuer(cloud)),
    ):
        if named and named != real and named.startswith(f"http://{HOST}:") and file.exists():
            write_private(file, file.read_text().replace(named, real))


def write_credentials(cloud: OpenStack, directory: StateDirectory) -> None:
    """Write what `openstack` needs, for the administrator and for one who may only look."""
    for file, user in ((directory.openrc, ADMIN), (directory.reader_openrc, READER)):
        values = {
            "OS_AUTH_TYPE": "password",
            "OS_AUTH_URL": _keystone(cloud),
            "OS_USERNAME": user,
            "OS_PASSWORD": cloud.identity.user_named(user).password,
            "OS_PROJECT_NAME": PROJECT,
            "OS_USER_DOMAIN_NAME": "Default",
            "OS_PROJECT_DOMAIN_NAME": "Default",
            "OS_REGION_NAME": "RegionOne",
            "OS_IDENTITY_API_VERSION": "3",
        }
        write_private(
            file, "".join(f"export {name}={shlex.quote(value)}\n" for name, value in values.items())
        )


def write_token_scripts(cloud: OpenStack, directory: StateDirectory) -> None:
    """Write a script for each tenant that prints a token of its owner, whose password is in no argument."""
    for person in cloud.realm.people.values():
        form = urlencode(
            {
                "grant_type": "password",
                "client_id": PORTAL_CLIENT,
                "username": person.name,
                "password": person.password,
            }
        )
        script = _SCRIPT.format(name=person.name, issuer=_issuer(cloud), form=form)
        write_private(directory.portal_token_script(person.name), script)


def _keystone(cloud: OpenStack) -> str:
    return f"http://{HOST}:{_port(cloud, 'keystone')}/v3"


def _issuer(cloud: OpenStack) -> str:
    return f"http://{HOST}:{_port(cloud, 'keycloak')}/realms/{cloud.realm.name}"


def _port(cloud: OpenStack, name: str) -> int:
    return cloud.ports.get(name) or _USUAL_PORTS[name]

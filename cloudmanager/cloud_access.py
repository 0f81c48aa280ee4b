"""How people, and the daemon of a demo, get into its simulated cloud."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from cloudmanager.simulators.datacentre import HOST
from cloudmanager.simulators.openstack.seeding import ADMIN, OURS, PROJECT, READER
from cloudmanager.state_dir import write_private

if TYPE_CHECKING:
    from cloudmanager.config import Config
    from cloudmanager.simulators.openstack.cloud import OpenStack
    from cloudmanager.state_dir import StateDirectory

_USUAL_PORT = 5000
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
"""


def sections(cloud: OpenStack, directory: StateDirectory) -> str:
    """What a configuration has to say, so that the daemon of the demo knows its cloud."""
    values = {
        "auth_url": _address(cloud),
        "username": OURS,
        "password": cloud.identity.user_named(OURS).password,
        "database": f"sqlite:///{directory.nova_database}",
    }
    return _SECTIONS.format(**{name: value.replace("$", "$$") for name, value in values.items()})


def correct_address(cloud: OpenStack, directory: StateDirectory, config: Config) -> None:
    """Let our configuration name the port on which Keystone listens now, if it names this one at all."""
    named, real = config.keystone_authtoken.auth_url, _address(cloud)
    file = directory.config_file
    if named and named != real and named.startswith(f"http://{HOST}:") and file.exists():
        write_private(file, file.read_text().replace(named, real))


def write_credentials(cloud: OpenStack, directory: StateDirectory) -> None:
    """Write what `openstack` needs, for the administrator and for one who may only look."""
    for file, user in ((directory.openrc, ADMIN), (directory.reader_openrc, READER)):
        values = {
            "OS_AUTH_TYPE": "password",
            "OS_AUTH_URL": _address(cloud),
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


def _address(cloud: OpenStack) -> str:
    return f"http://{HOST}:{cloud.ports.get('keystone') or _USUAL_PORT}/v3"

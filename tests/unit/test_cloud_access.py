"""How the demo's configuration and files follow its simulated cloud."""

from __future__ import annotations

import shlex
import stat
from urllib.parse import parse_qs

import pytest

from cloudmanager import cloud_access, config
from cloudmanager.simulators.clock import ManualClock
from cloudmanager.simulators.datacentre import DataCentre
from cloudmanager.state_dir import StateDirectory


@pytest.fixture
def cloud():
    centre = DataCentre.seeded(1, 6, clock=ManualClock())
    made = centre.add_cloud(list(centre.world.nodes))
    made.ports = {"keystone": 6001, "keycloak": 6002}
    return made


@pytest.fixture
def directory(tmp_path, cloud):
    made = StateDirectory(tmp_path / "state")
    made.path.mkdir()
    made.create_files(cloud_access.sections(cloud, made))
    return made


def test_the_configuration_names_keystone_and_keycloak(directory):
    options = config.load(directory.config_file)
    assert options.keystone_authtoken.auth_url == "http://127.0.0.1:6001/v3"
    assert options.oidc.issuer == "http://127.0.0.1:6002/realms/cloud"
    assert options.oidc.audiences == ["compute-portal"]


def test_ports_that_have_moved_are_corrected(cloud, directory):
    cloud.ports = {"keystone": 7001, "keycloak": 7002}
    cloud_access.correct_addresses(cloud, directory, config.load(directory.config_file))
    options = config.load(directory.config_file)
    assert options.keystone_authtoken.auth_url == "http://127.0.0.1:7001/v3"
    assert options.oidc.issuer == "http://127.0.0.1:7002/realms/cloud"


def test_addresses_of_others_stay(cloud, directory):
    issuer = "https://keycloak.example/realms/cloud"
    written = directory.config_file.read_text()
    directory.config_file.write_text(written.replace("http://127.0.0.1:6002/realms/cloud", issuer))
    cloud.ports = {"keystone": 7001, "keycloak": 7002}
    cloud_access.correct_addresses(cloud, directory, config.load(directory.config_file))
    assert config.load(directory.config_file).oidc.issuer == issuer


def test_scripts_for_tokens_are_for_their_owner_alone(cloud, directory):
    cloud_access.write_token_scripts(cloud, directory)
    for name, person in cloud.realm.people.items():
        script = directory.portal_token_script(name)
        assert stat.S_IMODE(script.stat().st_mode) == 0o600
        lines = script.read_text().splitlines()
        [form] = [parse_qs(line) for line in lines if line.startswith("grant_type=")]
        assert (form["username"], form["password"]) == ([name], [person.password])
        [call] = [shlex.split(line) for line in lines if line.startswith("curl")]
        assert person.password not in " ".join(call)  # what other users of the machine can see

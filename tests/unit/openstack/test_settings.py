"""Where the cloud is, as the configuration says it."""

import pytest

from cloudmanager import config as configuration
from cloudmanager.errors import CloudNotConfigured, Misconfigured
from cloudmanager.openstack.cloud import Cloud, cloud_for
from cloudmanager.openstack.settings import settings_from

KEYSTONE = {"auth_url": "http://keystone/v3", "username": "middleware", "password": "secret"}


def configured(nova=(), keystone=()):
    options = {("nova", name): value for name, value in dict(nova).items()}
    options |= {("keystone_authtoken", name): value for name, value in dict(keystone).items()}
    return configuration.load(overrides=options)


def test_what_nova_leaves_out_is_taken_from_keystone_authtoken():
    found = settings_from(configured({"username": "fleet", "region_name": "east", "timeout": 3.0}, KEYSTONE))
    assert found.login == {
        "auth_url": "http://keystone/v3",
        "username": "fleet",
        "password": "secret",
        "user_domain_name": "Default",
        "project_name": "service",
        "project_domain_name": "Default",
    }
    assert (found.interface, found.region_name, found.timeout, found.verify) == (
        "internal",
        "east",
        3.0,
        True,
    )
    assert "secret" not in repr(found)


def test_application_credentials_carry_no_user():
    credential = {"application_credential_id": "id", "application_credential_secret": "secret"}
    found = settings_from(configured({"auth_type": "v3applicationcredential", **credential}, KEYSTONE))
    assert found.login == {"auth_url": "http://keystone/v3", **credential}


@pytest.mark.parametrize(
    ("nova", "verify"),
    [
        ({}, True),
        ({"cafile": "/ca.pem"}, "/ca.pem"),
        ({"insecure": True, "cafile": "/ca.pem"}, False),
    ],
)
def test_certificates(nova, verify):
    assert settings_from(configured(nova, KEYSTONE)).verify == verify


def test_a_log_in_that_was_begun_has_to_be_whole():
    with pytest.raises(Misconfigured, match=r"\[nova\] password is missing"):
        settings_from(configured({"auth_url": "http://keystone/v3", "username": "fleet"}))


@pytest.mark.parametrize("keystone", [{}, {"auth_url": "http://keystone/v3"}])
async def test_without_a_cloud_each_verb_says_what_to_configure(keystone):
    cloud = cloud_for(configured(keystone=keystone))
    with pytest.raises(CloudNotConfigured, match=r"\[nova\] auth_url"):
        await cloud.services()
    await cloud.close()


async def test_a_cloud_of_clouds_yaml(tmp_path, monkeypatch):
    (tmp_path / "clouds.yaml").write_text("clouds: {here: {auth: {auth_url: http://127.0.0.1:1/v3}}}")
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(tmp_path / "clouds.yaml"))
    with pytest.raises(Misconfigured, match="nowhere"):
        Cloud.from_config(configured({"cloud": "nowhere"}))

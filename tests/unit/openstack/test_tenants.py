"""As whom we log in to tenants' projects."""

from __future__ import annotations

import pytest

from cloudmanager.errors import CloudNotConfigured
from cloudmanager.openstack.session import CloudSession
from cloudmanager.openstack.settings import settings_from
from cloudmanager.openstack.tenants import tenants_for
from tests.keystone import PASSWORD, RunningKeystone

from .test_settings import KEYSTONE, configured


def test_a_project_is_logged_in_to_in_place_of_ours():
    session = CloudSession(settings_from(configured(keystone=KEYSTONE)))
    inner = session.in_project("red")
    assert session._auth._project_name == "service"
    assert (inner._auth._project_id, inner._auth._project_name) == ("red", None)
    assert inner._lines is session._lines
    session.close()


async def test_an_application_credential_leads_to_its_own_project_alone():
    with RunningKeystone() as keystone:
        made = keystone.identity.add_credential("ours", keystone.user("admin"), keystone.fleet, "secret")
        credential = {"application_credential_id": made.id, "application_credential_secret": "secret"}
        credential |= {"auth_type": "v3applicationcredential", "auth_url": keystone.url}
        tenants = tenants_for(configured(credential))

        await tenants.of(keystone.fleet.id).log_in()
        for _ in range(2):
            with pytest.raises(CloudNotConfigured, match="needs a username and password"):
                await tenants.of("red").log_in()
        await tenants.close()


async def test_without_a_cloud_it_is_said_what_to_configure():
    tenants = tenants_for(configured())
    with pytest.raises(CloudNotConfigured, match=r"\[nova\] auth_url"):
        tenants.of("red")
    await tenants.close()


@pytest.mark.filterwarnings("ignore::openstack.warnings._RemovedInSDKWarning")
async def test_the_user_of_a_clouds_yaml_logs_in_to_the_project(tmp_path, monkeypatch):
    with RunningKeystone() as keystone:
        red = keystone.identity.add_project("red")
        keystone.identity.grant(keystone.user("member"), red, "member")
        cloud = {
            "auth_url": keystone.url,
            "username": "member",
            "password": PASSWORD,
            "project_name": "fleet",
        }
        cloud |= {"user_domain_name": "Default", "project_domain_name": "Default"}
        (tmp_path / "clouds.yaml").write_text(f"clouds: {{here: {{auth: {cloud}}}}}")
        monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(tmp_path / "clouds.yaml"))
        session = CloudSession(settings_from(configured({"cloud": "here"})))
        inner = session.in_project(red.id)

        await inner.log_in()

        assert inner._auth.auth_ref.project_id == red.id
        session.close()

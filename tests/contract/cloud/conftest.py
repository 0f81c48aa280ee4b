"""A site for each test: the simulated cloud always, a real one when CLOUDMANAGER_TEST_CLOUD names it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.contract.cloud.sites import REAL, Real, Simulated, Site, image

_NO_CLOUD = pytest.mark.skipif(not REAL, reason="CLOUDMANAGER_TEST_CLOUD names no cloud of clouds.yaml")
_SDK = pytest.mark.filterwarnings("ignore::openstack.warnings._RemovedInSDKWarning")
"""openstacksdk warns of itself whenever it is used."""


def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(_SDK)
            item.add_marker(pytest.mark.openstack)


@pytest.fixture
def simulated():
    """A simulated cloud that listens."""
    place = Simulated()
    yield place
    place.stop()


@pytest.fixture(params=["simulated", pytest.param("real", marks=_NO_CLOUD)])
def place(request):
    """Where the cloud is, and what can be done to its hosts."""
    place = Real() if request.param == "real" else Simulated()
    yield place
    place.stop()


@pytest.fixture
async def site(place):
    """A cloud with its client; what a test has made there is deleted."""
    cloud, tenants, sdk = place.cloud(), place.tenants(), await asyncio.to_thread(place.sdk)
    services = await cloud.services()
    site = Site(
        cloud,
        tenants.of(await asyncio.to_thread(lambda: sdk.current_project_id)),
        sdk,
        flavor_id=(await asyncio.to_thread(sdk.compute.find_flavor, "m1.nano")).id,
        image_id=(await asyncio.to_thread(image, sdk)).id,
        hosts=sorted((one.host for one in services if one.up and one.enabled), reverse=True),
    )
    yield site
    await site.tidy()
    await asyncio.to_thread(sdk.close)
    await tenants.close()
    await cloud.close()

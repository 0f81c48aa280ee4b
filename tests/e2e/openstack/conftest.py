"""A cloud, and the product that manages its hosts; each file of tests shares one of each."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contract.cloud.sites import HOST, HOST_COMMAND, REAL
from tests.e2e.openstack.operator import Operator
from tests.e2e.openstack.sites import DESTRUCTIVE, HOSTS, LOGIN, PASSWORD, Real, Simulated
from tests.e2e.openstack.watched import Watched, shared_storage
from tests.e2e.product import Product
from tests.e2e.tasks import QUICK

_READY = REAL and DESTRUCTIVE and HOST_COMMAND and len(HOSTS) > 2
_WHY = (
    "empties and kills hosts: set DESTRUCTIVE=1, CLOUDMANAGER_TEST_CLOUD, CLOUDMANAGER_TEST_HOSTS (three or more) "
    "and CLOUDMANAGER_TEST_HOST_COMMAND"
)
_SDK = pytest.mark.filterwarnings("ignore::openstack.warnings._RemovedInSDKWarning")
"""openstacksdk warns of itself whenever it is used."""

CONFIG = {
    **QUICK,
    "monitor": {"enabled": False},  # but where hosts are tracked
    "power": {**QUICK["power"], "soft_off_grace": 5},
    "hosts": {"poll_interval": 0.3, "return_interval": 0.5, "boot_timeout": 60},
}


def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(_SDK)
            item.add_marker(pytest.mark.openstack)


@pytest.fixture(
    scope="module",
    params=["simulated", pytest.param("real", marks=pytest.mark.skipif(not _READY, reason=_WHY))],
)
def cloud(request):
    """The cloud that the tests of a file share."""
    cloud = Real() if request.param == "real" else Simulated()
    yield cloud
    cloud.stop()


@pytest.fixture(scope="module")
def running(cloud, request, tmp_path_factory):
    """The product, with a node and its power control for each host of the cloud.

    HOSTS_OPTIONS of a file of tests are more options of [hosts], OPTIONS those of other sections, or a function
    that answers them for a cloud.
    """
    options = getattr(request.module, "OPTIONS", {})
    hosts = {**CONFIG["hosts"], **getattr(request.module, "HOSTS_OPTIONS", {})}
    config = {
        **CONFIG,
        "hosts": hosts,
        "nova": cloud.nova,
        **(options(cloud) if callable(options) else options),
    }
    with Product(tmp_path_factory.mktemp("product") / "state", config=config) as product:
        operator = Operator(product)
        for host, port in cloud.bmcs.ports.items():
            operator.register(host, HOST, port, LOGIN, PASSWORD)
        yield operator


@pytest.fixture(scope="module")
def storage(cloud, running, tmp_path_factory):
    """Agents of all hosts that write to a storage which the product reads; None in a real cloud."""
    if cloud.real:
        yield None
        return
    with shared_storage(cloud, running, tmp_path_factory.mktemp("beats")) as beats:
        yield beats


@pytest.fixture
def watched(site, operator, storage):
    """The site while the product watches it; afterwards all is as it was."""
    watched = Watched(site, operator, storage)
    yield watched
    watched.restore()


@pytest.fixture
def site(cloud):
    """The cloud, put in order after the test."""
    yield cloud
    cloud.tidy()


@pytest.fixture
def operator(running, site):
    """Who asks the product for things; after the test no task is left."""
    yield running
    running.cancel_all()

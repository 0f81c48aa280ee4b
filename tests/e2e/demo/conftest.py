"""The demo that all tests of this folder share; pytest-xdist gives them to one process."""

from __future__ import annotations

import pytest

from tests.e2e.product import Product


@pytest.fixture(scope="package")
def demo(tmp_path_factory):
    """Leave its fleet as you found it. Its portal may be asked without limit."""
    directory = tmp_path_factory.mktemp("demo")
    with Product(directory, demo=True, environment={"OS_PORTAL__RATE": "0"}) as product:
        yield product

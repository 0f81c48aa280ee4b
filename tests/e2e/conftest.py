"""Real products for the end-to-end tests."""

from __future__ import annotations

import pytest

from .product import Product


@pytest.fixture(scope="package")
def demo(tmp_path_factory):
    """A demo that all tests share: leave its fleet as you found it. Its portal may be asked without limit."""
    directory = tmp_path_factory.mktemp("demo")
    with Product(directory, demo=True, environment={"OS_PORTAL__RATE": "0"}) as product:
        yield product


@pytest.fixture
def product(tmp_path):
    """A fresh `up`, not yet started; whatever the test does to it, nothing of it is left."""
    product = Product(tmp_path / "state")
    yield product
    product.end()

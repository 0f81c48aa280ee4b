"""Real products for the end-to-end tests."""

from __future__ import annotations

import pytest

from .product import Product


@pytest.fixture
def product(tmp_path):
    """A fresh `up`, not yet started; whatever the test does to it, nothing of it is left."""
    product = Product(tmp_path / "state")
    yield product
    product.end()

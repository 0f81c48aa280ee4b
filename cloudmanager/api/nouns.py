"""Words of the API for one thing and for many."""

from __future__ import annotations


def singular(plural: str) -> str:
    """`power-controls` is `power_control`, `node_classes` is `node_class`."""
    word = plural.replace("-", "_")
    return word.removesuffix("es") if word.endswith("sses") else word.removesuffix("s")

"""The form of the glossary."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Entry = str | tuple[str, Any]
"""What a field means, and a value that it can have.

Without a value a plain field is left out of examples, and a nested one is put together from what is within.
"""

Words = Mapping[str, Entry]

"""Words for domains of Keystone."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudmanager.api.document.glossary.words import Words

SCHEMAS: Mapping[str, Words] = {
    "StoreShape": {"store": ("`file` or `database`.", "file")},
    "TotpShape": {"totp_allowed": ("A text: `true` or `false`.", "true")},
}

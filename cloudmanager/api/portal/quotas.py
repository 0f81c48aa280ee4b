"""Whether a project has room for what is wished."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmanager.errors import Forbidden
from cloudmanager.openstack.tenant_records import lacking

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudmanager.openstack.tenant_records import Allowance


def check_room(allowances: Mapping[str, Allowance], wanted: Mapping[str, int]) -> None:
    """Raise `Forbidden` with the numbers when a quota would be exceeded; what is not told is not checked."""
    if short := lacking(allowances, wanted):
        raise Forbidden(f"the project's quota is exceeded: {'; '.join(short)}")

"""The Cloud port of an installation without OpenStack."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from cloudmanager.errors import CloudNotConfigured

if TYPE_CHECKING:
    from cloudmanager.openstack.port import CloudPort


class _AbsentCloud:
    """Answers every question with the way out."""

    async def close(self) -> None:
        """There is nothing to close."""

    def __getattr__(self, verb: str) -> Any:
        raise CloudNotConfigured(
            "OpenStack is not configured: set [nova] auth_url, username and password, or [nova] cloud"
        )


def absent_cloud() -> CloudPort:
    """A port of which every verb raises `CloudNotConfigured`."""
    return cast("CloudPort", _AbsentCloud())

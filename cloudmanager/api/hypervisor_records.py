"""Nova's own records of hypervisors, put into the nodes that are shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cloudmanager.api.reading import Source
from cloudmanager.errors import CloudNotConfigured, NotFound

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from sqlalchemy import ColumnElement
    from sqlalchemy.orm import Session

    from cloudmanager.api.query import Window
    from cloudmanager.api.services import CloudQuestions

OS_HYPERVISOR = "os_hypervisor"
"""The key under which a node of the class hypervisor shows its record."""


@dataclass(frozen=True, kw_only=True)
class WithRecords(Source):
    """Nodes with their records: one question for a list, however long, and one for a single node.

    Null is a node that Nova has no record of, or an installation without Nova. Other `CloudError`s are
    raised: null would say that there is no such hypervisor.
    """

    cloud: CloudQuestions

    def objects(self, session: Session, window: Window) -> Iterator[dict[str, Any]]:
        """The objects in the window, one by one."""
        records = self._ask(lambda cloud: cloud.hypervisor_records()) or {}
        return (
            _with(shown, records.get(shown["hypervisor_id"])) for shown in super().objects(session, window)
        )

    def one(self, session: Session, key: int, where: Sequence[ColumnElement[bool]]) -> dict[str, Any] | None:
        """The object with this key, or None."""
        shown = super().one(session, key, where)
        if shown is None or OS_HYPERVISOR not in shown or not shown["hypervisor_id"]:
            return shown
        return _with(shown, self._ask(lambda cloud: cloud.hypervisor_record(shown["hypervisor_id"])))

    def _ask(self, question: Callable[[Any], Any]) -> Any:
        try:
            return self.cloud.ask(question)
        except (NotFound, CloudNotConfigured):
            return None


def _with(shown: dict[str, Any], record: Mapping[str, Any] | None) -> dict[str, Any]:
    return shown | {OS_HYPERVISOR: record} if OS_HYPERVISOR in shown else shown

"""Figures of one bench: shown as a table, kept as JSON."""

from __future__ import annotations

import json
import os
import platform
import statistics
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

import cloudmanager

if TYPE_CHECKING:
    from collections.abc import Sequence

RESULTS = Path(__file__).parent / "results"


class Report:
    """Rows of figures under one name; the columns are those of the first row."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.rows: list[dict[str, Any]] = []
        self._console = Console()

    def add(self, **figures: Any) -> None:
        """Add a row."""
        self.rows.append(figures)
        self._console.print(
            f"  {self.name}: " + ", ".join(f"{key} {shown(value)}" for key, value in figures.items())
        )

    def finish(self) -> None:
        """Print the table and write the JSON."""
        table = Table(title=self.name)
        for column in self.rows[0]:
            table.add_column(column.replace("_", " "), justify="left" if column == "what" else "right")
        for row in self.rows:
            table.add_row(*(shown(value) for value in row.values()))
        self._console.print(table)
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / f"{self.name}.json").write_text(json.dumps(self._document(), indent=2) + "\n")

    def _document(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "version": cloudmanager.__version__,
            "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": {
                "cores": os.cpu_count(),
                "processor": platform.processor() or platform.machine(),
                "python": platform.python_version(),
                "kernel": platform.release(),
            },
            "rows": self.rows,
        }


def shown(value: Any) -> str:
    """A figure for people: three significant digits are enough."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which that share of all lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def median(values: Sequence[float]) -> float:
    """The middle value."""
    return float(statistics.median(values))

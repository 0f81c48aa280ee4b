"""What has become of the moves of a plan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cloudmanager.flows.audits.story import MOVES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cloudmanager.flows.children import ChildState
    from cloudmanager.flows.run import Run

WAITING, RUNNING, MOVED, FAILED, SKIPPED = "waiting", "running", "moved", "failed", "skipped"


@dataclass
class Moves:
    """The moves of a plan in order. `ended` is {index as text: [outcome, reason]}, kept in the memo.

    `children` are their tasks, by index.
    """

    planned: Sequence[dict[str, Any]]
    ended: dict[str, list[str | None]]
    children: Mapping[int, ChildState]

    @property
    def waves(self) -> int:
        """How many waves."""
        return max((move["wave"] for move in self.planned), default=0)

    @property
    def running(self) -> list[int]:
        """Those that are begun and have not ended."""
        return [index for index, child in self.children.items() if not child.ended]

    @property
    def counts(self) -> dict[str, int]:
        """How many came to which end."""
        ends = [outcome for outcome, _ in self.ended.values()]
        return {end: ends.count(end) for end in (MOVED, SKIPPED, FAILED)}

    def waiting(self, wave: int) -> list[int]:
        """Those of a wave that nobody has begun."""
        return [
            index
            for index, move in enumerate(self.planned)
            if move["wave"] == wave and str(index) not in self.ended and index not in self.children
        ]

    def end(self, run: Run, index: int, outcome: str, reason: str | None) -> None:
        """Note what came of a move, once."""
        move = self.planned[index]
        self.ended[str(index)] = [outcome, reason]
        MOVES.labels(outcome=outcome).inc()
        said = (
            f"{move['name']} is on {move['destination']}" if reason is None else f"{move['name']}: {reason}"
        )
        run.event(move["server_id"], outcome, said)

    def told(self) -> list[dict[str, Any]]:
        """A row for each move."""
        return [self._row(index, move) for index, move in enumerate(self.planned)]

    def _row(self, index: int, move: dict[str, Any]) -> dict[str, Any]:
        child = self.children.get(index)
        outcome, reason = self.ended.get(str(index), [RUNNING if child else WAITING, None])
        return {
            "wave": move["wave"],
            "server_id": move["server_id"],
            "name": move["name"],
            "source": move["source"],
            "destination": move["destination"],
            "outcome": outcome,
            "reason": reason,
            "task_id": child.id if child else None,
        }


def note_what_ended(run: Run, moves: Moves) -> None:
    """See which moves have ended since the last look. One that somebody else made is none of ours."""
    for index, child in moves.children.items():
        if not child.ended or str(index) in moves.ended:
            continue
        at = (child.result or {}).get("to")
        if not child.succeeded:
            moves.end(run, index, FAILED, child.error or "cancelled before it began")
        elif at == moves.planned[index]["destination"]:
            moves.end(run, index, MOVED, None)
        else:
            moves.end(run, index, SKIPPED, f"it is on {at}, moved by somebody else")


def lost(moves: Moves, outcome: str) -> list[str]:
    """The moves that came to this, in words."""
    return [
        f"{moves.planned[int(index)]['name']}: {reason}"
        for index, (what, reason) in moves.ended.items()
        if what == outcome
    ]


def in_words(moves: Moves) -> str:
    """How far it is."""
    counts = moves.counts
    more = "".join(f", {count} {what}" for what, count in counts.items() if count and what != MOVED)
    return f"{counts[MOVED]} of {len(moves.planned)} moves made{more}"

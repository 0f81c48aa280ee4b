"""What a simulated command says."""

from __future__ import annotations

from typing import NamedTuple


class Answer(NamedTuple):
    """What a command says, and its exit code."""

    out: str = ""
    err: str = ""
    status: int = 0


class Failed(Exception):
    """A command that fails: its error output, and its exit code."""

    def __init__(self, words: str, status: int = 1) -> None:
        super().__init__(words)
        self.status = status

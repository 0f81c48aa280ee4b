"""What a node says of itself and of who asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmanager.simulators.ssh.answer import Answer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloudmanager.simulators.node_os.system import System


def printenv(system: System, words: Sequence[str], _stdin: bytes) -> Answer:
    """`printenv SSH_CONNECTION`; other variables are not set."""
    if list(words) == ["SSH_CONNECTION"] and system.client:
        return Answer(f"{system.client}\n")
    return Answer(status=1)


def uptime(system: System, _words: Sequence[str], _stdin: bytes) -> str:
    """Since when it runs."""
    minutes = int(system.world.clock.now() - system.node.power_changed_at) // 60
    return f" 12:00:00 up {minutes} min,  0 users,  load average: 0.00, 0.00, 0.00\n"

"""The state of one node's operating system: its files, its units, and what programs keep of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cloudmanager.simulators.openstack.cloud import OpenStack
    from cloudmanager.simulators.world import Device, Node, World

OS = "os"  # key in the device's memory: the state
OUTLET = "os"  # the outlet of the device that the node is wired to
KIND = "node-os"
BOOT_SECONDS = 1.0  # from power until sshd answers


class System:
    """What is installed and what runs on one node.

    Only what differs from a fresh installation is kept. A program that changes its part says `changed()`.
    """

    def __init__(self, world: World, device: str, cloud: OpenStack | None = None) -> None:
        self.world = world
        self.cloud = cloud
        self.client = ""
        """Where the command that is being executed came from, as `SSH_CONNECTION` has it."""
        self._device = world.device(device)

    @property
    def device(self) -> Device:
        """The listener of the node, with its faults."""
        return self._device

    @property
    def node(self) -> Node:
        """The machine."""
        return self.world.wired(self._device.name, OUTLET)

    @property
    def family(self) -> str:
        """`debian` or `redhat`."""
        return str(self.part("family", "debian"))

    @property
    def is_up(self) -> bool:
        """Whether it has power, and has had it for long enough to have started."""
        node = self.node
        return node.on and self.world.clock.now() - node.power_changed_at >= BOOT_SECONDS

    @property
    def files(self) -> dict[str, str]:
        """Contents of files by path, of those that a fresh installation has not."""
        found: dict[str, str] = self.part("files", {})
        return found

    def part(self, key: str, default: Any) -> Any:
        """What a program keeps on the disk: values that JSON can hold."""
        return self._state().setdefault(key, default)

    def volatile(self, key: str, default: Any) -> Any:
        """What a program keeps until the next start of the node."""
        state = self._state()
        kept = state.get("volatile", {})
        if kept.get("boot_id") != self.node.boot_id:
            kept = state["volatile"] = {"boot_id": self.node.boot_id}
        return kept.setdefault(key, default)

    def changed(self) -> None:
        """Keep what was changed; the data centre is saved soon."""
        self.world.remember(self._device.name, OS, self._state())

    def others(self) -> list[System]:
        """The operating systems of all nodes, this one included."""
        devices = [each.name for each in self.world.devices.values() if each.kind == KIND]
        return [System(self.world, name, self.cloud) for name in devices]

    def _state(self) -> dict[str, Any]:
        found: dict[str, Any] = self._device.memory.setdefault(OS, {})
        return found

"""A storage node behind the fake Host port: the words of the catalogue, and the simulated LVM under them."""

from __future__ import annotations

from types import SimpleNamespace

from cloudmanager.errors import CommandFailed
from cloudmanager.host.catalogue import load
from cloudmanager.simulators.node_os.programs import PROGRAMS
from cloudmanager.simulators.openstack.volumes.copying import Copying
from cloudmanager.simulators.openstack.volumes.lvm import VolumeGroup
from cloudmanager.simulators.ssh.answer import Answer, Failed

LOOKS = {"lvm-report", "sanlock-leases"}
CATALOGUE = load()
NAME, DISKS = "storage1", ("/dev/sda", "/dev/sdb", "/dev/sdc", "/dev/sdd")


class FakeStorage:
    """The volume group `vol` on the node `storage1`: four disks of 4 GiB, and `volume-v1` of 1 GiB on the first."""

    def __init__(self, host, clock, *, name=NAME):
        self.host, self.clock = host, clock
        self.group = VolumeGroup(name, "vol", speed=32.0)
        for disk in DISKS:
            self.group.add_disk(disk, 4)
        self.volume = self.group.create("volume-v1", 1)
        self.ran = []
        """The words of all commands that change something."""
        self.begun = []
        """The volumes of the moves that have really begun."""
        self.once = []
        """Pairs of a condition and what happens once it holds, when LVM is asked for a report."""
        cloud = SimpleNamespace(volumes=SimpleNamespace(groups={"storage1@lvm#lvm": self.group}))
        self._system = SimpleNamespace(
            cloud=cloud,
            node=SimpleNamespace(name=name),
            world=SimpleNamespace(clock=clock),
            part=lambda _key, default: default,
            changed=lambda: None,
        )
        for command in CATALOGUE:
            if command.source == "volumes.toml":
                host.answer(command.name, self._run, changes=command.name not in LOOKS)

    def settle(self):
        """Do what is due by now; answers the volume."""
        Copying(self.group, self.clock.now())
        return self.volume

    def begin_move(self, name, source, target):
        """Somebody else has told LVM to move a volume."""
        Copying(self.group, self.clock.now()).begin_move(name, source, target)

    def moved(self):
        """The percentage of the volume's move that is done; 0 when none goes on."""
        at_work = Copying(self.group, self.clock.now())
        return at_work.moved(self.volume.move) if self.volume.move else 0.0

    def on(self):
        """{disk: extents of the volume there}, without notes."""
        self.settle()
        found = {}
        for image in self.volume.images:
            for disk, extents in image:
                found[disk] = found.get(disk, 0) + extents
        return found

    def _run(self, asked):
        command = CATALOGUE[asked.command]
        words = command.words("debian", command.checked(asked.arguments))
        if asked.command not in LOOKS:
            self.ran.append(words)
        self.settle()
        for pair in [pair for pair in self.once if asked.command == "lvm-report" and pair[0]()]:
            self.once.remove(pair)
            pair[1]()
        before = self.volume.move
        try:
            answer = PROGRAMS[words[0]](self._system, words[1:], b"")
        except Failed as problem:
            raise CommandFailed(f"{asked.command} failed: {problem}", status=problem.status) from None
        if self.volume.move is not None and before is None:
            self.begun.append(self.volume.name)
        return answer.out if isinstance(answer, Answer) else answer

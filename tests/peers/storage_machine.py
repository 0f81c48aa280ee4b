"""A machine with LVM and sanlock: Debian's User-mode Linux, a whole kernel as one process, over our own files.

The programs are those that are installed here; the kernel with its device-mapper, and what it writes to, are
the machine's own: the root is read-only, and its disks are sparse files. So no rights and no modules of this
machine's kernel are needed. Commands and what they say go through files of a directory that both see.
"""

from __future__ import annotations

import itertools
import shlex
import time
from pathlib import Path

import pytest

from cloudmanager.host.port import Output
from tests.peers.programs import Running, program

_DISK_BYTES = 256 << 20
_NO_END = "no end within {} s: {}"
_INIT = """#!/bin/bash
export PATH=/usr/sbin:/usr/bin:/sbin:/bin LVM_SYSTEM_DIR=/run/lvm-settings LVM_SUPPRESS_FD_WARNINGS=1 LC_ALL=C
mount -t proc proc /proc; mount -t sysfs sys /sys
mount -t tmpfs tmpfs /run; mount -t tmpfs tmpfs /mnt; mount -t hostfs -o "$exchange" none /media
mkdir -p /mnt/lib/modules /run/lock/lvm /run/lvm /run/lvm-settings /run/sanlock
mount --bind /usr/lib/uml/modules /mnt/lib/modules
cat > /run/lvm-settings/lvm.conf <<SETTINGS
activation { udev_sync=0 udev_rules=0 verify_udev_operations=0 monitoring=0 }
devices { obtain_device_list_from_udev=0 use_devicesfile=0 }
backup { backup=0 archive=0 }
global { use_lvmpolld=0 }
SETTINGS
for module in dm-mod dm-mirror dm-raid dm-thin-pool raid1; do modprobe -d /mnt "$module"; done
ln -sf /proc/self/fd /dev/fd
cd /media; touch ready
number=1
while true; do
  if [ -e "$number.run" ]; then
    [ -s "$number.run" ] || break
    bash "$number.run" > "$number.out" 2> "$number.err" < /dev/null
    echo $? > "$number.status.new"; mv "$number.status.new" "$number.status"
    number=$((number + 1))
  fi
  sleep 0.02
done
halt -f -f
"""


class StorageMachine:
    """`run` runs words on it and waits for their end; its disks are /dev/ubda and so on."""

    def __init__(self, directory: Path, disks: int = 4):
        kernel = program("linux.uml")
        for each in ("lvm", "sanlock"):
            program(each)
        if not Path("/usr/lib/uml/modules").is_dir():
            pytest.skip("User-mode Linux has no modules here")
        self._exchange = directory / "exchange"
        self._exchange.mkdir()
        init = directory / "init"
        init.write_text(_INIT.replace("$exchange", str(self._exchange)))
        init.chmod(0o755)
        self.disks = [f"/dev/ubd{letter}" for letter in "abcdefgh"[:disks]]
        files = [directory / f"disk{number}" for number in range(disks)]
        for file in files:
            with file.open("wb") as made:
                made.truncate(_DISK_BYTES)
        self._numbers = itertools.count(1)
        command = [
            kernel, "mem=192M", "quiet", "root=/dev/root", "rootfstype=hostfs", "ro", f"init={init}",
            "con=null", "con0=null,fd:1", "con1=null", "ssl=null", f"uml_dir={directory}/", "umid=machine",
            *(f"ubd{number}={file}" for number, file in enumerate(files)),
        ]  # fmt: skip
        ready = self._exchange / "ready"
        self._running = Running("linux.uml", command, ready.exists, log=directory / "console", seconds=30)

    def start(self):
        self._running.start()

    def stop(self):
        self._running.stop()

    def run(self, *words: str, seconds: float = 30.0) -> Output:
        """Run a program with its arguments, which no shell reads."""
        return self.script(shlex.join(words), seconds=seconds)

    def script(self, text: str, *, seconds: float = 30.0) -> Output:
        """Run the text of a script."""
        name = str(next(self._numbers))
        new = self._exchange / f"{name}.new"
        new.write_text(text + "\n")
        new.rename(self._exchange / f"{name}.run")
        status = self._exchange / f"{name}.status"
        end = time.monotonic() + seconds
        while not status.exists():
            assert time.monotonic() < end, _NO_END.format(seconds, text)
            time.sleep(0.01)
        out, err = ((self._exchange / f"{name}.{kind}").read_text() for kind in ("out", "err"))
        return Output(out, err, int(status.read_text()))

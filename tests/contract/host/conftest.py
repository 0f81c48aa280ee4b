"""Commands of a catalogue on nodes that are OpenSSH's `sshd` on this machine."""

from __future__ import annotations

import json

import asyncssh
import pytest

from cloudmanager.host import catalogue
from cloudmanager.host.login import Limits, Login
from cloudmanager.host.over_ssh import HostsOverSsh
from tests.peers.sshd import Sshd

COMMANDS = """
[say]
summary = "Say the words, each with a NUL behind it."
run.any = ["printf", "%s\\\\0", "{first}", "x{second}y"]
arguments.first = {pattern = "(?s).*", dash = true}
arguments.second = {pattern = "(?s).*", dash = true, default = ""}
idempotent = true

[fail]
summary = "Fail."
run.any = ["sh", "-c", "echo begun; echo 'no such volume group' >&2; exit \\"$1\\"", "sh", "{status}"]
arguments.status = "[0-9]+"
success = [0, 7]

[count]
summary = "Count the bytes of the input."
run.any = ["wc", "-c"]
stdin = true

[ignore]
summary = "Read no input."
run.any = ["true"]
stdin = true

[flood]
summary = "Say so many megabytes, then `done`."
run.any = ["sh", "-c", "head -c \\"$1\\"000000 /dev/zero | tr '\\\\0' x; echo done", "sh", "{megabytes}"]
arguments.megabytes = "[0-9]+"
max_output = 1000

[sleep]
summary = "Say nothing for a while."
run.any = ["sleep", "{seconds}"]
arguments.seconds = "[0-9.]+"
timeout = 1

[ignore-the-end]
summary = "Hear no request to end."
run.any = ["sh", "-c", "trap '' TERM; while :; do sleep 0.1; done"]
timeout = 0.5

[wait]
summary = "Say nothing for a while."
run.any = ["sleep", "{seconds}"]
arguments.seconds = "[0-9.]+"
timeout = 60

[touch]
summary = "Make a file, unless it is there."
run.any = ["touch", "{path}"]
unless.any = ["test", "-e", "{path}"]
arguments.path = "/.+"

[append]
summary = "Add a line to a file."
run.any = ["sh", "-c", "echo line >> \\"$1\\"", "sh", "{path}"]
arguments.path = "/.+"

[append-slowly]
summary = "Add a line to a file, and take some time over it."
run.any = ["sh", "-c", "echo line >> \\"$1\\"; sleep 1.0625", "sh", "{path}"]
arguments.path = "/.+"

[append-slowly-or-twice]
summary = "The same, and it does no harm to do it again."
run.any = ["sh", "-c", "echo line >> \\"$1\\"; sleep 1.0625", "sh", "{path}"]
arguments.path = "/.+"
idempotent = true

[root]
summary = "Say something as root."
run.any = ["echo", "{word}"]
arguments.word = ".*"
sudo = true

[of-family]
summary = "Say the family."
run.debian = ["echo", "deb"]
run.redhat = ["echo", "rpm"]
run.any = ["echo", "other"]

[language]
summary = "Say the language."
run.any = ["sh", "-c", "echo $LC_ALL"]
"""


MANY = """
[{name}]
summary = "Say many words."
run.any = {words}
"""


def many(name, *before):
    """A command that says eight texts, each alone and within a word, or alone."""
    script = "sh" in before
    words = [
        word
        for n in range(8)
        for word in ([f"{{text{n}}}"] if script else [f"{{text{n}}}", f"x{{text{n}}}y"])
    ]
    arguments = "".join(f'arguments.text{n} = {{pattern = "(?s).*", dash = true}}\n' for n in range(8))
    return MANY.format(name=name, words=json.dumps([*before, *words])) + arguments


@pytest.fixture(scope="module")
def log_on_key():
    return asyncssh.generate_private_key("ssh-ed25519")


@pytest.fixture(scope="module")
def sshd(log_on_key):
    with Sshd(log_on_key.export_public_key().decode().strip(), domains=()) as host:
        yield host


@pytest.fixture(scope="module")
def commands(tmp_path_factory):
    file = tmp_path_factory.mktemp("commands") / "commands.toml"
    script = ["sh", "-c", "printf '%s\\0' \"$@\"", "sh"]
    file.write_text(COMMANDS + many("many", "printf", "%s\\0") + many("many-by-script", *script))
    return catalogue.load(str(file))


@pytest.fixture
def login(sshd, log_on_key):
    return Login(
        host="127.0.0.1",
        port=sshd.port,
        login=sshd.login,
        ssh_key=log_on_key.export_private_key("pkcs8-pem").decode(),
        host_key=sshd.host_key,
    )


class Site:
    """A Host port over nodes whose log-ins are `logins`; `pinned` are host keys that it has stored."""

    def __init__(self, commands, limits=None):
        self.logins = {}
        self.pinned = {}
        self.port = HostsOverSsh(commands, limits or Limits(connect_timeout=5), self._find, self._pin)

    async def run(self, command, node=1, *, data=b"", **arguments):
        return await self.port.run(node, command, arguments, data=data)

    async def _find(self, node_id):
        return self.logins[node_id]

    async def _pin(self, node_id, shown):
        return self.pinned.setdefault(node_id, shown)


@pytest.fixture
async def site(commands, login):
    site = Site(commands)
    site.logins[1] = login
    yield site
    await site.port.close()

"""pymodbus's own server as a relay board, in a process of its own: eight coils and nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
import time

from tests.peers.programs import Running, listens

HOST = "127.0.0.1"

SERVER = """
import asyncio, json, sys
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

async def main():
    bits = SimData(0, values=[False] * 8, datatype=DataType.BITS)
    nothing = SimData(1000, values=[False] * 16, datatype=DataType.BITS)
    device = SimDevice(1, simdata=([bits], [nothing], [SimData(1000)], [SimData(1000)]))
    server = ModbusTcpServer(device, address=("127.0.0.1", int(sys.argv[1])))
    serving = asyncio.create_task(server.serve_forever())
    while line := await asyncio.to_thread(sys.stdin.readline):
        for outlet, on in json.loads(line).items():
            await server.context.async_setValues(1, 15, int(outlet) - 1, [on])
        coils = await server.context.async_getValues(1, 1, 0, 8)
        print(json.dumps({"coils": coils[:8], "connections": len(server.active_connections)}), flush=True)

asyncio.run(main())
"""


class PymodbusServer:
    """A board on a port of its own; a context manager."""

    def __init__(self, port):
        self.port = port
        command, pipe = [sys.executable, "-c", SERVER, str(port)], subprocess.PIPE
        self._running = Running(
            "pymodbus's server", command, lambda: listens(HOST, port), stdin=pipe, stdout=pipe, text=True
        )
        self._frozen = False

    def __enter__(self):
        self._running.start()
        return self

    def __exit__(self, *problem):
        self._running.stop()

    def coils(self):
        return [bool(coil) for coil in self._ask({})["coils"]]

    def set_coils(self, changes):
        self._ask(changes)

    def connections(self):
        """How many are open; one that a client has just closed may need a moment. A frozen server has none."""
        if self._frozen:
            return 0
        end = time.monotonic() + 1.0
        while (count := self._ask({})["connections"]) and time.monotonic() < end:
            time.sleep(0.01)
        return count

    def freeze(self):
        self._frozen = True
        self._running.freeze()

    def thaw(self):
        self._running.thaw()
        self._frozen = False

    def restart(self):
        """As a device that lost its power for a moment, but not its relays."""
        kept = {str(place + 1): on for place, on in enumerate(self.coils())}
        self._running.restart()
        self._ask(kept)

    def _ask(self, changes):
        process = self._running.process
        process.stdin.write(json.dumps(changes) + "\n")
        process.stdin.flush()
        return json.loads(process.stdout.readline())

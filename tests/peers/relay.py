"""A bad network between a client and a server of UDP: loses, doubles, delays and overtakes packets."""

from __future__ import annotations

import contextlib
import heapq
import itertools
import random
import selectors
import socket
import threading
import time

HOST = "127.0.0.1"


class Relay:
    """Forwards to a port of this machine from a free port of its own; a context manager.

    `lose`, `double` and `delay_some` are probabilities per packet and may be changed at any time, `cut` loses all.
    """

    def __init__(self, to_port, *, seed=1):
        self.lose = self.double = self.delay_some = 0.0
        self.cut = False
        self.passed = 0
        self._target = (HOST, to_port)
        self._random = random.Random(seed)
        self._stack = contextlib.ExitStack()
        self._selector = selectors.DefaultSelector()
        self._servers = {}
        self._delayed = []
        self._count = itertools.count()
        self._running = True

    def __enter__(self):
        self._stack.callback(self._selector.close)
        self._front = self._socket()
        self._front.bind((HOST, 0))
        self.port = self._front.getsockname()[1]
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        return self

    def __exit__(self, *problem):
        self._running = False
        self._thread.join()
        self._stack.close()

    def _socket(self, client=None):
        opened = self._stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        opened.setblocking(False)
        self._selector.register(opened, selectors.EVENT_READ, client)
        return opened

    def _run(self):
        while self._running:
            for key, _ in self._selector.select(0.005 if self._delayed else 0.02):
                with contextlib.suppress(BlockingIOError, ConnectionRefusedError):
                    while True:
                        packet, sender = key.fileobj.recvfrom(2048)
                        self._carry(packet, sender, key.data)
            while self._delayed and self._delayed[0][0] <= time.monotonic():
                self._send(*heapq.heappop(self._delayed)[2:])

    def _carry(self, packet, sender, client):
        if client is None:  # it came from a client, whose side at the server is a socket of its own
            if sender not in self._servers:
                self._servers[sender] = self._socket(sender)
            source, target = self._servers[sender], self._target
        else:
            source, target = self._front, client
        if self.cut or self._random.random() < self.lose:
            return
        self.passed += 1
        for _ in range(2 if self._random.random() < self.double else 1):
            if self._random.random() < self.delay_some:
                when = time.monotonic() + self._random.uniform(0.002, 0.02)
                heapq.heappush(self._delayed, (when, next(self._count), source, packet, target))
            else:
                self._send(source, packet, target)

    def _send(self, source, packet, target):
        with contextlib.suppress(OSError):
            source.sendto(packet, target)

"""The simulated Keystone in a thread, and OpenStack's own client to get tokens from it."""

from __future__ import annotations

import asyncio
import threading

from keystoneauth1 import session
from keystoneauth1.identity import v3

from cloudmanager.simulators.clock import LoopClock
from cloudmanager.simulators.keystone import Identity, Keystone

HOST = "127.0.0.1"
PASSWORD = "s3cret-of-everybody"


class RunningKeystone:
    """`with RunningKeystone() as keystone:`; it has `admin`, `member`, `reader` in `fleet`, and services."""

    def __init__(self):
        self.identity = Identity(LoopClock())
        self.fleet = self.identity.add_project("fleet")
        services = self.identity.add_project("service")
        for role in ("admin", "member", "reader"):
            self.identity.grant(self.identity.add_user(role, PASSWORD), self.fleet, role)
        for name in ("cloudmanager", "nova"):
            self.identity.grant(self.identity.add_user(name, PASSWORD), services, "service")
        self.service = Keystone(self.identity)
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)

    def __enter__(self):
        self._thread.start()
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def start(self):
        self.port = self._run(self.service.start(HOST, self.port))

    def stop(self):
        self._run(self.service.stop())

    @property
    def url(self):
        return f"http://{HOST}:{self.port}/v3"

    @property
    def requests(self):
        return self.service.requests

    @property
    def asked(self):
        """How many requests there were, ever."""
        return self.service.asked

    def user(self, name):
        return next(user for user in self.identity.users.values() if user.name == name)

    def client(self, name, project="fleet", **options):
        """A session of keystoneauth1, which shares nothing with the simulator."""
        domains = {"user_domain_name": "Default", "project_domain_name": "Default"} if project else {}
        plugin = v3.Password(
            self.url,
            username=name,
            password=PASSWORD,
            project_name=project,
            **(domains or {"user_domain_name": "Default"}),
        )
        return session.Session(plugin, **options)

    def token(self, name, project="fleet"):
        """A fresh token."""
        return self.client(name, project).get_token()

    def options(self, **more):
        """[keystone_authtoken] for a service that asks this Keystone."""
        return {"auth_url": self.url, "username": "cloudmanager", "password": PASSWORD, **more}

    def _run(self, work):
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

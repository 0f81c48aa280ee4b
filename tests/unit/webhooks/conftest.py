"""A receiver over real sockets, webhooks that lead to it, and those who deliver."""

from __future__ import annotations

import contextlib
import http.server
import socketserver
import threading
import time
from types import SimpleNamespace

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import insert, select

from cloudmanager.config import load
from cloudmanager.models import Webhook, WebhookDelivery
from cloudmanager.vault import Vault
from cloudmanager.webhooks.deliverer import Deliverer
from cloudmanager.webhooks.outbox import Happening, enqueue

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


class Receiver:
    """Answers with the statuses in `answers`, then 204. A callable there does with the connection what it likes."""

    def __init__(self):
        self.heard = []
        self.answers = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.heard.append(
                    SimpleNamespace(
                        path=self.path,
                        headers={key.lower(): value for key, value in self.headers.items()},
                        body=body,
                    )
                )
                answer = outer.answers.pop(0) if outer.answers else 204
                with contextlib.suppress(OSError):  # the sender may have gone
                    if callable(answer):
                        answer(self)
                    else:
                        self.reply(answer)

            def reply(self, status, **headers):
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name.replace("_", "-"), value)
                self.end_headers()

            def log_message(self, *_):
                pass

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = False
            allow_reuse_address = True

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/in"
        self._thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    @property
    def ids(self):
        return [each.headers["webhook-id"] for each in self.heard]

    def close(self):
        self.server.shutdown()
        self._thread.join()
        self.server.server_close()


@pytest.fixture
def receiver():
    receiver = Receiver()
    yield receiver
    receiver.close()


class Site:
    """The outbox, with a clock that the test moves."""

    def __init__(self, database, vault):
        self.database = database
        self.vault = vault
        self.now = time.time()
        self.options = {("webhooks", "timeout"): 5.0}

    def webhook(self, url, **values):
        """A new webhook; answers its id."""
        row = {"url": url, "sealed_secret": self.vault.seal(SECRET), "kinds": ["*"], **values}
        with self.database.transaction() as session:
            return session.execute(insert(Webhook).values(row).returning(Webhook.id)).scalar_one()

    def tell(self, *ids, kind="host.down"):
        """Something with each of these ids has happened."""
        told = [Happening(key, kind, "host:h1", {"message": f"{key} happened"}) for key in ids]
        with self.database.transaction() as session:
            enqueue(session, lambda: told)

    def deliverer(self, name="one"):
        config = load(overrides=self.options)
        return Deliverer(config, self.database, self.vault, name, clock=lambda: self.now)

    async def deliver(self, deliverer=None):
        """All that can be delivered now."""
        deliverer = deliverer or self.deliverer()
        await deliverer.look()
        await deliverer.settle()

    def rows(self, *columns):
        with self.database.reading() as session:
            query = select(*(getattr(WebhookDelivery, column) for column in columns))
            return [tuple(row) for row in session.execute(query.order_by(WebhookDelivery.id))]

    def hook(self, key=1):
        with self.database.reading() as session:
            return session.get(Webhook, key)


@pytest.fixture
def key_file(tmp_path):
    path = tmp_path / "secret.key"
    path.write_bytes(Fernet.generate_key())
    path.chmod(0o600)
    return path


@pytest.fixture
def site(database, key_file):
    return Site(database, Vault(key_file))

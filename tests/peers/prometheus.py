"""Prometheus itself, which scrapes a metric that the test sets and has a rule that makes an alert of it.

Our exporter listens on a free port; the metric is the gauge `trouble` with the label `host`. A history may be
given, which Prometheus then has as if it had scraped it.
"""

from __future__ import annotations

import contextlib
import http.server
import subprocess
import tempfile
import threading
import urllib.request
from pathlib import Path

from tests.peers.programs import Running, program
from tests.peers.sockets import HOST, free_tcp_port

CONFIGURATION = """
global: {{scrape_interval: 200ms, scrape_timeout: 200ms, evaluation_interval: 200ms}}
rule_files: [rules.yml]
scrape_configs:
  - job_name: hosts
    static_configs: [{{targets: ["{target}"]}}]
"""
RULES = """
groups:
  - name: hosts
    rules:
      - alert: HostInTrouble
        expr: trouble > 0
        labels: {severity: critical}
"""


def samples(name, labels, points):
    """Lines of a history: one series, with its points [(seconds since the epoch, value)] in order."""
    pairs = ",".join(f'{key}="{value}"' for key, value in labels.items())
    return [f"{name}{{{pairs}}} {value} {at:.3f}" for at, value in points]


class PrometheusServer:
    """A server on a free port with data of its own; a context manager. `trouble` is {host: value}.

    `history` are lines of the OpenMetrics format, those of one metric together.
    """

    def __init__(self, history=()):
        self._history = history
        self.port = free_tcp_port()
        self.url = f"http://{HOST}:{self.port}"
        self.trouble = {}
        self._program = program("prometheus")
        self._stack = contextlib.ExitStack()

    def __enter__(self):
        directory = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="prometheus.")))
        exporter = http.server.ThreadingHTTPServer((HOST, 0), self._handler())
        self._stack.callback(exporter.server_close)
        thread = threading.Thread(target=exporter.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        self._stack.callback(thread.join)
        self._stack.callback(exporter.shutdown)
        target = f"{HOST}:{exporter.server_port}"
        (directory / "prometheus.yml").write_text(CONFIGURATION.format(target=target))
        (directory / "rules.yml").write_text(RULES)
        self._remember(directory)
        command = [
            self._program,
            "--config.file=prometheus.yml",
            f"--storage.tsdb.path={directory / 'data'}",
            f"--web.listen-address={HOST}:{self.port}",
        ]
        self.running = Running(
            "prometheus", command, self._is_ready, log=directory / "log", seconds=40, cwd=directory
        )
        self._stack.callback(self.running.stop)
        try:
            self.running.start()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *problem):
        self._stack.close()

    def _remember(self, directory):
        if self._history:
            file = directory / "history.txt"
            file.write_text("\n".join([*self._history, "# EOF", ""]))
            command = [
                program("promtool"),
                "tsdb",
                "create-blocks-from",
                "openmetrics",
                file,
                directory / "data",
            ]
            subprocess.run(command, check=True, capture_output=True, timeout=60)

    def _is_ready(self):
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{self.url}/-/ready", timeout=1) as answer:
            return answer.status == 200
        return False

    def _handler(self):
        server = self

        class Exporter(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                lines = [f'trouble{{host="{host}"}} {value}\n' for host, value in server.trouble.items()]
                body = "".join(["# TYPE trouble gauge\n", *lines]).encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_args):
                pass

        return Exporter

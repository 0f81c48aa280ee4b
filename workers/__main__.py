"""`python -m workers worker|scheduler`: the processes behind `cloudmanager worker` and `scheduler`."""

from __future__ import annotations

import gc
import signal
from pathlib import Path

import click

from cloudmanager import config as configuration
from cloudmanager import logs, schema
from cloudmanager.command_line import Commands
from cloudmanager.db import Database

_CONFIG = click.option("--config", "path", type=click.Path(path_type=Path, dir_okay=False, exists=True))


@click.group(cls=Commands)
def main() -> None:
    """Background processes of CloudManager."""


@main.command()
@_CONFIG
@click.option("--name", default="worker", help="Name of this worker, unique on its machine.")
@click.option("--threads", default=4, help="Messages that are taken at once.")
def worker(path: Path | None, name: str, threads: int) -> None:
    """Advance flows."""
    from workers.app import worker_app  # noqa: PLC0415  # Celery is slow to import and only wanted here
    from workers.resident import Resident  # noqa: PLC0415

    config = _prepare(path, name)
    app = worker_app(config, Resident(config))
    app.Worker(
        hostname=f"{name}@%h",
        pool="threads",
        concurrency=threads,
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
        quiet=True,
    ).start()


@main.command()
@_CONFIG
def scheduler(path: Path | None) -> None:
    """Send what is due at intervals; several may run, one leads."""
    from workers.schedule import beat_service  # noqa: PLC0415

    service = beat_service(_prepare(path, "scheduler"))
    signal.signal(signal.SIGTERM, lambda *_: service.stop())
    service.start()


def _prepare(path: Path | None, process: str) -> configuration.Config:
    config = configuration.load(path)
    logs.set_up(config, process)
    database = Database.from_config(config)
    schema.check(database)
    database.close()
    gc.freeze()  # what is imported stays: no collection need look at it again
    return config


if __name__ == "__main__":
    main()

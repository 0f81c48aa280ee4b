"""What the commands share: their options, and errors in one line."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cloudmanager.errors import CloudManagerError, Misconfigured

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloudmanager.config import Config

SITE_CONFIGURATION = Path("/etc/cloudmanager/cloudmanager.conf")


class Failure(click.ClickException):
    """An error that is told in one line."""

    exit_code = 2

    def show(self, file: Any = None) -> None:
        """Write the line to standard error."""
        click.echo(f"cloudmanager: {self.message}", file=file, err=True)


class Commands(click.Group):
    """Commands whose foreseen errors end in one line and exit code 2, never in a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except CloudManagerError as error:
            raise Failure(error.message) from None
        except OSError as error:
            if error.errno == errno.EPIPE:  # our reader has gone: click ends quietly
                raise
            raise Failure(f"{error.filename or 'input/output'}: {error.strerror or error}") from None
        except Exception as error:
            from sqlalchemy.exc import DBAPIError

            if isinstance(error, DBAPIError):
                raise Failure(f"[database] connection: {str(error.orig).strip()}") from None
            raise


def state_dir_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--state-dir`."""
    return click.option(
        "--state-dir",
        type=click.Path(path_type=Path, file_okay=False),
        default=default_state_dir,
        show_default="~/.local/state/cloudmanager",
        help="Directory in which `up` keeps everything.",
    )(command)


def config_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--config` and `--state-dir`."""
    option = click.option(
        "--config",
        "config_file",
        type=click.Path(path_type=Path, dir_okay=False),
        help=f"Configuration file.  [default: cloudmanager.conf of --state-dir, or {SITE_CONFIGURATION}]",
    )
    return option(state_dir_option(command))


def address_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--host` and `--port`."""
    host = click.option("--host", help="Address to listen on.  [default: [api] host, 127.0.0.1]")
    port = click.option(
        "--port", type=click.IntRange(0, 65535), help="Port to listen on.  [default: [api] port, 9362]"
    )
    return host(port(command))


def default_state_dir() -> Path:
    """`$XDG_STATE_HOME/cloudmanager`, by default `~/.local/state/cloudmanager`."""
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(base) / "cloudmanager"


def find_config(config_file: Path | None, state_dir: Path) -> str:
    """The file that a command reads: the one given, that of the state directory, or the site's."""
    candidates = (config_file,) if config_file else (state_dir / "cloudmanager.conf", SITE_CONFIGURATION)
    for path in candidates:
        if path.exists():
            return str(path.absolute())
    looked = " nor ".join(str(path) for path in candidates)
    raise Misconfigured(f"there is no configuration at {looked}: give --config or --state-dir")


def load(
    config_file: Path | None, state_dir: Path, overrides: dict[tuple[str, str], Any] | None = None
) -> Config:
    """The configuration that the options of a command mean."""
    from cloudmanager import config

    return config.load(Path(find_config(config_file, state_dir)), overrides)

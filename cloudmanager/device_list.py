"""Lists of devices in CSV: what the command line works on when there is no database to ask."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

from cloudmanager.drivers import driver_for
from cloudmanager.drivers.options import checked
from cloudmanager.errors import InvalidInput
from cloudmanager.fleet import Device

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from cloudmanager.drivers.base import Driver

COLUMNS = ("control_type", "host", "port", "login", "password", "outlet", "options")
_HIGHEST_PORT = 65535


def read_devices(path: Path, *, password: str | None, timeout: float) -> list[Device]:
    """The devices in a file of the columns `COLUMNS`, with or without a heading; `#` begins a comment.

    `options` are a JSON object. `password` serves for lines without one. Raises `OSError`, and `InvalidInput`
    that names the line.
    """
    with path.open(newline="") as file:
        return list(_parse(file, str(path), password, timeout))


def _parse(lines: Iterable[str], name: str, password: str | None, timeout: float) -> Iterable[Device]:
    kept = ((number, line) for number, line in enumerate(lines, start=1) if _has_device(line))
    for number, line in kept:
        row = [field.strip() for field in next(csv.reader([line]))]
        if row[0] == COLUMNS[0]:
            continue
        try:
            yield _device(row, password, timeout)
        except InvalidInput as error:
            raise InvalidInput(f"{name}, line {number}: {error.message}") from None


def _has_device(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith("#")


def _device(row: list[str], password: str | None, timeout: float) -> Device:
    if not 3 <= len(row) <= len(COLUMNS):  # noqa: PLR2004  # the first three are needed
        raise InvalidInput(f"{len(row)} columns; expected {', '.join(COLUMNS)}")
    control_type, host, port, login, secret, outlet, options = [*row, *[""] * (len(COLUMNS) - len(row))]
    driver = driver_for(control_type)
    if not host:
        raise InvalidInput("host is empty")
    if port and not (port.isdecimal() and 0 < int(port) <= _HIGHEST_PORT):
        raise InvalidInput(f"port {port!r} is not a number of 1..{_HIGHEST_PORT}")
    settings = driver.settings_type(
        host=host,
        port=int(port) if port else driver.default_port,
        login=login,
        password=secret or password or "",
        timeout=timeout,
        **_options(driver, options),
    )
    if outlet and not driver.may_have_outlet(outlet):
        raise InvalidInput(f"{control_type} has no outlet {outlet!r}")
    return Device(control_type, settings, (outlet,) if outlet else ())


def _options(driver: type[Driver], cell: str) -> dict[str, Any]:
    try:
        given = json.loads(cell or "{}")
    except ValueError as error:
        raise InvalidInput(f"options are not JSON: {error}") from None
    if not isinstance(given, dict):
        raise InvalidInput("options are not a JSON object")
    return {**checked(driver, given)}

"""`cloudmanager lab`: what happens in the simulated data centre of a demo."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from cloudmanager.command_line import Failure, state_dir_option

if TYPE_CHECKING:
    from pathlib import Path

    from cloudmanager.state_dir import StateDirectory


@click.group()
def lab() -> None:
    """See and disturb the simulated data centre of a running demo."""


@lab.command()
@click.option("--json", "as_json", is_flag=True, help="Everything, as JSON.")
@state_dir_option
def status(state_dir: Path, as_json: bool) -> None:
    """Show the truth: which machine has power, and what is wrong with which device or service."""
    answer = _ask(state_dir, "status")
    if as_json:
        click.echo(json.dumps(answer, indent=2))
        return
    devices = {device["name"]: device for device in answer["devices"]}
    for node in answer["nodes"]:
        power = "on" if node["on"] else "off"
        wired = "; ".join(_device_line(devices[name]) for name in node["devices"])
        click.echo(
            f"{node['name']:<20} {power:<4} boots {node['boots']:<3} resets {node['resets']:<3} {wired}"
        )
    for service in answer["services"]:
        click.echo(
            f"{service['name']:<20} {'up' if service['running'] else 'down':<4} {_device_line(service)}"
        )


@lab.command()
@click.argument("device")
@click.argument("faults", nargs=-1, required=True, metavar="NAME=VALUE...")
@state_dir_option
def fault(device: str, faults: tuple[str, ...], state_dir: Path) -> None:
    """Give a device or a service of the cloud faults.

    For example dead=true, lag=2, drop=0.3, refuse=192 or session_limit=1 for a device; status=503,
    probability=0.5, lag=2 or down=true for keystone, nova, placement, cinder, glance, neutron or
    keycloak; and     fail=create for cinder, fail=live_migration for nova: operations that go wrong.
    """
    answer = _ask(state_dir, "fault", device=device, set=dict(_parse(text) for text in faults))
    click.echo(json.dumps(answer["faults"]))


@lab.command()
@click.argument("device", required=False)
@state_dir_option
def heal(device: str | None, state_dir: Path) -> None:
    """Take the faults from a device or a service; from all when none is named."""
    _ask(state_dir, "heal", device=device)


@lab.command()
@click.argument("node")
@click.argument("action", type=click.Choice(["on", "off", "reset"]))
@state_dir_option
def power(node: str, action: str, state_dir: Path) -> None:
    """Switch a machine by hand, as somebody who stands before it."""
    _ask(state_dir, "power", node=node, action=action)


@lab.command("rotate-keys")
@state_dir_option
def rotate_keys(state_dir: Path) -> None:
    """Let Keycloak sign with a new key; the one before still counts."""
    click.echo(_ask(state_dir, "rotate-keys")["kid"])


@lab.command()
@click.option("--racks", type=click.IntRange(1, 99), default=3, show_default=True)
@click.option("--nodes-per-rack", type=click.IntRange(1, 99), default=20, show_default=True)
@state_dir_option
def serve(racks: int, nodes_per_rack: int, state_dir: Path) -> None:
    """Run the simulated data centre alone."""
    import asyncio
    import logging

    from cloudmanager.simulators import datacentre

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    logging.getLogger("asyncssh").setLevel(logging.WARNING)  # it tells of every connection
    directory = _directory(state_dir)
    running = datacentre.serve(
        directory.lab_state, directory.lab_socket, racks=racks, nodes_per_rack=nodes_per_rack
    )
    asyncio.run(running)


def _directory(path: Path) -> StateDirectory:
    from cloudmanager.state_dir import StateDirectory

    return StateDirectory(path)


def _ask(state_dir: Path, do: str, **request: Any) -> dict[str, Any]:
    from cloudmanager.simulators.control import Control, ControlError

    try:
        return Control(_directory(state_dir).lab_socket).call(do, **request)
    except ControlError as error:
        raise Failure(str(error)) from None


def _parse(text: str) -> tuple[str, Any]:
    """`name=value`; the value is JSON, or a plain word."""
    name, separator, value = text.partition("=")
    if not separator:
        raise Failure(f"{text!r} is not NAME=VALUE")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _device_line(device: dict[str, Any]) -> str:
    faults = ", ".join(f"{name}={json.dumps(value)}" for name, value in device["faults"].items())
    return f"{device['name']} {device['host']}:{device['port']}" + (f" [{faults}]" if faults else "")

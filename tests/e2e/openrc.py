"""The openrc files that the demo writes."""

from __future__ import annotations

import httpx


def log_in(openrc):
    """A token for the user of an openrc."""
    lines = (line.removeprefix("export ").partition("=") for line in openrc.read_text().splitlines())
    values = {name: value for name, _, value in lines}
    user = {"name": values["OS_USERNAME"], "password": values["OS_PASSWORD"], "domain": {"name": "Default"}}
    scope = {"project": {"name": values["OS_PROJECT_NAME"], "domain": {"name": "Default"}}}
    identity = {"methods": ["password"], "password": {"user": user}}
    answer = httpx.post(
        f"{values['OS_AUTH_URL']}/auth/tokens", json={"auth": {"identity": identity, "scope": scope}}
    )
    return answer.headers["X-Subject-Token"]

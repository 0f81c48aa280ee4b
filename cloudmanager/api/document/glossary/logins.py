"""Words for the log-ins of nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudmanager.api.document.glossary.words import Words

LOGIN: Words = {
    "node_id": ("Number of the node.", 7),
    "login": ("Account there; null is `[host] login`.", "cloudmanager"),
    "port_number": ("TCP port of its SSH server; digits are taken too. Null is `[host] port`.", 22),
    "password": (
        "Password of the account, or passphrase of `ssh_key`. Stored encrypted and never answered.",
        "rack4-battery",
    ),
    "ssh_key": "Private key that logs on, in PEM or OpenSSH form. Stored encrypted and never answered.",
    "has_password": ("Whether the node has a password of its own.", False),
    "has_ssh_key": ("Whether the node has a private key of its own.", True),
    "host_key": (
        "Public key that the node has to show; null is what `[host] known_hosts` has of it.",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIK0wmN/Cr3JXqmLW7u+g9pTh+wyqDHpSQEIQczXkVx9q",
    ),
    "sudo": ("Whether commands that need root are put behind `sudo -n`; null is `[host] sudo`.", True),
    "updated_at": ("When it was last changed.", None),
}

SCHEMAS: Mapping[str, Words] = {"LoginBody": LOGIN, "LoginShape": LOGIN}

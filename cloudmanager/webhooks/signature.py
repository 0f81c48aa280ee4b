"""Signatures of webhooks in the form of Standard Webhooks (https://www.standardwebhooks.com), version 1."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

PREFIX = "whsec_"
SHORTEST, LONGEST = 24, 64
"""Bytes that a key may have."""


def key_of(secret: str) -> bytes:
    """The key within a secret, which is `whsec_` and base64; raises ValueError, which does not show it."""
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.startswith(PREFIX) or not SHORTEST <= len(key) <= LONGEST:
        raise ValueError(f"not {PREFIX} and {SHORTEST} to {LONGEST} bytes in base64")
    return key


def headers(secret: str, message_id: str, at: float, body: bytes) -> dict[str, str]:
    """The three headers by which a receiver knows that the body is ours, and when it was sent."""
    timestamp = str(int(at))
    content = b".".join([message_id.encode(), timestamp.encode(), body])
    signature = base64.b64encode(hmac.digest(key_of(secret), content, hashlib.sha256)).decode()
    return {
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": f"v1,{signature}",
    }

"""The licence of an installation: a JSON document and, beside it, the signature of exactly these bytes.

So that OpenSSL alone makes one: `openssl pkeyutl -sign -rawin -inkey issuer.pem -in license.json | base64 -w0
> license.json.sig`.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from cloudmanager.errors import Misconfigured

if TYPE_CHECKING:
    from cloudmanager.config import Config

PACKAGE = "cloud_manager"
"""The `module_package` of licences for this module; the issuer may sign those of others, too."""

_LONGEST = 65536


@dataclass(frozen=True)
class License:
    """What a licence says; times in seconds since the epoch."""

    created_at: int
    expire_at: int
    module_package: str
    name: str
    product: str
    surrogate_name: str
    unique_id: str


@dataclass(frozen=True)
class Finding:
    """What there is to tell of a licence file. Without a problem it is genuine, ours and in force."""

    license: License | None
    problem: str | None


def issuer_key(config: Config) -> Ed25519PublicKey | None:
    """The key that licences are verified with, None without one; `Misconfigured` when it cannot be one."""
    path = config.license.public_key
    if not path:
        if config.license.file:
            raise Misconfigured("[license] file is set, and [license] public_key to verify it with is not")
        return None
    try:
        key = load_pem_public_key(Path(path).read_bytes())
    except OSError as error:
        raise Misconfigured(f"[license] public_key: cannot read {path}: {error.strerror}") from None
    except ValueError:
        raise Misconfigured(f"[license] public_key: {path} holds no public key in PEM") from None
    if not isinstance(key, Ed25519PublicKey):
        raise Misconfigured(f"[license] public_key: {path} holds a key that is not Ed25519")
    return key


def examine(path: Path, key: Ed25519PublicKey, now: float) -> Finding:
    """Read the licence and tell what is wrong with it. What it says is believed only when it is signed."""
    try:
        content, signature = _read(path), _read(path.with_name(f"{path.name}.sig"))
        key.verify(base64.b64decode(signature, validate=False), content)
    except OSError as error:
        return Finding(None, f"the licence or its signature cannot be read: {error.strerror}")
    except ValueError:
        return Finding(None, "the signature is not base64")
    except InvalidSignature:
        return Finding(None, "the signature is not the issuer's")
    found = _parsed(content)
    if found is None:
        return Finding(None, "it is signed, and not a licence")
    return Finding(found, _why_not(found, now))


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_LONGEST)


def _parsed(content: bytes) -> License | None:
    try:
        given: Any = orjson.loads(content)
        values = {field.name: given[field.name] for field in fields(License)}
    except (ValueError, LookupError, TypeError):
        return None
    kinds = {field.name: int if field.name.endswith("_at") else str for field in fields(License)}
    fits = all(type(value) is kinds[name] for name, value in values.items())
    return License(**values) if fits else None


def _why_not(found: License, now: float) -> str | None:
    if found.module_package != PACKAGE:
        return f"it is for {found.module_package}, not for {PACKAGE}"
    if now < found.created_at:
        return "it is not in force yet"
    return "it has expired" if now >= found.expire_at else None

"""TLS to devices: which certificate is trusted, and the settings that say so."""

from __future__ import annotations

import functools
import hashlib
import hmac
import ssl
from dataclasses import dataclass
from typing import Literal

from cloudmanager.drivers.base import Settings
from cloudmanager.errors import DeviceRefused


@dataclass(frozen=True, kw_only=True)
class TlsSettings(Settings):
    """Adds how the device's certificate is checked before any password is sent to it.

    `verify` needs a certificate for `host` from the system's authorities or from `ca_file` (PEM); with
    `fingerprint` (SHA-256, hexadecimal, colons allowed) exactly that certificate. `insecure` encrypts and
    checks nothing, `off` does not encrypt.
    """

    tls: Literal["verify", "insecure", "off"] = "verify"
    ca_file: str = ""
    fingerprint: str = ""


def context_for(title: str, settings: TlsSettings) -> ssl.SSLContext | None:
    """The context of these settings, None for no TLS; `DeviceRefused` if the CA file cannot be read."""
    if settings.tls == "off":
        return None
    if settings.tls == "verify" and not settings.fingerprint:
        try:
            return _verifying(settings.ca_file)
        except OSError as error:
            raise DeviceRefused(f"{title}: cannot read ca_file {settings.ca_file!r}: {error}") from None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if settings.tls == "verify":
        context.sslobject_class = _pinned(settings.fingerprint)
    return context


@functools.lru_cache(maxsize=16)
def _verifying(ca_file: str) -> ssl.SSLContext:
    """Loading authorities takes some 10 ms: it is done once for all devices."""
    return ssl.create_default_context(cafile=ca_file or None)


def _pinned(fingerprint: str) -> type[ssl.SSLObject]:
    """An `SSLObject` that ends the handshake, before anything is sent, unless it met that certificate."""
    wanted = fingerprint.replace(":", "").lower()

    class Pinned(ssl.SSLObject):
        def do_handshake(self) -> None:
            super().do_handshake()
            found = hashlib.sha256(self.getpeercert(binary_form=True) or b"").hexdigest()
            if not hmac.compare_digest(found.encode(), wanted.encode()):
                raise ssl.SSLCertVerificationError(f"its certificate has the fingerprint {found}")

    return Pinned

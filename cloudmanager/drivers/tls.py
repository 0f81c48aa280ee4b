"""TLS to devices: which certificate is trusted, and the settings that say so."""

from __future__ import annotations

import functools
import hashlib
import hmac
import ssl
from dataclasses import dataclass, field
from typing import Literal

from cloudmanager.drivers.base import Settings
from cloudmanager.errors import DeviceRefused


@dataclass(frozen=True, kw_only=True)
class CertificateSettings(Settings):
    """Adds which certificate of the device is accepted, before any password is sent to it."""

    ca_file: str = field(
        default="",
        metadata={
            "help": "File of authorities in PEM, in place of those of the system.",
            "pattern": r"/[^\u0000]*",
            "form": "an absolute path",
        },
    )
    fingerprint: str = field(
        default="",
        metadata={
            "help": "SHA-256 of the one certificate that is accepted, in place of any authority.",
            "pattern": "(?:[0-9A-Fa-f]{2}:?){31}[0-9A-Fa-f]{2}",
            "form": "64 hexadecimal digits, in pairs with or without colons",
        },
    )


@dataclass(frozen=True, kw_only=True)
class TlsSettings(CertificateSettings):
    """Adds how much of TLS there is."""

    tls: Literal["verify", "insecure", "off"] = field(
        default="verify",
        metadata={
            "help": "`verify`: the certificate is valid for `host`, or has the `fingerprint`; `insecure`: "
            "encrypted, but nothing is checked; `off`: not encrypted."
        },
    )


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

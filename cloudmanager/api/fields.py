"""Fields of bodies: the types that our resources are made of, checked strictly."""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from typing import Any

from marshmallow import ValidationError, fields, validate

MAX_INTEGER = 2**31 - 1
"""The largest integer that a column takes."""

_MAC = re.compile(r"[0-9a-f]{12}")
_HOST = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9_])?")


def text(max_length: int = 255, **options: Any) -> fields.String:
    """Any text without NUL characters."""
    return fields.String(validate=[validate.Length(max=max_length), _no_nul], **options)


def name(**options: Any) -> fields.String:
    """A name: not blank; different spellings of the same Unicode text are one."""
    return Name(validate=[validate.Length(max=255), _no_nul, _not_blank], **options)


def whole(minimum: int = 0, maximum: int = MAX_INTEGER, **options: Any) -> fields.Integer:
    """A whole number; neither text nor a boolean passes for one."""
    return fields.Integer(strict=True, validate=validate.Range(minimum, maximum), **options)


def identifier(**options: Any) -> fields.Integer:
    """The id of another object."""
    return whole(1, **options)


def choice(*values: str, **options: Any) -> fields.String:
    """One of several words."""
    return fields.String(validate=validate.OneOf(values), **options)


class Flag(fields.Boolean):
    """true or false, and nothing that looks like it."""

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> bool:
        if not isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return value


class Name(fields.String):
    """Text in Unicode's composed form (NFC)."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        return unicodedata.normalize("NFC", super()._deserialize(value, attr, data, **kwargs))


class TextOrNumber(fields.String):
    """Text; a whole number is taken too and kept as text."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value) if abs(value) < 10**255 else "9" * 256  # too long to be printed is too long
        return super()._deserialize(value, attr, data, **kwargs)


def text_or_number(max_length: int = 255, **options: Any) -> TextOrNumber:
    """Text or a whole number, kept as text."""
    return TextOrNumber(validate=[validate.Length(max=max_length), _no_nul], **options)


class PortNumber(fields.Integer):
    """A TCP or UDP port, as a number or in digits."""

    def __init__(self, **options: Any) -> None:
        super().__init__(strict=True, validate=validate.Range(1, 65535), **options)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if isinstance(value, str) and re.fullmatch("[0-9]{1,5}", value):
            value = int(value)
        return super()._deserialize(value, attr, data, **kwargs)


class Host(fields.String):
    """A host name or an IP address."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        host = super()._deserialize(value, attr, data, **kwargs)
        if not _HOST.fullmatch(host):
            _ip(host, "Not a host name or IP address.")
        return host


class IpAddress(fields.String):
    """An IPv4 or IPv6 address, in its canonical spelling."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        return _ip(super()._deserialize(value, attr, data, **kwargs), "Not an IP address.")


class MacAddresses(fields.String):
    """One or several MAC addresses, comma separated; kept as aa:bb:cc:dd:ee:ff."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        given = super()._deserialize(value, attr, data, **kwargs)
        if len(given) > 2000:  # noqa: PLR2004  # some hundred addresses
            raise ValidationError("Longer than maximum length 2000.")
        return ",".join(dict.fromkeys(_mac(part) for part in given.split(","))) if given.strip() else None


class Tags(fields.Dict):
    """A flat object: names and plain values."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            keys=text(), values=_Plain(allow_none=True), validate=validate.Length(max=100), **options
        )


class _Plain(fields.Field[Any]):
    def _deserialize(self, value: Any, *_: Any, **__: Any) -> Any:
        if isinstance(value, str):
            return text(4096).deserialize(value)
        if isinstance(value, bool | float) or (isinstance(value, int) and abs(value) <= MAX_INTEGER):
            return value
        raise ValidationError("Not text, a boolean or a number of usual size.")


def _ip(value: str, message: str) -> str:
    try:
        return str(ipaddress.ip_address(value))
    except ValueError:
        raise ValidationError(message) from None


def _mac(value: str) -> str:
    digits = re.sub("[:.-]", "", value.strip().lower())
    if not _MAC.fullmatch(digits):
        raise ValidationError(f"Not a MAC address: {value.strip()[:40]!r}.")
    return ":".join(digits[at : at + 2] for at in range(0, 12, 2))


def _no_nul(value: str) -> None:
    if "\0" in value:
        raise ValidationError("Has a NUL character.")


def _not_blank(value: str) -> None:
    if not value.strip():
        raise ValidationError("Is blank.")

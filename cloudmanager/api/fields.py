"""Fields of bodies: the types that our resources are made of, checked strictly.

`json_schema` of a field is what it takes, as far as it cannot be told from its base class and validators.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from typing import Any, ClassVar

from marshmallow import ValidationError, fields, validate

MAX_INTEGER = 2**31 - 1
"""The largest integer that a column takes."""

JsonSchema = dict[str, Any]

_MAC = r"(?:[0-9A-Fa-f]{2}[:-]?){5}[0-9A-Fa-f]{2}|(?:[0-9A-Fa-f]{4}\.){2}[0-9A-Fa-f]{4}"
_HOST = r"[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9_])?"
_PORT = "0*(?:[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
_NO_NUL = r"^[^\u0000]*$"
_IP: JsonSchema = {"anyOf": [{"type": "string", "format": "ipv4"}, {"type": "string", "format": "ipv6"}]}


def text(max_length: int = 255, min_length: int | None = None, **options: Any) -> fields.String:
    """Any text without NUL characters."""
    return _Text(validate=[validate.Length(min_length, max_length), _no_nul], **options)


def name(**options: Any) -> fields.String:
    """A name: not blank; different spellings of the same Unicode text are one."""
    return Name(validate=[validate.Length(max=255), _no_nul, _not_blank], **options)


def name_or_nothing(**options: Any) -> fields.String:
    """A name that may be empty."""
    return _Composed(validate=[validate.Length(max=255), _no_nul], **options)


def whole(minimum: int = 0, maximum: int = MAX_INTEGER, **options: Any) -> fields.Integer:
    """A whole number; neither text nor a boolean passes for one, but 1.0 does, as in JSON Schema."""
    return _Whole(strict=True, validate=validate.Range(minimum, maximum), **options)


def number(minimum: float, maximum: float, **options: Any) -> fields.Float:
    """A number; neither text nor a boolean passes for one."""
    return _Number(validate=validate.Range(minimum, maximum), **options)


def identifier(**options: Any) -> fields.Integer:
    """The id of another object."""
    return whole(1, **options)


def choice(*values: str, **options: Any) -> fields.String:
    """One of several words."""
    return fields.String(validate=validate.OneOf(values), **options)


class _Whole(fields.Integer):
    def _deserialize(self, value: Any, *rest: Any, **options: Any) -> int:
        is_whole = isinstance(value, float) and value.is_integer()
        result: int = super()._deserialize(int(value) if is_whole else value, *rest, **options)
        return result


class _Number(fields.Float):
    def _deserialize(self, value: Any, *rest: Any, **options: Any) -> float:
        if isinstance(value, str | bool):
            raise self.make_error("invalid", input=value)
        result: float = super()._deserialize(value, *rest, **options)
        return result


class _Text(fields.String):
    json_schema: ClassVar[JsonSchema] = {"pattern": _NO_NUL}


class Flag(fields.Boolean):
    """true or false, and nothing that looks like it."""

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> bool:
        if not isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return value


class _Composed(_Text):
    """Text in Unicode's composed form (NFC)."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        return unicodedata.normalize("NFC", super()._deserialize(value, attr, data, **kwargs))


class Name(_Composed):
    """A name that is not blank."""

    json_schema: ClassVar[JsonSchema] = {"minLength": 1, "pattern": r"^[^\u0000]*[^\s\u0000][^\u0000]*$"}


class TextOrNumber(fields.String):
    """Text; a whole number is taken too and kept as text."""

    json_schema: ClassVar[JsonSchema] = {"type": ["string", "integer"], "pattern": _NO_NUL}

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value) if abs(value) < 10**255 else "9" * 256  # too long to be printed is too long
        return super()._deserialize(value, attr, data, **kwargs)


def text_or_number(max_length: int = 255, **options: Any) -> TextOrNumber:
    """Text or a whole number, kept as text."""
    return TextOrNumber(validate=[validate.Length(max=max_length), _no_nul], **options)


class Directory(fields.String):
    """An absolute path."""

    json_schema: ClassVar[JsonSchema] = {"pattern": r"^/[^\u0000]*$"}

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        path = super()._deserialize(value, attr, data, **kwargs)
        if not path.startswith("/"):
            raise ValidationError("Not an absolute path.")
        return path


def directory(**options: Any) -> Directory:
    """An absolute path of a length that a system takes."""
    return Directory(validate=[validate.Length(max=4095), _no_nul], **options)


class _InDigits(_Whole):
    """A whole number from 1, also as text of digits of the form `pattern`."""

    def __init__(self, maximum: int, pattern: str, **options: Any) -> None:
        super().__init__(strict=True, validate=validate.Range(1, maximum), **options)
        self._pattern = pattern
        self.json_schema = {
            "anyOf": [
                {"type": "integer", "minimum": 1, "maximum": maximum},
                {"type": "string", "pattern": f"^{pattern}$"},
            ]
        }

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if isinstance(value, str) and re.fullmatch(self._pattern, value):
            value = int(value)
        return super()._deserialize(value, attr, data, **kwargs)


class PortNumber(_InDigits):
    """A TCP or UDP port, as a number or in digits."""

    def __init__(self, **options: Any) -> None:
        super().__init__(65535, _PORT, **options)


class IdOrDigits(_InDigits):
    """The id of another object, as a number or in digits, of which it has at most nine then."""

    def __init__(self, **options: Any) -> None:
        super().__init__(MAX_INTEGER, "0*[1-9][0-9]{0,8}", **options)


class Host(fields.String):
    """A host name or an IP address."""

    json_schema: ClassVar[JsonSchema] = {
        "anyOf": [{"type": "string", "pattern": f"^{_HOST}$"}, {"type": "string", "format": "ipv6"}]
    }

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        host = super()._deserialize(value, attr, data, **kwargs)
        if not re.fullmatch(_HOST, host):
            _ip(host, "Not a host name or IP address.")
        return host


class IpAddress(fields.String):
    """An IPv4 or IPv6 address, in its canonical spelling."""

    json_schema: ClassVar[JsonSchema] = _IP

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        return _ip(super()._deserialize(value, attr, data, **kwargs), "Not an IP address.")


class MacAddresses(fields.String):
    """One or several MAC addresses, comma separated; kept as aa:bb:cc:dd:ee:ff."""

    json_schema: ClassVar[JsonSchema] = {
        "maxLength": 2000,
        "pattern": rf"^(?:\s*|\s*(?:{_MAC})\s*(?:,\s*(?:{_MAC})\s*)*)$",
    }

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        given = super()._deserialize(value, attr, data, **kwargs)
        if len(given) > 2000:  # noqa: PLR2004  # some hundred addresses
            raise ValidationError("Longer than maximum length 2000.")
        return ",".join(dict.fromkeys(_mac(part) for part in given.split(","))) if given.strip() else None


class Tags(fields.Dict):
    """A flat object: names and plain values."""

    json_schema: ClassVar[JsonSchema] = {
        "maxProperties": 100,
        "propertyNames": {"maxLength": 255, "pattern": _NO_NUL},
        "additionalProperties": {
            "type": ["string", "boolean", "number", "null"],
            "maxLength": 4096,
            "pattern": _NO_NUL,
            "minimum": -MAX_INTEGER,
            "maximum": MAX_INTEGER,
        },
    }

    def __init__(self, **options: Any) -> None:
        super().__init__(keys=text(), values=_Plain(allow_none=True), validate=_few, **options)


class _Plain(fields.Field[Any]):
    def _deserialize(self, value: Any, *_: Any, **__: Any) -> Any:
        if isinstance(value, str):
            return text(4096).deserialize(value)
        if isinstance(value, bool) or (isinstance(value, int | float) and abs(value) <= MAX_INTEGER):
            return value
        raise ValidationError("Not text, a boolean or a number of usual size.")


def _ip(value: str, message: str) -> str:
    try:
        return str(ipaddress.ip_address(value))
    except ValueError:
        raise ValidationError(message) from None


def _mac(value: str) -> str:
    if not re.fullmatch(_MAC, value.strip()):
        raise ValidationError(f"Not a MAC address: {value.strip()[:40]!r}.")
    digits = re.sub("[:.-]", "", value.strip().lower())
    return ":".join(digits[at : at + 2] for at in range(0, 12, 2))


def _few(value: dict[str, Any]) -> None:
    if len(value) > Tags.json_schema["maxProperties"]:
        raise ValidationError("Longer than maximum length 100.")


def _no_nul(value: str) -> None:
    if "\0" in value:
        raise ValidationError("Has a NUL character.")


def _not_blank(value: str) -> None:
    if not value.strip():
        raise ValidationError("Is blank.")

"""The reference of all options, made from their declarations: a sample file, a page of the manual."""

from __future__ import annotations

from typing import Any

from cloudmanager.config import SECTIONS

_INTRODUCTION = """\
# Configuration

<!-- made by `cloudmanager config docs`: change the options' help texts instead -->

One INI file, read by every process when it starts. `cloudmanager up` writes a short one into its state
directory; the other commands take `--config FILE`. `cloudmanager config sample` prints a file with every
option at its default. A `$` in a value is written `$$`.
"""


def sample() -> str:
    """A configuration file in which every option stands at its default, commented out."""
    parts: list[str] = []
    for section in SECTIONS:
        parts.append(f"# {_summary(section)}\n[{section.GROUP}]\n")
        for option in section.OPTIONS:
            notes = [option.help, *_notes(option)]
            lines = "".join(f"# {note}\n" for note in notes)
            parts.append(f"\n{lines}#{option.dest} = {_default(option)}".rstrip() + "\n")
        parts.append("\n")
    return "\n".join(["# CloudManager: every option, at its default.\n", "".join(parts).rstrip() + "\n"])


def markdown() -> str:
    """The page `docs/configuration.md`."""
    parts = [_INTRODUCTION]
    for section in SECTIONS:
        title, _, summary = _summary(section).partition(" ")
        rows = "".join(_row(option) for option in section.OPTIONS)
        head = "| option | default | meaning |\n|---|---|---|\n"
        parts.append(f"\n## {title}\n\n{summary[0].upper()}{summary[1:]}\n\n{head}{rows}")
    return "".join(parts)


def _row(option: Any) -> str:
    meaning = " ".join([option.help, *_notes(option)]).replace("|", "\\|")
    default = f"`{_default(option)}`" if _default(option) else ""
    return f"| `{option.dest}` | {default} | {meaning} |\n"


def _summary(section: Any) -> str:
    return str(section.__doc__).splitlines()[0]


def _default(option: Any) -> str:
    """As it would stand in the file; nothing for an option that has none."""
    value = option.default
    if isinstance(value, dict):
        value = [f"{name}:{each}" for name, each in value.items()]
    text = ",".join(map(str, value)) if isinstance(value, list) else "" if value is None else str(value)
    return text.replace("$", "$$")


def _notes(option: Any) -> list[str]:
    """What the type of the option allows."""
    kind = option.type
    choices = getattr(kind, "choices", None)
    if choices:
        return [f"{name}: {help_text}" if help_text else f"{name}." for name, help_text in choices.items()]
    smallest, largest = getattr(kind, "min", None), getattr(kind, "max", None)
    return [
        *([f"Minimum {smallest:g}."] if smallest is not None else []),
        *([f"Maximum {largest:g}."] if largest is not None else []),
    ]

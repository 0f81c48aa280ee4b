"""Images through the templates of the loaders: what stands in the files."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from jinja2 import FileSystemLoader, StrictUndefined, TemplateError, TemplateNotFound, TemplateSyntaxError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from cloudmanager.errors import InvalidInput
from cloudmanager.pxe.boot_menu import BootMenu, parse

if TYPE_CHECKING:
    from cloudmanager.pxe.loaders import Loader

SHIPPED: Final = Path(__file__).parents[2] / "pxe_templates"

MARK: Final = b"# Written by CloudManager"
"""How the first or second line of our files begins: a comment for all three loaders."""

_MARK_LINE: Final = f"{MARK.decode()}: what is changed here does not stay.\n"
_PLAIN: Final = re.compile(r"[A-Za-z0-9_./:,=+@%-]+")


@dataclass(frozen=True)
class Image:
    """A PXE image, with what it offers to start."""

    id: int
    name: str
    file_data: str

    @functools.cached_property
    def menu(self) -> BootMenu:
        """What can be started."""
        return parse(self.file_data)


class Renderer:
    """Renders with the site's templates where it has some, else with those of the product."""

    def __init__(self, directory: str) -> None:
        found = [directory] if directory else []
        self._environment = ImmutableSandboxedEnvironment(
            loader=FileSystemLoader([*found, str(SHIPPED)]),
            undefined=StrictUndefined,
            autoescape=False,  # not HTML; `grub_word` and its like quote
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
        )
        self._environment.filters |= {"grub": grub_word, "grub_words": grub_words, "grub_path": grub_path}

    def render(self, loader: Loader, image: Image, mac: str = "", node: str = "") -> bytes:
        """The file of a loader for a MAC address, or for whoever has none of its own.

        Raises `InvalidInput` that names the template, the line and what is wrong.
        """
        try:
            template = self._environment.get_template(loader.template)
            text = template.render(image=image, menu=image.menu, mac=mac, node=node)
        except (TemplateError, ArithmeticError, LookupError, TypeError, ValueError) as error:
            said = f"PXE template {_place(loader.template, error)} and image {image.name!r}: {_words(error)}"
            raise InvalidInput(said, {"image_id": [said]}) from None
        return _marked(text)


@functools.lru_cache(maxsize=4)
def renderer_for(directory: str) -> Renderer:
    """The renderer of a directory of templates; compiled templates are kept until their files change."""
    return Renderer(directory)


def grub_word(text: str) -> str:
    """One word for GRUB's shell, quoted where it must be."""
    return text if _PLAIN.fullmatch(text) else "'" + text.replace("'", "'\\''") + "'"


def grub_words(text: str) -> str:
    """Words for GRUB's shell, each for itself."""
    return " ".join(map(grub_word, text.split()))


def grub_path(path: str) -> str:
    """A file on the TFTP server, or at an URL, as GRUB names it."""
    parts = urlsplit(path)
    if parts.scheme in ("http", "tftp") and parts.netloc:
        return grub_word(f"({parts.scheme},{parts.netloc}){parts.path}")
    return grub_word(f"/{path.lstrip('/')}")


def _marked(text: str) -> bytes:
    text = text.replace("\r\n", "\n").rstrip("\n") + "\n"
    first, newline, rest = text.partition("\n")
    marked = first + newline + _MARK_LINE + rest if first.startswith("#!") else _MARK_LINE + text
    return marked.encode()


def _place(template: str, error: Exception) -> str:
    """The template, with the line of the error where it is known."""
    if isinstance(error, TemplateSyntaxError):
        return f"{error.name or template}, line {error.lineno}"
    trace, line = error.__traceback__, None
    while trace is not None:
        if trace.tb_frame.f_code.co_filename.endswith(f"/{template}"):
            line = trace.tb_lineno
        trace = trace.tb_next
    return f"{template}, line {line}" if line else template


def _words(error: Exception) -> str:
    if isinstance(error, TemplateNotFound):
        return f"there is no template {error}"
    return str(error) or type(error).__name__

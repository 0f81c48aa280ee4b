"""The directory that the TFTP server serves: files of ours appear, change and go as a whole, others stay.

Everything is named relative to an open directory and without following links, so that nothing outside of it
is ever touched.
"""

from __future__ import annotations

import enum
import errno
import fcntl
import os
import secrets
import stat
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cloudmanager.errors import Unavailable
from cloudmanager.pxe.loaders import DIRECTORIES, LOADERS
from cloudmanager.pxe.rendering import MARK

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_LOCK: Final = ".cloudmanager.lock"
_TEMPORARY: Final = ".cloudmanager-"
_LARGEST: Final = 4 << 20
_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_FILE_MODE, _DIRECTORY_MODE = 0o644, 0o755  # the TFTP server runs as somebody else


class Kind(enum.StrEnum):
    """What a file needs."""

    WRITE = "write"
    CHANGE = "change"
    REMOVE = "remove"
    FOREIGN = "foreign"


@dataclass(frozen=True, order=True)
class Change:
    """One file that is not as it should be. A foreign one is not ours, so it stays as it is."""

    path: str
    kind: Kind


class Tree:
    """The open directory."""

    def __init__(self, root: int) -> None:
        self._directories = {"": root}

    def names(self) -> list[str]:
        """The files that have a name of ours, whoever wrote them."""
        found: list[str] = []
        for directory in DIRECTORIES:
            if (descriptor := self._directory(directory, make=False)) is not None:
                paths = (os.path.join(directory, name) for name in os.listdir(descriptor))  # noqa: PTH118, PTH208
                found += [path for path in paths if any(loader.owns(path) for loader in LOADERS)]
        return found

    def difference(self, wanted: Mapping[str, bytes], paths: Iterable[str]) -> list[Change]:
        """What is to be done so that these paths hold what is wanted, and nothing of ours otherwise."""
        return sorted(change for path in paths if (change := self._change(path, wanted.get(path))))

    def bring_in_line(self, wanted: Mapping[str, bytes], changes: Iterable[Change]) -> None:
        """Do it, all but what is foreign."""
        for change in changes:
            if change.kind is Kind.REMOVE:
                self._remove(change.path)
            elif change.kind is not Kind.FOREIGN:
                self._write(change.path, wanted[change.path])

    def tidy(self) -> None:
        """Remove what writers that died have left behind."""
        for directory in DIRECTORIES:
            if (descriptor := self._directory(directory, make=False)) is not None:
                for name in os.listdir(descriptor):  # noqa: PTH208
                    if name.startswith(_TEMPORARY):
                        os.unlink(name, dir_fd=descriptor)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Wait until no other process writes, and keep others from it."""
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(_LOCK, flags, 0o600, dir_fd=self._directories[""])
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def close(self) -> None:
        """Let go of the directory."""
        for descriptor in self._directories.values():
            os.close(descriptor)

    def _change(self, path: str, wanted: bytes | None) -> Change | None:
        present = self._read(path)
        if present is None:
            return Change(path, Kind.WRITE) if wanted is not None else None
        if present == wanted:
            return None
        if not is_ours(present):
            return Change(path, Kind.FOREIGN)
        return Change(path, Kind.REMOVE if wanted is None else Kind.CHANGE)

    def _read(self, path: str) -> bytes | None:
        """What is in a file, None if there is none; nothing for what is not a plain file."""
        directory, name = os.path.split(path)
        parent = self._directory(directory, make=False)
        if parent is None:
            return None
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            descriptor = os.open(name, flags, dir_fd=parent)
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENXIO):
                return b""
            raise
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            return b""
        with os.fdopen(descriptor, "rb") as file:
            return file.read(_LARGEST)

    def _write(self, path: str, content: bytes) -> None:
        directory, name = os.path.split(path)
        parent = self._directory(directory, make=True)
        temporary = f"{_TEMPORARY}{secrets.token_hex(8)}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(temporary, flags, 0o600, dir_fd=parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fchmod(descriptor, _FILE_MODE)
                os.fsync(descriptor)
            os.rename(temporary, name, src_dir_fd=parent, dst_dir_fd=parent)
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary, dir_fd=parent)
            raise

    def _remove(self, path: str) -> None:
        directory, name = os.path.split(path)
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=self._directory(directory, make=False))

    def _directory(self, name: str, *, make: bool) -> int | None:
        if name not in self._directories:
            root = self._directories[""]
            try:
                self._directories[name] = os.open(name, _DIRECTORY | os.O_NOFOLLOW, dir_fd=root)
            except FileNotFoundError:
                if not make:
                    return None
                os.mkdir(name, _DIRECTORY_MODE, dir_fd=root)
                self._directories[name] = os.open(name, _DIRECTORY | os.O_NOFOLLOW, dir_fd=root)
                os.fchmod(self._directories[name], _DIRECTORY_MODE)
        return self._directories[name]


def is_ours(content: bytes) -> bool:
    """Whether we have written this."""
    return any(line.startswith(MARK) for line in content.split(b"\n", 2)[:2])


@contextmanager
def opened(root: str) -> Iterator[Tree]:
    """The tree, to look at. Raises `Unavailable` that says what is wrong with the directory."""
    tree = None
    try:
        tree = Tree(os.open(root, _DIRECTORY | os.O_CLOEXEC))
        yield tree
    except OSError as error:
        where = f" {error.filename}:" if error.filename not in (None, root) else ""
        raise Unavailable(f"[pxe] tftp_root {root}:{where} {error.strerror or error}") from None
    finally:
        if tree is not None:
            tree.close()


@contextmanager
def locked(root: str) -> Iterator[Tree]:
    """The tree, to write: one process of this machine at a time.

    Whoever writes looks into the database while it holds the lock: so the last writer knows the newest.
    """
    with opened(root) as tree, tree.lock():
        yield tree

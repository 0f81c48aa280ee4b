"""The two ways of an inventory: out into a file, and back in, all or nothing."""

from __future__ import annotations

import csv
import stat
from dataclasses import dataclass
from itertools import chain
from typing import IO, TYPE_CHECKING, Any

from sqlalchemy.exc import IntegrityError

from cloudmanager.api.constraints import in_words
from cloudmanager.errors import Conflict, InvalidInput, Misconfigured
from cloudmanager.inventory import changes, csv_file, rules, stored, writing, yaml_file
from cloudmanager.inventory.merged import merged
from cloudmanager.inventory.records import SECRETS, SECTIONS, Inventory, Problems, Record, checked

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from cloudmanager.db import Database
    from cloudmanager.vault import Vault

FORMATS: Mapping[str, Any] = {"yaml": yaml_file, "csv": csv_file}


@dataclass(frozen=True)
class Outcome:
    """What an import did, or would do."""

    changes: dict[str, list[changes.Change]]
    after: Inventory

    def __bool__(self) -> bool:
        return any(self.changes.values())

    def summary(self) -> Iterator[str]:
        """A line for every kind."""
        return changes.summary(self.changes, self.after)

    def lines(self) -> Iterator[str]:
        """A line for every change."""
        return chain.from_iterable(map(changes.lines, self.changes.values()))


def export_inventory(database: Database, file: IO[str], form: str) -> int:
    """Write everything but secrets and what is observed. Answers how many unnamed nodes are left out."""
    with database.reading() as session:
        found = stored.read(session)
    rows = {
        section: {
            key: {name: row[name] for name in kind.schema.fields if name in row}
            for key, row in found.rows[section].items()
            if not stored.unnamed(key)
        }
        for section, kind in SECTIONS.items()
    }
    FORMATS[form].write(rows, file)
    return len(found.rows["nodes"]) - len(rows["nodes"])


def import_inventory(
    database: Database,
    vault: Vault,
    file: IO[str],
    form: str,
    *,
    passwords: Path | None = None,
    prune: bool = False,
    dry_run: bool = False,
) -> Outcome:
    """Make the inventory what the file says, in one transaction; with `dry_run` only tell the difference.

    Raises `InvalidInput` with every mistake at its line, and then nothing has been changed.
    """
    problems = Problems()
    records = list(FORMATS[form].read(file, problems))
    if passwords is not None:
        records = _with_passwords(records, passwords, problems)
    records = checked(records, problems)
    problems.refuse()
    with database.transaction() as session:
        found = stored.read(session)
        after = merged(found, records, vault, problems, prune=prune)
        problems.refuse()
        rules.check(found, after, records, problems)
        problems.refuse()
        outcome = Outcome(changes.difference(found.rows, after), after)
        if outcome and not dry_run:
            try:
                writing.write(session, found, outcome.changes)
            except IntegrityError as error:
                raise Conflict(f"nothing was changed: {in_words(error)}") from None
    return outcome


def _with_passwords(records: Iterable[Record], path: Path, problems: Problems) -> list[Record]:
    """The records, with secrets from a file of `title,password[,ssh_key]` put into their power controls."""
    secrets = dict(_secrets(path))
    found = []
    for record in records:
        title = record.fields.get("title")
        if record.kind.section == "power_controls" and isinstance(title, str) and title in secrets:
            record = Record(record.kind, record.place, {**record.fields, **secrets.pop(title)})  # noqa: PLW2901
        found.append(record)
    for title in secrets:
        problems.add(str(path), f"the inventory file has no power control with the title {title!r}")
    return found


def _secrets(path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise Misconfigured(f"{path} can be read by others: run `chmod 600 {path}`")
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.DictReader(file, strict=True)
        if not {"title"} <= set(rows.fieldnames or ()) <= {"title", *SECRETS}:
            raise InvalidInput(f"{path}: its columns are title, {', '.join(SECRETS)}")
        for row in rows:
            yield row["title"], {name: row[name] for name in SECRETS if row.get(name)}

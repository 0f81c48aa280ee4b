"""Which of our hosts or servers a label of Prometheus names."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def named_servers(server_ids: Iterable[str]) -> Mapping[str, str]:
    """{what a label may say: id of the server}, for `found`."""
    return {server_id.lower(): server_id for server_id in server_ids}


def named_hosts(hosts: Iterable[str]) -> Mapping[str, str]:
    """{what a label may say: Nova's name of the host}: that name, or the part before its first dot.

    A part that several hosts have in common names none of them.
    """
    names = {host.lower(): host for host in hosts}
    parts = Counter(name.partition(".")[0] for name in names)
    short = {name.partition(".")[0]: host for name, host in names.items()}
    return {part: host for part, host in short.items() if parts[part] == 1} | names


def found(label: str, names: Mapping[str, str]) -> str | None:
    """The host or server that a label names, with or without a port; None: none of ours.

    A label with a domain also names the host that Nova knows without one.
    """
    value = label.lower().partition(":")[0]
    if value in names:
        return names[value]
    host = names.get(value.partition(".")[0])
    return host if host is not None and "." not in host else None

"""Snapshots for tests of the planner, drawn or made by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import strategies as st

from cloudmanager.drs.cluster import Group, Host, HostState, Policy, Resource, Server, Snapshot

if TYPE_CHECKING:
    from collections.abc import Callable

CPU, RAM = Resource.CPU, Resource.RAM


def host(name: str, cpu: float = 10, ram: float = 64_000, **more) -> Host:
    return Host(name, {CPU: cpu, RAM: ram}, **more)


def server(name: str, on: str, cpu: float = 1, ram: float = 1000, **more) -> Server:
    return Server(name, on, {CPU: cpu, RAM: ram}, **more)


@st.composite
def snapshots(draw: Callable) -> Snapshot:
    """Up to six hosts with up to 14 servers: tight, overfull, cordoned, down, grouped, measured or not."""
    names = [f"h{number}" for number in range(draw(st.integers(1, 6)))]
    measured = draw(st.booleans())
    hosts = tuple(
        Host(
            name,
            {CPU: draw(st.sampled_from([4, 8, 16])), RAM: draw(st.sampled_from([8000, 16_000]))},
            ratios={CPU: draw(st.sampled_from([1.0, 2.0]))},
            state=draw(st.sampled_from([HostState.UP] * 6 + [HostState.DOWN])),
            cordoned=draw(st.sampled_from([False] * 5 + [True])),
            zone=draw(st.sampled_from(["a", "a", "b"])),
            cpu_model=draw(st.sampled_from([None, "old", "new"])),
        )
        for name in names
    )
    servers = tuple(
        Server(
            f"s{number:02}",
            draw(st.sampled_from(names)),
            {CPU: draw(st.integers(1, 4)), RAM: 1000 * draw(st.integers(1, 4))},
            load={CPU: draw(st.integers(0, 30)) / 10} if measured and draw(st.integers(0, 9)) else {},
            zone=draw(st.sampled_from([None, None, "a"])),
            running=draw(st.booleans()),
            pinned=draw(st.sampled_from([False] * 7 + [True])),
            locked=draw(st.sampled_from([False] * 7 + [True])),
        )
        for number in range(draw(st.integers(0, 14)))
    )
    members = st.frozensets(
        st.sampled_from([server.id for server in servers] or ["none"]), min_size=2, max_size=4
    )
    groups = tuple(
        Group(f"g{number}", draw(st.sampled_from(Policy)), draw(members))
        for number in range(draw(st.integers(0, 3)) if len(servers) > 4 else 0)
    )
    return Snapshot(hosts, servers, groups)

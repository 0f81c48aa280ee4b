"""Synthetic aggregates: hosts of two sizes, servers of the usual flavors, loads that are skewed by host."""

from __future__ import annotations

import numpy as np

from cloudmanager.drs.cluster import Group, Host, Policy, Resource, Server, Snapshot

FLAVORS = ((1, 2048, 20), (2, 4096, 40), (4, 8192, 80), (4, 16384, 80), (8, 32768, 160))
SHARES = (0.3, 0.3, 0.2, 0.15, 0.05)


def aggregate(hosts: int, servers: int, seed: int = 1) -> Snapshot:
    """So many servers on so many hosts: a tenth of the hosts is crowded and busy, a tenth nearly empty."""
    rng = np.random.default_rng(seed)
    crowd = np.select([np.arange(hosts) % 10 == 0, np.arange(hosts) % 10 == 5], [2.0, 0.2], 1.0)
    place = rng.choice(hosts, size=servers, p=crowd / crowd.sum())
    flavor = rng.choice(len(FLAVORS), size=servers, p=SHARES)
    busy = np.clip(rng.lognormal(-1.6, 0.8, servers) * np.sqrt(crowd[place]), 0.01, 1.0)
    size = max(1.0, servers / hosts / 20)
    return Snapshot(
        tuple(_host(number, size) for number in range(hosts)),
        tuple(
            _server(number, int(place[number]), FLAVORS[flavor[number]], float(busy[number]), rng)
            for number in range(servers)
        ),
        tuple(_group(number, servers) for number in range(servers // 40)),
    )


def _host(number: int, size: float) -> Host:
    large = 1.5 if number % 4 == 0 else 1.0
    return Host(
        f"h{number:04}",
        {
            Resource.CPU: 48 * large * size,
            Resource.RAM: 393_216 * large * size,
            Resource.DISK: 4000 * large * size,
            Resource.NETWORK: 10_000,
        },
        ratios={Resource.CPU: 4.0},
        reserved={Resource.RAM: 8192},
    )


def _server(
    number: int, host: int, flavor: tuple[int, int, int], busy: float, rng: np.random.Generator
) -> Server:
    vcpus, ram, disk = flavor
    return Server(
        f"s{number:05}",
        f"h{host:04}",
        {Resource.CPU: vcpus, Resource.RAM: ram, Resource.DISK: disk},
        load={
            Resource.CPU: vcpus * busy,
            Resource.RAM: ram * min(1.0, 0.4 + busy),
            Resource.DISK: disk * 0.5,
            Resource.NETWORK: float(rng.lognormal(3.0, 1.0)),
        },
    )


def _group(number: int, servers: int) -> Group:
    """Three servers apart; those that are on one host already may only get better."""
    members = {f"s{(number * 37 + step * 13) % servers:05}" for step in range(3)}
    return Group(f"g{number}", Policy.ANTI_AFFINITY, frozenset(members))

"""A cloud in which anything may happen at any time, while trackers and workers come and die.

TRACKER_STEPS is how many steps are gone, TRACKER_SEED where chance begins; both are printed.
"""

from __future__ import annotations

import itertools
import math
import os
import random

import pytest

from .test_tracker import LOOP, Site

STEPS = int(os.environ.get("TRACKER_STEPS", "100"))
SEED = int(os.environ.get("TRACKER_SEED", "1"))
HOSTS = ("h1", "h2", "h3", "h4", "h5", "h6")
MAX_DOWN = 2


class Chance:
    """What happens to hosts, and who watches them."""

    def __init__(self, site, random_):
        self.site, self.random = site, random_
        self.nova = site.cloud.nova
        self.mute = set()
        site.options |= {
            ("node_tracker", "max_down_hosts"): MAX_DOWN,
            ("node_tracker", "retry_interval"): 3 * LOOP,
            ("extra_availability_check", "enabled"): True,
        }
        self.weights = {
            self.die: 3,
            self.come_back: 6,
            self.lose_management: 2,
            self.lose_storage: 1,
            self.lose_both: 2,
            self.bmc: 2,
            self.lose_tracker: 1,
        }
        self.trackers = [site.tracker(name) for name in ("t1", "t2", "t3")]

    def machine(self, host):
        return self.nova.hosts[host].machine

    def happen(self):
        host = self.random.choice(HOSTS)
        what = self.random.choices(list(self.weights), weights=self.weights.values())[0]
        what(host)

    def die(self, host):
        self.site.kill(host)

    def come_back(self, host):
        self.machine(host).on = True
        self.machine(host).dead = False
        self.nova.hosts[host].started = self.site.cloud.clock.now()
        self.mute.discard(host)

    def lose_management(self, host):
        """Its servers run on, and it writes to its storage."""
        if self.machine(host).on:
            self.nova.hosts[host].started = math.inf

    def lose_storage(self, host):
        self.mute.add(host)

    def lose_both(self, host):
        """Its servers run on, and nobody can know that: the fence alone keeps them from running twice."""
        self.lose_management(host)
        self.lose_storage(host)

    def bmc(self, host):
        self.machine(host).dead = not self.machine(host).dead

    def lose_tracker(self, _host):
        """One dies without a word; another process begins in its place."""
        place = self.random.randrange(len(self.trackers))
        self.trackers[place] = self.site.tracker(f"t{self.random.randrange(1000)}")

    def beat(self):
        for host in HOSTS:
            if self.machine(host).on and host not in self.mute:
                running = [key for key, guest in self.nova.guests.items() if guest.record.host == host]
                self.site.beat(host, running)

    async def work(self, rounds):
        count = itertools.count()
        await self.site.cloud._sweep(lambda: next(count) >= rounds, rounds + 1)


@pytest.mark.parametrize("seed", [SEED, SEED + 1])
async def test_no_server_ever_runs_twice_whatever_happens(cloud, tmp_path, seed):
    print(f"TRACKER_SEED={seed} TRACKER_STEPS={STEPS}")  # noqa: T201
    site = Site(cloud, tmp_path)
    site.share_storage(*HOSTS)
    for number, host in enumerate(HOSTS):
        cloud.nova.add_server(f"s{number}", host)
    chance = Chance(site, random.Random(seed))
    begun = 0
    for _ in range(STEPS):
        chance.happen()
        cloud.clock.time += LOOP / 2
        chance.beat()
        for tracker in chance.trackers:
            before = await tracker._lookout.look(counts=False)
            tasks = await tracker.cycle()
            begun += len(tasks)
            if tasks:
                assert len(tasks) == 1
                assert len(before.snapshot.unexplained) <= MAX_DOWN
        await chance.work(chance.random.randrange(4))
        assert cloud.nova.split_brains == []
    assert begun > STEPS / 100, "chance was too kind for this test to say anything"

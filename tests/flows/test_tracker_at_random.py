"""A cloud in which anything may happen at any time, while trackers and workers come and die.

TRACKER_STEPS is how many steps are gone in each of the two worlds, TRACKER_SEED where chance begins; both are printed.
"""

from __future__ import annotations

import itertools
import math
import os
import random
from collections import Counter
from datetime import UTC, datetime

import pytest
from sqlalchemy import select, update

from cloudmanager.drivers.base import PowerState
from cloudmanager.models import FlowRow, Node, NodeControl

from .test_tracker import LOOP, Site
from .world import WorkerDied

STEPS = int(os.environ.get("TRACKER_STEPS", "1000"))
SEED = int(os.environ.get("TRACKER_SEED", "1"))
HOSTS = ("h1", "h2", "h3", "h4", "h5", "h6")
MAX_DOWN = 2
STALE_AFTER = 30.0
STOPS_AFTER = 60.0
"""Seconds after which a node that has lost all stops its servers by itself, where nodes do so."""


_STATES = {PowerState.ON: "power_on", PowerState.OFF: "power_off"}


class Chance:
    """What happens to hosts, and who watches them. `safe`: nodes protect themselves, so silence may count."""

    def __init__(self, site, random_, *, safe):
        self.site, self.random, self.safe = site, random_, safe
        self.nova, self.clock = site.cloud.nova, site.cloud.clock
        self.mute, self.ahead, self.alone_since, self.repaired_in = set(), {}, {}, {}
        self.storage_works, self.seen_power = True, {}
        self.happened = Counter()
        site.options |= {
            ("node_tracker", "max_down_hosts"): MAX_DOWN,
            ("node_tracker", "retry_interval"): 3 * LOOP,
            ("node_tracker", "storage_fencing"): safe,
            ("node_tracker", "storage_silence"): 2 * STOPS_AFTER,
            ("extra_availability_check", "enabled"): True,
            ("extra_availability_check", "stale_after"): STALE_AFTER,
            ("extra_availability_check", "max_clock_skew"): 5.0,
        }
        self.weights = {
            self.nothing: 50,
            self.die: 3,
            self.lose_a_rack: 0.3,
            self.lose_management: 1,
            self.lose_management_of_many: 0.3,
            self.flap: 1,
            self.lose_storage: 1,
            self.lose_both: 1,
            self.storage_fails: 0.3,
            self.storage_and_network_fail: 0.5,
            self.storage_is_repaired: 10,
            self.device_dies: 1,
            self.device_lies: 1,
            self.die_with_device: 1,
            self.lose_all: 1,
            self.lose_management_with_lying_device: 1,
            self.clock_of_node_jumps: 0.5,
            self.clock_of_tracker_jumps: 0.3,
            self.lose_tracker: 0.7,
            self.lose_worker: 1,
        }
        self.trackers = [self.tracker(name) for name in ("t1", "t2", "t3")]

    def tracker(self, name):
        tracker = self.site.tracker(name)
        tracker.wrong = 0.0
        tracker._clock = tracker._lookout._clock = tracker._lookout._storages._clock = lambda: (
            self.clock.now() + tracker.wrong
        )
        return tracker

    def machine(self, host):
        return self.nova.hosts[host].machine

    def happen(self):
        host = self.random.choice(HOSTS)
        what = self.random.choices(list(self.weights), weights=self.weights.values())[0]
        self.happened[what.__name__] += 1
        what(host)

    # --- what may happen ------------------------------------------------------------------------------------

    def nothing(self, host):
        """Time passes."""

    def die(self, host):
        self.site.kill(host)

    def lose_a_rack(self, _host):
        self.site.kill(*self.random.sample(HOSTS, MAX_DOWN + 1))

    def come_back(self, host):
        """Somebody repairs all of a host, unless its servers are just being started elsewhere, and all clocks."""
        for tracker in self.trackers:
            tracker.wrong = 0.0
        with self.site.cloud.database.reading() as session:
            if session.scalar(
                select(FlowRow.id).where(FlowRow.subject == f"host:{host}", FlowRow.ended_at.is_(None))
            ):
                return
        self.happened["come_back"] += 1
        machine = self.machine(host)
        machine.on, machine.dead, machine.says_off = True, False, False
        self.nova.hosts[host].started = self.clock.now()
        self.mute.discard(host)
        self.ahead.pop(host, None)

    def is_broken(self, host):
        machine = self.machine(host)
        ill = machine.dead or machine.says_off or not machine.on
        return ill or self.nova.hosts[host].started == math.inf or host in self.mute or host in self.ahead

    def lose_management(self, host):
        """Its servers run on, and it writes to its storage."""
        if self.machine(host).on:
            self.site.lose_management(host)

    def lose_management_of_many(self, _host):
        for host in self.random.sample(HOSTS, MAX_DOWN + 1):
            self.lose_management(host)

    def flap(self, host):
        if self.machine(host).on:
            lost = self.nova.hosts[host].started == math.inf
            self.nova.hosts[host].started = self.clock.now() if lost else math.inf

    def lose_storage(self, host):
        """Unless its device lies: then nothing at all would show that it runs, and nobody could know."""
        if not self.machine(host).says_off:
            self.mute.add(host)

    def lose_both(self, host):
        """Its servers run on, and nobody can know that: the fence alone keeps them from running twice."""
        self.lose_management(host)
        self.lose_storage(host)

    def storage_fails(self, _host):
        self.storage_works = False

    def storage_and_network_fail(self, host):
        self.storage_works = False
        self.lose_management(host)

    def storage_is_repaired(self, _host):
        self.storage_works = True

    def device_dies(self, host):
        self.machine(host).dead = not self.machine(host).dead

    def device_lies(self, host):
        """It says off and does nothing; the other half of `lose_storage`."""
        if host not in self.mute:
            self.machine(host).says_off = True

    def die_with_device(self, host):
        self.machine(host).dead = True
        self.die(host)

    def lose_all(self, host):
        """Nobody hears of it, its device included; it runs on, unless nodes protect themselves."""
        self.machine(host).dead = True
        self.lose_both(host)

    def lose_management_with_lying_device(self, host):
        """Only its heartbeats show that it runs."""
        self.device_lies(host)
        self.lose_management(host)

    def clock_of_node_jumps(self, host):
        self.ahead[host] = self.random.choice((-3600.0, -60.0, 60.0, 3600.0))

    def clock_of_tracker_jumps(self, _host):
        self.random.choice(self.trackers).wrong = self.random.choice((-3600.0, -60.0, 200.0, 600.0))

    def lose_tracker(self, _host):
        """One dies without a word; another process begins in its place."""
        place = self.random.randrange(len(self.trackers))
        self.trackers[place] = self.tracker(f"t{self.random.randrange(1000)}")

    def lose_worker(self, _host):
        self.site.cloud.line.die_after = self.site.cloud.line.calls + self.random.randrange(1, 40)

    # --- what goes on all the time --------------------------------------------------------------------------

    def watch_power(self, step):
        """The monitor looks at one device after another; of a silent one nothing is known. News are written."""
        host = HOSTS[step % len(HOSTS)]
        machine = self.machine(host)
        state = None if machine.dead else _STATES[machine.state()]
        if self.seen_power.get(host) == (state, step // 30):
            return
        self.seen_power[host] = (state, step // 30)
        now = datetime.fromtimestamp(int(self.clock.now()), UTC).replace(tzinfo=None)
        seen = {"power_state": state, "power_state_checked_at": now}
        with self.site.cloud.database.transaction() as session:
            node = session.scalar(update(Node).where(Node.name == host).values(seen).returning(Node.id))
            control = update(NodeControl).where(NodeControl.node_id == node)
            session.execute(control.values(is_initialized=True, **seen))

    def repair(self, step):
        """Whoever is broken comes back in some minutes, most often after it has been decided on."""
        for host in HOSTS:
            if not self.is_broken(host):
                self.repaired_in.pop(host, None)
            elif step >= self.repaired_in.setdefault(host, step + self.random.randrange(5, 30)):
                self.come_back(host)

    def beat(self):
        for host in HOSTS:
            hears_nobody = self.nova.hosts[host].started == math.inf
            writes = self.machine(host).on and self.storage_works and host not in self.mute
            if writes:
                running = [key for key, guest in self.nova.guests.items() if guest.record.host == host]
                self.site.beat(host, running, age=-self.ahead.get(host, 0.0))
                os.utime(self.site.directory / f"{host}.json", (self.clock.now(),) * 2)
            if writes or not hears_nobody:
                self.alone_since.pop(host, None)
                continue
            alone_for = self.clock.now() - self.alone_since.setdefault(host, self.clock.now())
            if self.safe and alone_for > STOPS_AFTER:
                self.site.kill(host)

    async def look(self, tracker):
        """A look of one tracker; what it saw and the tasks that it began."""
        look, seen = tracker._lookout.look, []

        async def noted(**given):
            seen.append(await look(**given))
            return seen[-1]

        tracker._lookout.look = noted
        try:
            return seen, await tracker.cycle()
        except WorkerDied:
            self.lose_tracker(None)
            return [], []
        finally:
            tracker._lookout.look = look

    async def work(self, rounds):
        """So many sweeps, and more while a worker is at work: it may wait for what a dead one has left."""
        count, cloud = itertools.count(), self.site.cloud
        await cloud._sweep(lambda: next(count) >= rounds and not cloud._workers, 500)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("safe", [False, True], ids=["device alone fences", "silence may fence"])
async def test_no_server_ever_runs_twice_whatever_happens(cloud, tmp_path, safe):
    seed = SEED + safe
    print(f"TRACKER_SEED={seed} TRACKER_STEPS={STEPS}")  # noqa: T201
    site = Site(cloud, tmp_path)
    site.share_storage(*HOSTS)
    for number, host in enumerate(HOSTS):
        cloud.nova.add_server(f"s{number}", host)
    chance = Chance(site, random.Random(seed), safe=safe)
    begun = 0
    for step in range(STEPS):
        chance.happen()
        cloud.clock.time += LOOP / 6
        chance.repair(step)
        chance.watch_power(step)
        chance.beat()
        if step % 2 == 0:  # so each tracker looks once in a loop
            seen, tasks = await chance.look(chance.trackers[step // 2 % len(chance.trackers)])
            begun += len(tasks)
            assert len(tasks) <= 1
            assert not tasks or len(seen[0].snapshot.unexplained) <= MAX_DOWN
        await chance.work(chance.random.randrange(3))
        assert cloud.nova.split_brains == [], f"step {step}"
    ended = Counter(flow.status for flow in site.flows())
    print(f"{begun} evacuations: {dict(ended)}; {dict(chance.happened)}")  # noqa: T201
    assert begun > STEPS / 200, "chance was too kind for this test to say anything"
    assert ended["SUCCESS"] > STEPS / 400

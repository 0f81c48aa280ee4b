"""Work that is done later: messages to nova-computes and the steps that follow from them.

A message for a nova-compute that is dead or hung waits in its queue and is carried out late, as with a real
message bus. The steps of work that has begun wait for a hung process and are lost with a dead one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloudmanager.simulators.openstack.compute.rows import Job

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloudmanager.simulators.clock import Clock
    from cloudmanager.simulators.openstack.compute.tables import Tables


class Work:
    """All jobs that are not done yet. They are rows, so that a restart of the simulator loses none.

    `reach` says which run of a host's nova-compute takes work now: None when it takes none.
    """

    def __init__(self, clock: Clock, tables: Tables, reach: Callable[[str], int | None]) -> None:
        self._clock = clock
        self._tables = tables
        self._reach = reach
        self._doers: dict[str, Callable[..., object]] = {}
        self.done: Callable[[], object] = lambda: None  # told after each job

    def teach(self, **doers: Callable[..., object]) -> None:
        """Say what is done under a name."""
        self._doers.update(doers)

    def send(self, seconds: float, host: str | None, what: str, *args: Any) -> None:
        """Put a message into the queue of a host, or of the control plane."""
        self._add(Job(id=0, due=self._clock.now() + seconds, what=what, args=list(args), host=host))

    def go_on(self, seconds: float, host: str, what: str, *args: Any) -> None:
        """Let the nova-compute that is at work now do more of it."""
        due = self._clock.now() + seconds
        run = self._tables.hosts[host].starts
        self._add(Job(id=0, due=due, what=what, args=list(args), host=host, run=run))

    def take_up(self, host: str) -> None:
        """Do what waited for a nova-compute that is back."""
        now = self._clock.now()
        for job in sorted(self._tables.jobs.values(), key=lambda job: (job.due, job.id)):
            if job.host == host and job.due <= now:
                self._run(job.id)

    def resume(self) -> None:
        """Set the clock for all rows that were loaded."""
        for job in self._tables.jobs.values():
            self._clock.call_later(max(0.0, job.due - self._clock.now()), self._run, job.id)

    def _add(self, job: Job) -> None:
        job.id = self._tables.next_number("job")
        self._tables.jobs[job.id] = job
        self._clock.call_later(job.due - self._clock.now(), self._run, job.id)

    def _run(self, number: int) -> None:
        job = self._tables.jobs.get(number)
        if job is None:
            return
        if job.host is not None:
            if job.run not in (None, self._tables.hosts[job.host].starts):
                del self._tables.jobs[number]
                return
            if self._reach(job.host) is None:
                return
        del self._tables.jobs[number]
        self._doers[job.what](*job.args)
        self.done()

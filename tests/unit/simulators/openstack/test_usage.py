"""What the simulated hypervisors count of their guests."""


def test_counters_follow_the_rates_and_begin_again_elsewhere(lab):
    server = lab.boot(flavor=lab.large)
    usage = lab.nova.usage
    usage.set(server, cpu=1.5, received=8.0, sent=0.8)
    before = usage.counters(server)
    lab.clock.advance(10)
    after = usage.counters(server)
    assert after.cpu_ns - before.cpu_ns == 15_000_000_000
    assert after.received - before.received == 10_000_000
    assert after.sent - before.sent == 1_000_000
    usage.set(server, cpu=0.5)
    lab.clock.advance(2)
    assert usage.counters(server).cpu_ns - after.cpu_ns == 1_000_000_000
    lab.nova.place(server, "c2")
    assert usage.counters(server).cpu_ns == 0
    lab.clock.advance(4)
    assert usage.counters(server).cpu_ns == 2_000_000_000


def test_a_guest_of_which_nothing_is_said_is_idle(lab):
    server = lab.boot(flavor=lab.large)
    before = lab.nova.usage.counters(server).cpu_ns
    lab.clock.advance(100)
    assert lab.nova.usage.counters(server).cpu_ns - before == 2_000_000_000

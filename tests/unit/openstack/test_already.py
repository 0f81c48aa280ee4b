"""What counts as asked for already, by the state of the server or of its newest migration."""

import pytest

from cloudmanager.openstack.already import by_migration, by_server
from cloudmanager.openstack.records import Migration, Server


def server(vm_state, task_state):
    return Server("id", "vm", "", vm_state, task_state, "host")


@pytest.mark.parametrize(
    ("verb", "vm_state", "task_state", "so"),
    [
        ("live_migrate", "active", "migrating", True),
        ("live_migrate", "active", None, False),
        ("live_migrate", "active", "powering-off", False),
        ("cold_migrate", "active", "resize_prep", True),
        ("cold_migrate", "active", "resize_finish", True),
        ("cold_migrate", "resized", None, False),
        ("confirm_resize", "active", None, False),
        ("revert_resize", "resized", "resize_reverting", True),
        ("evacuate", "active", "rebuilding", True),
        ("evacuate", "error", "rebuild_spawning", True),
        ("evacuate", "active", None, False),
        ("soft reboot", "active", "rebooting", True),
        ("soft reboot", "active", "rebooting_hard", False),
        ("hard reboot", "active", "rebooting", False),
        ("hard reboot", "active", "rebooting_hard", True),
        ("start", "active", None, True),
        ("start", "stopped", "powering-on", True),
        ("start", "active", "powering-off", False),
        ("start", "paused", None, False),
        ("stop", "stopped", None, True),
        ("stop", "active", "powering-off", True),
        ("stop", "stopped", "powering-on", False),
        ("resume", "active", None, True),
        ("resume", "suspended", "resuming", True),
        ("resume", "paused", None, False),
        ("unpause", "active", None, True),
        ("unpause", "paused", "unpausing", True),
        ("unshelve", "active", None, True),
        ("unshelve", "shelved_offloaded", "unshelving", True),
        ("unshelve", "shelved", None, False),
        ("lock", "active", None, False),
    ],
)
def test_by_server(verb, vm_state, task_state, so):
    assert by_server(verb, server(vm_state, task_state)) is so


@pytest.mark.parametrize(
    ("verb", "status", "so"),
    [
        ("confirm_resize", "confirmed", True),
        ("confirm_resize", "confirming", True),
        ("confirm_resize", "reverted", False),
        ("revert_resize", "reverted", True),
        ("revert_resize", "finished", False),
        ("live_migrate", "confirmed", False),
    ],
)
def test_by_migration(verb, status, so):
    assert by_migration(verb, Migration(1, "id", "migration", status, "a", "b")) is so


def test_without_migrations_nothing_was_confirmed():
    assert not by_migration("confirm_resize", None)

"""Following tasks, as an operator's automation does."""

from __future__ import annotations

from .product import wait_until

QUICK = {
    "flows": {"lease": 3, "sweep_interval": 0.5, "retry_delay": 0.2},
    "monitor": {"interval": 1, "longest_interval": 1, "refresh_interval": 1},
    "power": {"confirm_interval": 0.1, "device_timeout": 1.5},
}


def task_of(answer):
    return answer.headers["Location"].rsplit("/", 1)[1]


def ended(product, task_id, within=60.0):
    """The task, once it has ended."""
    seen = {}

    def has_ended():
        seen.update(product.get(f"/v1/tasks/{task_id}").json())
        return seen["status"] in ("SUCCESS", "FAILURE", "REVOKED")

    wait_until(has_ended, within=within, why=lambda: f"{seen}\n{product.log_end()}")
    return seen

"""An operator of the product, who knows its REST API and nothing else."""

from __future__ import annotations

import sys

from tests.e2e.product import wait_until
from tests.e2e.tasks import ended, task_of

_OPEN = "in:PENDING,STARTED,RETRY"


class Operator:
    """Calls of the API, and the tasks that they start."""

    def __init__(self, product):
        self.product = product

    def register(self, name, address, port, login, password):
        """A node with its BMC. The node is there already if the product has found the host in Nova."""
        control = self._made(
            "/v1/power-controls/",
            "power_control",
            control_type="SupermicroRackDevice",
            protocol_type="ipmi",
            host=address,
            port_number=port,
            login=login,
            password=password,
        )
        assert self.product.post("/v1/nodes/", {"node": {"name": name}}).status_code in (201, 409)
        node = self.node(name)
        assignment = {"power_control_id": control["id"], "power_control_port": "1"}
        answer = self.product.post(f"/v1/nodes/{node['id']}/power-controls/", assignment)
        assert answer.status_code < 300, answer.text

    def _made(self, path, noun, **values):
        answer = self.product.post(path, {noun: values})
        assert answer.status_code < 300, answer.text
        return answer.json()[noun]

    def ask(self, host, action, **body):
        """Start an action of a host; its task."""
        return self._started(f"/v1/hosts/{host}/actions/{action}", body)

    def restart(self, hosts, **body):
        return self._started("/v1/hosts/actions/restart", {"hosts": hosts, **body})

    def _started(self, path, body):
        answer = self.product.post(path, body)
        assert answer.status_code == 202, answer.text
        return task_of(answer)

    def plan(self, host, action, **body):
        """What would be done."""
        answer = self.product.post(f"/v1/hosts/{host}/actions/{action}", {**body, "dry_run": True})
        assert answer.status_code == 200, answer.text
        [plan] = answer.json()["plan"]["hosts"]
        return plan

    def task(self, task_id):
        return self.product.get(f"/v1/tasks/{task_id}").json()

    def done(self, task_id, within=120.0):
        """The task, which must have succeeded."""
        return self._ended(task_id, "SUCCESS", within)

    def failed(self, task_id, within=120.0):
        """The task, which must have failed."""
        return self._ended(task_id, "FAILURE", within)

    def cancelled(self, task_id, within=120.0):
        """The task, which must have been cancelled."""
        return self._ended(task_id, "REVOKED", within)

    def _ended(self, task_id, status, within):
        task = ended(self.product, task_id, within)
        sys.stdout.write(story(task) + "\n")
        assert task["status"] == status, story(task)
        return task

    def until(self, task_id, condition, within=60.0):
        """The task, as soon as it is as wanted."""
        seen = {}

        def holds():
            seen.update(self.task(task_id))
            return condition(seen)

        wait_until(holds, within=within, why=lambda: story(seen))
        return seen

    def cancel(self, task_id):
        answer = self.product.post(f"/v1/tasks/{task_id}/actions/cancel")
        assert answer.status_code == 202, answer.text

    def host(self, name):
        return self.product.get(f"/v1/hosts/{name}").json()["host"]

    def node(self, name):
        [found] = self.product.get(f"/v1/nodes/?name={name}").json()["nodes"]
        return found

    def open_tasks(self):
        return self.product.get(f"/v1/tasks/?status={_OPEN}&detail=true").json()["tasks"]

    def cancel_all(self):
        for task in self.open_tasks():
            self.product.post(f"/v1/tasks/{task['id']}/actions/cancel")
        wait_until(lambda: not self.open_tasks(), within=60, why=self.product.log_end)


def rows(task):
    """{server: its row in the result of the task}."""
    return {row["id"]: row for row in task["result"]["servers"]}


def story(task):
    """A task in words."""
    steps = (
        f"  {step['started_at']} {step['name']} {step['target']} {step['status']}: {step['message']}"
        for step in task["steps"]
    )
    times = f"{task['started_at']} to {task['ended_at']}"
    return "\n".join([f"{task['name']} {task['status']} {times}: {task['error']}", *steps])

"""The simulated Redfish and AMT against clients of other people: DMTF's, OpenStack's, and PyPI's `amt`."""

from __future__ import annotations

import asyncio
import json
import sys

import pytest

from cloudmanager.simulators.amt import AmtService
from cloudmanager.simulators.redfish import RedfishService
from cloudmanager.simulators.world import Account, World

pytestmark = [pytest.mark.peer, pytest.mark.timeout(60)]

PASSWORD = "s3cret of n1"
DMTF = """
import json, sys, warnings
warnings.simplefilter("ignore")
import redfish
url, password, steps = sys.argv[1], sys.stdin.readline(), sys.argv[2:]
client = redfish.redfish_client(base_url=url, username="root", password=password, default_prefix="/redfish/v1/")
try:
    client.login(auth="session")
except Exception as problem:
    print(json.dumps(type(problem).__name__)); raise SystemExit
path = client.get(client.root["Systems"]["@odata.id"]).dict["Members"][0]["@odata.id"]
results = []
for step in steps:
    if step == "read":
        results.append(client.get(path).dict["PowerState"])
    elif step == "pxe":
        etag = client.get(path).getheader("ETag")
        boot = {"Boot": {"BootSourceOverrideTarget": "Pxe", "BootSourceOverrideEnabled": "Once"}}
        results.append(client.patch(path, body=boot, headers={"If-Match": etag}).status)
    else:
        target = client.get(path).dict["Actions"]["#ComputerSystem.Reset"]["target"]
        results.append(client.post(target, body={"ResetType": step}).status)
client.logout()
print(json.dumps(results))
"""
SUSHY = """
import json, sys, warnings
warnings.simplefilter("ignore")
import sushy
url, password, steps = sys.argv[1], sys.stdin.readline(), sys.argv[2:]
try:
    root = sushy.Sushy(url + "/redfish/v1", "root", password)
    system = root.get_system_collection().get_members()[0]
except sushy.exceptions.AccessError as problem:
    print(json.dumps(type(problem).__name__)); raise SystemExit
results = []
for step in steps:
    if step == "read":
        system.refresh(force=True)
        results.append(system.power_state.value)
    elif step == "pxe":
        system.set_system_boot_options(sushy.BootSource.PXE, enabled=sushy.BootSourceOverrideEnabled.ONCE)
        results.append("ok")
    else:
        system.reset_system(sushy.ResetType(step))
        results.append("ok")
root._auth.close()
print(json.dumps(results))
"""

AMT = """
import json, sys, warnings
warnings.simplefilter("ignore")
import amt.client, requests
url, password, steps = sys.argv[1], sys.stdin.readline(), sys.argv[2:]
client = amt.client.Client("127.0.0.1", password)
client.uri = url
results = []
for step in steps:
    try:
        results.append(getattr(client, step)())
    except requests.HTTPError as problem:
        results.append(problem.response.status_code)
print(json.dumps(results))
"""


async def run(script, *arguments, password=PASSWORD, seconds=30):
    """What a client prints; it never outlives this call."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        script,
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        said, wrong = await asyncio.wait_for(process.communicate(password.encode()), seconds)
    except TimeoutError:
        process.kill()
        raise
    assert process.returncode == 0, wrong.decode()
    return json.loads(said.splitlines()[-1])


def world_with(kind, login):
    world = World()
    world.add_node("n1")
    world.add_device("device", kind, accounts={1: Account(login, PASSWORD)})
    world.plug("device", "1", "n1")
    world.set_faults("device", power_on_lag=0.0, power_off_lag=0.0, soft_off_delay=0.0)
    return world


@pytest.fixture
async def redfish():
    service = RedfishService(world_with("redfish", "root"), "device")
    service.url = f"http://127.0.0.1:{await service.start()}"
    yield service
    await service.stop()


@pytest.mark.parametrize(
    ("script", "done", "refused"), [(DMTF, 204, "InvalidCredentialsError"), (SUSHY, "ok", "AccessError")]
)
class TestRedfish:
    async def test_power(self, redfish, script, done, refused):
        steps = ["read", "On", "read", "ForceRestart", "GracefulShutdown", "read", "On", "ForceOff", "read"]
        results = ["Off", done, "On", done, done, "Off", done, done, "Off"]
        assert await run(script, redfish.url, *steps) == results
        assert redfish._world.node("n1").resets == 1
        assert redfish.report()["sessions_open"] == 0
        assert redfish.report()["sessions_opened"] == 1

    async def test_next_boot(self, redfish, script, done, refused):
        redfish._device.memory["wants_etag"] = True
        assert await run(script, redfish.url, "pxe") == [done]
        assert redfish._device.memory["boot 1"]["target"] == "Pxe"

    async def test_wrong_password(self, redfish, script, done, refused):
        assert await run(script, redfish.url, "On", password="wrong") == refused
        assert not redfish._world.is_on("n1")


@pytest.fixture
async def amt():
    service = AmtService(world_with("amt", "admin"), "device")
    service.url = f"http://127.0.0.1:{await service.start()}/wsman"
    yield service
    await service.stop()


class TestAmt:
    async def test_power(self, amt):
        steps = ["power_status", "power_on", "power_status", "power_cycle", "power_off", "power_status"]
        assert await run(AMT, amt.url, *steps) == ["8", 0, "2", 0, 0, "8"]
        assert amt._world.node("n1").resets == 1

    async def test_next_boot(self, amt):
        await run(AMT, amt.url, "pxe_next_boot")
        assert amt._device.memory["boot"] == {"source": "pxe", "role": 1}

    async def test_wrong_password(self, amt):
        assert await run(AMT, amt.url, "power_on", "power_status", password="wrong") == [401, 401]
        assert not amt._world.is_on("n1")

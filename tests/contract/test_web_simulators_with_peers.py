"""The simulated Redfish service against clients of other people: DMTF's and OpenStack's."""

from __future__ import annotations

import asyncio
import json
import sys

import pytest

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

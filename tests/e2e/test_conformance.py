"""The running daemon does what its description says, whatever is sent: nothing undocumented, no 5xx."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from string import Template

import pytest

from .product import Product
from .tasks import QUICK, task_of

CONFIGURATION = Path(__file__).with_name("schemathesis.toml")
SEED = int(os.environ.get("FUZZ_SEED", "20240305"))
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "2"))
TIME = int(os.environ.get("FUZZ_SECONDS", "0"))
PHASES = "examples,fuzzing" + (",coverage,stateful" if TIME else "")
CONFIG = {
    **QUICK,
    "power": {**QUICK["power"], "device_timeout": 0.2},
    "node_actions": {"discovery_wait": 5},
    "portal": {"rate": 0},
}


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    """A demo that may be taken apart."""
    with Product(tmp_path_factory.mktemp("fleet"), demo=True, config=CONFIG) as product:
        yield product


def description(product):
    """The document without `Idempotency-Key`: a key that is used twice, as short ones are, is refused."""
    document = product.get("/openapi.json").json()
    for path in document["paths"].values():
        for operation in path.values():
            kept = [one for one in operation["parameters"] if one["name"] != "Idempotency-Key"]
            operation["parameters"] = kept
    file = product.state_dir / "openapi.json"
    file.write_text(json.dumps(document))
    return file


def compare(product, *arguments, timeout):
    """Run the comparison; its exit code, and what it printed."""
    task = task_of(product.post("/v1/nodes/9/actions/power-on"))
    known = {
        "CLOUDMANAGER_TOKEN": product.token,
        "CLOUDMANAGER_TENANT_TOKEN": product.tenant_token("shop"),
        "CLOUDMANAGER_TASK": task,
    }
    configuration = product.state_dir / CONFIGURATION.name
    configuration.write_text(Template(CONFIGURATION.read_text()).substitute(known))
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(configuration), "run"]
    result = subprocess.run(
        [
            *command,
            str(description(product)),
            "--url",
            product.url,
            "--no-color",
            "--seed",
            str(SEED),
            *arguments,
        ],
        capture_output=True,
        text=True,
        timeout=timeout,
        cwd=product.state_dir,
        check=False,
    )
    return result.returncode, result.stdout + result.stderr


@pytest.mark.timeout(TIME + 450)
def test_every_operation_conforms(fleet, capsys):
    bounds = ["--max-time", str(TIME)] if TIME else ["--max-examples", str(EXAMPLES)]
    code, output = compare(fleet, "--checks", "all", "--phases", PHASES, *bounds, timeout=TIME + 400)
    with capsys.disabled():
        sys.stdout.write(f"\nseed {SEED}: {output.strip().splitlines()[-1]}\n")

    assert code == 0, f"FUZZ_SEED={SEED}\n{output}"
    counts = re.search(r"Selected: (\d+)/(\d+)\s+Tested: (\d+)", output)
    assert counts, output
    assert len(set(counts.groups())) == 1, "not every operation was tested"
    assert "Traceback" not in fleet.errors()

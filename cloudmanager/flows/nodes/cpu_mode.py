"""What processor the servers of a node see: `set-cpu-mode`.

Parameters: `node_id`, `mode` (host-passthrough, host-model, custom, or None: what the node itself says),
`model`. Servers that run keep their processor until they are started anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmanager.flows.base import Done, Fail, Flow, Outcome
from cloudmanager.flows.nodes.asking import QUEUE, run_on_node
from cloudmanager.flows.nodes.drop_in import DropIn

if TYPE_CHECKING:
    from cloudmanager.flows.run import Run

CUSTOM = "custom"
MODES = ("host-passthrough", "host-model", CUSTOM)


def settings(run: Run) -> str | None:
    """The options of nova-compute (`[libvirt]`, Nova's configuration reference)."""
    mode, model = run.params["mode"], run.params["model"]
    if mode is None:
        return None
    models = f"cpu_models = {model}\n" if mode == CUSTOM else ""
    return f"# Written by CloudManager: set-cpu-mode.\n[libvirt]\ncpu_mode = {mode}\n{models}"


async def know_model(run: Run) -> Outcome:
    """See that libvirt on the node knows the model."""
    model = run.params["model"]
    if model is None:
        return Done()
    known = (await run_on_node(run, "cpu-models")).out.split()
    if model not in known:
        return Fail(
            f"libvirt on the node knows no processor model {model}; `cpu-models` there lists {len(known)}"
        )
    return Done()


DROP_IN = DropIn(
    what="processor settings of nova-compute",
    show="cpu-mode",
    write="cpu-mode-write",
    remove="cpu-mode-remove",
    state="nova-compute-state",
    restart="nova-compute-restart",
    content=settings,
)

SET_CPU_MODE = Flow(
    kind="set-cpu-mode",
    summary="Choose the processor that servers of a node see",
    queue=QUEUE,
    steps=(know_model, *DROP_IN.steps),
    undo=(DROP_IN.put_back,),
)

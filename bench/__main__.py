"""`python -m bench [NAME…]`: run the measurements, print a table, write `bench/results/<name>.json`."""

from __future__ import annotations

import argparse

from bench import drain, drs, fleet, host_commands, inventory, plug, power, tracking
from bench.report import Report

BENCHES = {
    "power-overhead": power.overhead,
    "bulk-reset": power.bulk_reset,
    "bulk-on": power.bulk_on,
    "fleet-poll": fleet.poll,
    "fleet-write": fleet.write,
    "drain": drain.drain,
    "inventory": inventory.reads,
    "inventory-beside-ironic": inventory.beside_ironic,
    "drs": drs.aggregates,
    "drs-optimum": drs.optimum,
    "drs-roadef": drs.machine_reassignment,
    "tracking-cycle": tracking.cycle,
    "plug-pulled": plug.pulled,
    "host-commands": host_commands.run,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure speed and memory.")
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"which of {', '.join(BENCHES)}; all by default"
    )
    parser.add_argument("--quick", action="store_true", help="small and few: to try whether it works")
    options = parser.parse_args()
    if unknown := set(options.names) - BENCHES.keys():
        parser.error(f"no such bench: {', '.join(sorted(unknown))}")
    for name in options.names or BENCHES:
        report = Report(name)
        BENCHES[name](report, quick=options.quick)
        report.finish()


if __name__ == "__main__":
    main()

#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What a guest has of the GPU while its neighbour does one bad thing after the other.

    neighbour.py [--seconds N] [WHAT...]

Two bare guests on the test GPU (fakegpu.py), of equal weight: the victim keeps two small jobs out
all the time; the neighbour is idle (`quiet`), then in turn a good one that keeps its queue full,
or a bad one. Prints a table of the victim's jobs a second, its part of the time on the engine,
p50 and p99 from enqueue to completion, and what became of the neighbour's vGPU; then
lines `neighbour WHAT.figure value unit`. The exit status is 1 where a job of the victim failed.
"""

import argparse
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../system"))
os.environ.setdefault("BENCH", "qemu-virtio")
import facet  # pylint: disable=wrong-import-position
import fakebench  # pylint: disable=wrong-import-position

FOLDER = os.path.join(facet.BUILD, "neighbour")
# The device's ids of resources: so many for each of so many guests, then the next such round.
IDS, GUESTS = 1024, 16
WINDOW_S = 10  # Facet's percentiles are of so long
VICTIM = "facet.size=128 facet.depth=2 facet.tell=1000"
# name: (the neighbour's test, its options); in the order of the table
NEIGHBOURS = {
    "quiet": (None, ""),
    "busy": ("load", "facet.size=128 facet.depth=24 facet.tell=100000"),
    "tiny jobs": ("load", "facet.size=1 facet.depth=24 facet.tell=100000"),
    "huge jobs": ("load", "facet.size=2048 facet.depth=24 facet.tell=100000"),
    "doorbell flood": ("doorbell", ""),
    "garbage": ("garbage", "facet.rounds=1000000000"),
    "memory": ("hog", ""),
    "reset loop": ("resets", ""),
    "hang": ("load", "facet.size=128 facet.depth=24 facet.tell=100000"),
}
TABLE = "| {:15} | {:>8} | {:>8} | {:>8} | {:>8} | {} |"


def word(name):
    return name.replace(" ", "")


def conf(wanted):
    guests = [facet.bare_conf("victim", "load", VICTIM, gpu__timeout="500ms")]
    for name in wanted:
        test, options = NEIGHBOURS[name]
        if test:
            keys = {"autostart": "no", "gpu__memory": "64M", "gpu__timeout": "500ms"}
            guests.append(facet.bare_conf(word(name), test, options, **keys))
    return facet.conf(*guests)


def vgpu(stats, name):
    return next((v for v in stats["gpus"][0]["vgpus"] if v["name"] == name), None)


def measure(machine, gpu, name, seconds):
    """{figure: value} of the victim beside this neighbour."""
    other = word(name)
    if NEIGHBOURS[name][0]:
        machine.command(f"start {other}")
        machine.expect(rf"^{other}\| .*(load: starts|flooding|garbage|memory|resetting)", 60)
    if name == "hang":
        # The victim is the first guest: its ids are the first of each round of them.
        resource = next(
            r["id"] for r in gpu.stats()["resources"] if r["id"] // IDS % GUESTS
        )
        gpu.order(do="hang", resource=resource)
    before = machine.stats()
    machine.rest(seconds)
    now = machine.stats()
    had, then = vgpu(now, "victim"), vgpu(before, "victim")
    beside = vgpu(now, other)
    length_s = (now["uptime_ns"] - before["uptime_ns"]) / 1e9
    if beside:
        machine.command(f"stop {other}")
    if name == "hang":
        gpu.order(do="normal")
    return {
        "jobs": (had["jobs"] - then["jobs"]) / length_s,
        "share": 100 * (had["engine_ns"] - then["engine_ns"]) / 1e9 / length_s,
        "p50": had["turn_p50_ns"] / 1e6,
        "p99": had["turn_p99_ns"] / 1e6,
        "state": beside["state"] if beside else "-",
    }


def parse():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("what", nargs="*", metavar="WHAT", help=", ".join(NEIGHBOURS))
    parser.add_argument("--seconds", type=int, default=WINDOW_S + 2, help="of each neighbour")
    args = parser.parse_args()
    unknown = set(args.what) - set(NEIGHBOURS)
    if unknown:
        parser.error(f"no such neighbour: {', '.join(unknown)}; there are {', '.join(NEIGHBOURS)}")
    return args


def main():
    args = parse()
    wanted = args.what or list(NEIGHBOURS)
    limit_s = facet.BOOT_S + len(wanted) * (args.seconds + 60)
    results = {}
    with fakebench.FakeGpu(FOLDER) as gpu:
        image = facet.make_image(FOLDER, conf(wanted), facet.BARE_FILES)
        with facet.Machine(image, folder=FOLDER, limit_s=limit_s, **gpu.options()) as machine:
            machine.expect(r"^victim\| .*load: completed", facet.BOOT_S + 60, since=0)
            for name in wanted:
                results[name] = measure(machine, gpu, name, args.seconds)
            said = re.findall(r"^victim\| .*completed \d+ bad (\d+)", machine.text(), re.MULTILINE)
    print(TABLE.format("neighbour", "jobs/s", "engine %", "p50 ms", "p99 ms", "its vGPU"))
    print(TABLE.format("---", "---:", "---:", "---:", "---:", "---"))
    for name, got in results.items():
        numbers = (f"{got[figure]:.1f}" for figure in ("jobs", "share", "p50", "p99"))
        print(TABLE.format(name, *numbers, got["state"]))
    for name, got in results.items():
        for figure, unit in (("jobs", "jobs_a_second"), ("p99", "ms")):
            print(f"neighbour {word(name)}.{figure} {got[figure]:.2f} {unit}")
    bad = max(int(count) for count in said)
    if bad:
        sys.exit(f"neighbour: {bad} jobs of the victim failed")


if __name__ == "__main__":
    main()

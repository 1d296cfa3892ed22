# SPDX-License-Identifier: Apache-2.0
"""Engine time follows weight, and three counts of the same jobs agree.

Two bare guests keep their queues full with jobs of equal cost. Facet's figures, the
guests' own and QEMU's trace of the transfers that reached its device are compared.
"""

import os
import re

import facet
import pytest

pytestmark = pytest.mark.not_on(
    "qemu-vbe", "bochs-*", reason="a VBE adapter has no engine whose time could be shared"
)

TRACE = "virtio_gpu_cmd_res_xfer_toh_2d"
LOAD = "facet.size=2048 facet.depth=24 facet.tell=100"


def completed(machine, name, since=0):
    """The guest's own count, as it last said."""
    said = re.findall(rf"^{name}\| .*completed (\d+) bad 0", machine.text(since), re.MULTILINE)
    return int(said[-1]) if said else 0


@pytest.mark.parametrize("weights", [(100, 100), (300, 100)])
def test_engine_time_follows_weight(start, weights):
    machine = start(
        facet.conf(
            *(
                facet.bare_conf(name, "load", LOAD, gpu__weight=weight)
                for name, weight in zip(("alpha", "beta"), weights)
            )
        ),
        files=facet.BARE_FILES,
    )
    for name in ("alpha", "beta"):
        machine.expect(rf"^{name}\| .*load: completed", facet.BOOT_S + 60, since=0)

    def used():
        stats = machine.stats()
        return [facet.figure(stats, "engine_ns", name) for name in ("alpha", "beta")]

    before = used()
    machine.rest(20)
    alpha, beta = (now - then for now, then in zip(used(), before))
    asked = weights[0] / sum(weights)
    had = alpha / (alpha + beta)
    assert abs(had - asked) <= 0.05 * asked, f"share {had:.3f}, asked {asked:.3f}"


def test_counts_agree(start):
    """Jobs that Facet says completed, that the guests saw, and that reached the device."""
    jobs = 1000
    machine = start(
        facet.conf(
            *(
                facet.bare_conf(name, "load", f"{LOAD} facet.jobs={jobs}")
                for name in ("alpha", "beta")
            )
        ),
        files=facet.BARE_FILES,
        extra=["-trace", TRACE],
    )
    for name in ("alpha", "beta"):
        machine.expect(rf"^{name}\| .*load: ended, completed {jobs} bad 0", 240, since=0)
    machine.rest(1)
    stats = machine.stats()
    for name in ("alpha", "beta"):
        assert abs(facet.figure(stats, "jobs", name) - jobs) <= 0.02 * jobs + 5
        assert completed(machine, name) == jobs
    with open(os.path.join(machine.folder, "qemu.log"), encoding="utf-8", errors="replace") as log:
        reached = sum(TRACE in line for line in log)
    assert abs(reached - 2 * jobs) <= 0.02 * 2 * jobs

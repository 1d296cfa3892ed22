# SPDX-License-Identifier: Apache-2.0
"""A storm of blocked accesses: what it costs others, and that it is told in a few lines.

The guest is tests/guest/bare with an NVMe controller, which it has read lists of pages where there
is no memory. How often the IOMMU blocked it, QEMU's own trace tells.
"""

import os
import re
import time

import facet
import pytest
from test_assign import tell

pytestmark = pytest.mark.not_on(
    "qemu-vbe",
    "qemu-virgl",
    "bochs-*",
    reason="one bench with each IOMMU is enough; Bochs has none",
)

SLOT = 0x10
COMMANDS = 500
EACH = 1024  # accesses that each command asks QEMU's controller for
# Of core/main.c: 8 records each 10 ms.
RECORDS_PER_SECOND = 800
LINES_PER_SECOND = 5  # four, and one that counts the others

# What QEMU says of each blocked access. Its AMD-Vi says of every access where it goes: to 0.
TRACES = {
    "vtd": ("vtd_dmar_fault", rf"^vtd_dmar_fault sid 0x{SLOT << 3:x} "),
    "amd": (
        "amdvi_translation_result",
        rf"^amdvi_translation_result devid: 00:{SLOT:x}.0 gpa 0x8[0-9a-f]{{7}} hpa 0x0$",
    ),
}


def storm_options(trace):
    return [
        *("-drive", "if=none,id=disk,driver=null-co,size=64M,read-zeroes=on"),
        *("-device", f"nvme,serial=facet,drive=disk,addr={SLOT:#x}"),
        *("-trace", trace),
    ]


def storm_conf(**keys):
    return facet.bare_conf(
        "alpha", "nvme", f"facet.commands={COMMANDS}", gpu="", pci=f"00:{SLOT:02x}.0", **keys
    )


def blocked(machine, regex):
    with open(os.path.join(machine.folder, "qemu.log"), encoding="utf-8", errors="replace") as file:
        return len(re.findall(regex, file.read(), re.MULTILINE))


def test_a_storm_of_blocked_accesses_costs_a_fixed_part_and_a_few_lines(start, bench):
    trace, regex = TRACES[bench.options["iommu"]]
    machine = start(
        facet.conf(
            storm_conf(on_dma_fault="report"), facet.bare_conf("beta", "load", "facet.size=64")
        ),
        files=facet.BARE_FILES,
        extra=storm_options(trace),
    )
    machine.expect(r"^alpha\| .*nvme: ready", facet.BOOT_S + 30)
    machine.expect(r"^beta\| .*load: completed", 30, since=0)
    machine.prompt()
    assert blocked(machine, regex) == 0

    before = machine.stats()
    since, begun = machine.mark(), time.monotonic()
    tell(machine, "alpha", "")
    line = machine.expect(r"^alpha\| .*nvme: (\d+) reads, (\d+) refused", 60, since=since)
    assert line.groups() == (str(COMMANDS),) * 2
    took = time.monotonic() - begun
    after = machine.stats()

    assert blocked(machine, regex) >= COMMANDS * EACH
    # The neighbour goes on, all the while.
    done = [facet.figure(stats, "jobs", "beta") for stats in (before, after)]
    assert done[1] - done[0] > 10 * took
    faults = after["iommu_faults"] - before["iommu_faults"]
    lines = re.findall(r"^facet: .*(?:kept from|left out)", machine.text(since), re.MULTILINE)
    assert faults <= RECORDS_PER_SECOND * (took + 1)
    assert len(lines) <= LINES_PER_SECOND * (took + 2)
    if bench.options["iommu"] == "vtd":  # QEMU's AMD-Vi logs none
        assert faults and lines

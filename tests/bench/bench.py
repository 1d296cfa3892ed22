#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Measure what must stay small on one bench (BENCH), and fail where a bound is missed.

Both emulators count instructions with the TSC, QEMU by -icount shift=0: the bare guest,
tests/guest/bare, then tells how many of them an exit and its handling take, the same in
each run. The guest's lines `bench: NAME VALUE UNIT BOUND` and Facet's own figures are
printed as `BENCH NAME VALUE UNIT BOUND`; the exit status is 1 if a value is above its bound
or missing.

BENCH_SHIFT=3 counts eight ticks an instruction on QEMU: faster, for a look at the order of
size.
"""

import itertools
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../system"))
import benches  # pylint: disable=wrong-import-position
import facet  # pylint: disable=wrong-import-position

MIB = 1 << 20
BENCH = benches.current()
LIMIT_S = 420
SHIFT = int(os.environ.get("BENCH_SHIFT", "0"))

# Printed by the guest; all of them have to come.
EXITS = [
    f"exit.{what}"
    for what in "cpuid pio_read hypercall x2apic_eoi x2apic_tpr cr8_write mmio_read mmio_write".split()
]

# Facet's own, from `stats json`: name, key, unit, bound (None: no bound, for the record).
OWN = [
    ("memory.hypervisor", "hypervisor_bytes", "bytes", 16 * MIB),
    ("memory.files", "files_bytes", "bytes", None),
    ("boot.instructions", "boot_instructions", "instructions", None),
]

# Reads of an NVMe controller that are blocked, 1024 accesses each: guest, ticks of its timer for which it
# halts after each batch of four, and how many reads until a line tells. Each time that it wakes, the
# hypervisor could look for faults.
STORMS = (("fast", 100_000, 20_000), ("slow", 10_000_000, 200))
STORM_SLOT = 0x10
FAULTS_BOUND = 500_000

FOCUS_BOUND = 20000
FOCUS_ROUNDS = 4


def measure_focus(machine):
    """Ticks of the slowest `gpu focus`, from the command to the new start of scan-out.

    One guest has a mode of its own and the other has set none: each turn sets all of the
    device's registers.
    None: a turn was a copy, or the device was not told at all.
    """
    for _ in range(FOCUS_ROUNDS):
        for name in ("beta", "bench"):
            machine.command(f"gpu focus {name}")
            gpu = machine.stats()["gpus"][0]
            shown = next(vgpu for vgpu in gpu["vgpus"] if vgpu["scanout"] == 0)
            if shown["name"] != name or shown["scanout_path"] != "offset" or not gpu["focus_ticks"]:
                return None
    return gpu["focus_ticks_max"]


def storm_conf(name, nap, reads, slot):
    options = f"facet.commands={reads} facet.wait=0 facet.nap={nap}"
    keys = {"gpu": "", "autostart": "no", "on_dma_fault": "report"}
    return facet.bare_conf(name, "nvme", options, pci=f"00:{slot:02x}.0", **keys)


def measure_faults():
    """What blocked accesses cost in a second, at two rates: (name, value, unit, bound)."""
    folder = os.path.join(facet.BUILD, "bench", BENCH.name + "-faults")
    slots = range(STORM_SLOT, STORM_SLOT + len(STORMS))
    guests = [storm_conf(*storm, slot) for storm, slot in zip(STORMS, slots)]
    image = facet.make_image(folder, facet.conf(*guests), facet.BARE_FILES)
    extra = ["-icount", f"shift={SHIFT},sleep=off"]
    for i, slot in enumerate(slots):
        extra += ["-drive", f"if=none,id=d{i},driver=null-co,size=64M,read-zeroes=on"]
        extra += ["-device", f"nvme,serial=facet{i},drive=d{i},addr={slot:#x}"]
    with facet.Machine(image, folder=folder, limit_s=LIMIT_S, cpus=1, extra=extra) as machine:
        machine.prompt(LIMIT_S)
        for name, _, _ in STORMS:
            machine.command(f"start {name}")
            machine.expect(rf"^{name}\| .*nvme: \d+ reads", LIMIT_S)
            before = machine.stats()
            machine.expect(rf"^{name}\| .*nvme: \d+ reads", LIMIT_S, since=machine.mark())
            after = machine.stats()
            machine.command(f"stop {name}", timeout=LIMIT_S)
            time_ns, ticks, faults = (
                facet.figure(after, key) - facet.figure(before, key)
                for key in ("uptime_ns", "iommu_fault_ticks", "iommu_faults")
            )
            value = ticks * 10**9 // time_ns if faults else None
            yield f"iommu.fault_instructions_{name}", value, "instructions/s", FAULTS_BOUND


def measure():
    """Returns (name, value, unit, bound) for each figure; the value is None if it is missing."""
    yield (
        "image.size",
        os.path.getsize(os.path.join(facet.BUILD, "BOOTX64.EFI")),
        "bytes",
        512 * 1024,
    )
    folder = os.path.join(facet.BUILD, "bench", BENCH.name)
    # Without an engine there is a display, and beta sets a mode on it.
    display = BENCH.driver == "bochs-drm"
    beta = ("dispi", "facet.passes=1 facet.rounds=0") if display else ("hello",)
    text = facet.conf(facet.bare_conf("bench", "bench"), facet.bare_conf("beta", *beta))
    image = facet.make_image(folder, text, facet.BARE_FILES)
    options = {}
    if BENCH.emulator == "qemu":
        options["extra"] = ["-icount", f"shift={SHIFT},sleep=off"]
    with facet.Machine(image, folder=folder, limit_s=LIMIT_S, cpus=1, **options) as machine:
        problem = None
        try:
            machine.expect(r"^bench\| .*bench: end", LIMIT_S)
            if display:
                machine.expect(r"^beta\| .*dispi: 1 passes, 0 failures", LIMIT_S, since=0)
        except facet.ConsoleError as error:
            problem = error
        said = dict(
            (name, (int(value), unit, int(bound)))
            for name, value, unit, bound in re.findall(
                r"^bench\| .*bench: (\S+) (\d+) (\S+) (\d+) *$", machine.console, re.MULTILINE
            )
        )
        for name in EXITS:
            value, unit, bound = said.pop(name, (None, "instructions", None))
            yield name, value, unit, bound
        for name, (value, unit, bound) in said.items():
            yield name, value, unit, bound
        if problem:
            print(f"bench: {problem}", file=sys.stderr)
            return
        if display:
            yield "focus.no_copy", measure_focus(machine), "instructions", FOCUS_BOUND
        stats = machine.stats()
        for name, key, unit, bound in OWN:
            try:
                value = facet.figure(stats, key)
            except facet.ConsoleError:
                value = None
            yield name, value, unit, bound


def main():
    missed = []
    for name, value, unit, bound in itertools.chain(
        measure(), measure_faults() if BENCH.options.get("iommu") else ()
    ):
        print(
            f"{BENCH.name} {name} {'-' if value is None else value} {unit} {bound or '-'}",
            flush=True,
        )
        if value is None or (bound is not None and value > bound):
            missed.append(name)
    if missed:
        print(
            f"bench: {BENCH.name}: bound missed or figure missing: {', '.join(missed)}",
            file=sys.stderr,
        )
    sys.exit(bool(missed))


main()

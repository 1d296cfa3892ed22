#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Measure an NVMe controller that is given to a guest against the same guest directly on QEMU.

    benchassign.py [--rounds N] [--times N]

Two machines that are up at the same time: Linux directly on QEMU, which drives VT-d itself
(intel_iommu=on), and the same kernel, initrd, memory and one vCPU as a guest of Facet behind that VT-d. In turn
one reads a disk of 256 MiB as a whole, 1 MiB at a time and past its page cache, N times, while the other
waits. Each figure is the median of the rounds, printed as `assign NAME value unit bound`; the exit
status is 1 if one misses its bound.

    read.direct read.facet   MB/s
    ratio.read               of `facet` to `direct` of the same round
    exits.read               exits of the guest for each request, of whatever kind, over all rounds
    exits.KIND               those of them that are of this kind, if there are any

Runs differ by more than what is measured where others use the machine: its load is printed, too.
"""

import argparse
import os
import statistics
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../system"))
os.environ.setdefault("BENCH", "qemu-virtio")
import benches  # pylint: disable=wrong-import-position
import emulators  # pylint: disable=wrong-import-position
import facet  # pylint: disable=wrong-import-position

FOLDER = os.path.join(facet.BUILD, "benchassign")
KERNEL = os.path.join(facet.BUILD, "guest", "vmlinuz")
INITRD = os.path.join(facet.BUILD, "guest", "guestdev.cpio.gz")
DISK_MIB = 256
SLOT = 0x10
READ_S = 60
LIMIT_S = 600
RATIO = 0.95


def nvme(disk):
    return [
        *("-drive", f"if=none,id=disk,format=raw,file={disk},read-only=on"),
        *("-device", f"nvme,serial=facet,drive=disk,addr={SLOT:#x}"),
    ]


def direct_arguments(kernel, variables, cmdline, disk, display):
    """The command line of a QEMU that starts the kernel itself, and has no firmware to ask."""
    del variables
    argv = emulators.qemu_arguments("", "", memory=256, cpus=1, gpu=None, display=display)
    # Neither firmware nor disk.
    cut = [i for i, word in enumerate(argv) if word == "-drive"]
    argv = [word for i, word in enumerate(argv) if i not in cut and i - 1 not in cut]
    return argv + nvme(disk) + ["-kernel", kernel, "-initrd", INITRD, "-append", cmdline]


class QemuDirect(emulators.Qemu):
    arguments = staticmethod(direct_arguments)


BENCH = benches.Bench(
    name="direct",
    emulator="qemu-kernel",
    vendor="AMD",
    driver="",
    outputs=0,
    scale=1,
    kernel="vmlinuz",
    memory="256M",
    gpu_memory="",
)
emulators.EMULATORS[BENCH.emulator] = QemuDirect


def words(args):
    return f"facet.test=read facet.times={args.times}"


def read(args, machine):
    """Has the guest read once; returns (MB/s, requests)."""
    machine.send("\r")
    said = machine.expect(r"guest alpha: read from (\d+) (\S+) to (\d+) (\S+) *\n", READ_S)
    first, begun, last, ended = (float(word) for word in said.groups())
    return args.times * DISK_MIB * (1 << 20) / (ended - begun) / 1e6, last - first


def direct(args, disk):
    cmdline = f"console=ttyS0 quiet facet.name=alpha intel_iommu=on {words(args)}"
    folder = os.path.join(FOLDER, "direct")
    os.makedirs(folder, exist_ok=True)
    return facet.Machine(
        KERNEL, folder=folder, bench=BENCH, limit_s=LIMIT_S, cmdline=cmdline, disk=disk
    )


def mediated(args, disk):
    folder = os.path.join(FOLDER, "facet")
    keys = {"initrd": "guestdev.cpio.gz", "gpu": "", "pci": f"00:{SLOT:02x}.0"}
    conf = facet.conf(facet.guest_conf("alpha", words(args), **keys))
    image = facet.make_image(folder, conf, (KERNEL, "guestdev.cpio.gz"))
    return facet.Machine(image, folder=folder, limit_s=LIMIT_S, extra=nvme(disk))


def exits(machine):
    """Of the guest, whose console is left and attached again."""
    machine.send("\x1d")
    machine.prompt()
    guests = machine.stats()["guests"]
    machine.command("attach alpha", until=r"^attached to alpha\b")
    return next(guest for guest in guests if guest["name"] == "alpha")["exits"]


def alternate(args, one, other):
    """All rounds: (MB/s directly, MB/s through Facet) of each, and {kind: exits a request}."""
    rounds, requests = [], 0
    one.expect(r"guest alpha: ready to read", facet.GUEST_S)
    other.expect(r"guest alpha: ready to read", facet.BOOT_S + facet.GUEST_S)
    other.expect(facet.PROMPT, since=0)
    other.command("attach alpha", until=r"^attached to alpha\b")
    before = exits(other)
    for number in range(args.rounds):
        there, _ = read(args, one)
        here, some = read(args, other)
        requests += some
        rounds.append((there, here))
        load = " ".join(f"{value:.1f}" for value in os.getloadavg())
        told = f"directly {there:.0f} MB/s, through Facet {here:.0f} MB/s, {here / there:.2f}"
        print(f"# round {number + 1} of {args.rounds}, load {load}: {told}", flush=True)
    after = exits(other)
    return rounds, {kind: (after[kind] - before[kind]) / requests for kind in after}


def measure(args):
    disk = os.path.join(FOLDER, "nvme.img")
    os.makedirs(FOLDER, exist_ok=True)
    with open(disk, "wb") as file:
        file.write(os.urandom(1 << 20) * DISK_MIB)
    with direct(args, disk) as one, mediated(args, disk) as other:
        rounds, used = alternate(args, one, other)
    os.unlink(disk)
    yield "read.direct", statistics.median(there for there, _ in rounds), "MB/s", None
    yield "read.facet", statistics.median(here for _, here in rounds), "MB/s", None
    yield "exits.read", sum(used.values()), "exits_a_request", None
    for kind, count in used.items():
        if count:
            yield f"exits.{kind}", count, "exits_a_request", None
    ratio = statistics.median(here / there for there, here in rounds)
    yield "ratio.read", ratio, "of_direct", RATIO


def parse():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--times", type=int, default=8, help="the disk so often")
    return parser.parse_args()


def main():
    missed = []
    for name, value, unit, bound in measure(parse()):
        print(f"assign {name} {value:.2f} {unit} {bound or '-'}", flush=True)
        if bound is not None and value < bound:
            missed.append(name)
    if missed:
        print(f"benchassign: bound missed: {', '.join(missed)}", file=sys.stderr)
    sys.exit(bool(missed))


main()

#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Measure what mediation costs 3D: kmscube and scenes of glmark2, directly on QEMU and through Facet.

    bench3d.py [--rounds N] [--seconds N] [--scenes A,B] [frames] [instructions] [latency]

Six machines: the guest directly on QEMU, the same behind VT-d, which it drives itself, one guest of
Facet that is given the GPU, the same with an exit for each doorbell, one guest of Facet with a vGPU,
two of those together; kernel, image, memory and one vCPU are the same. They take turns of half a
second (turns.py) and wait for each other before each scene, so that whatever else the host does, it
does to all of them. Each figure is the median of the rounds, printed as `virgl NAME value unit bound`;
a ratio is the median of each round's own. The exit status is 1 if one misses its bound.

    direct.SCENE remapped.SCENE        frames a second; `remapped`: behind VT-d
    whole.SCENE                        a guest that is given the whole GPU
    trapped.SCENE                      the same, with an exit for each doorbell: tests/guest/trap3d.c
    one.SCENE two.SCENE                `two` is the sum of both guests
    ratio.one.SCENE ratio.two.SCENE    of `one` to `direct`, of `two` to `one`
    ratio.mediation.SCENE              of `one` to `whole`: what a vGPU costs
    ratio.trapped.SCENE                of `trapped` to `whole`: what its doorbells' exits alone do
    ratio.work.SCENE                   of `one` to `trapped`: what the rest of mediation does
    ratio.whole.SCENE                  of `whole` to `remapped`: what a guest costs that has the GPU
    engine.SCENE exits.SCENE bytes.SCENE   a frame of `one`: engine time, exits, bytes of streams
    exits.whole.SCENE exits.trapped.SCENE  exits of a frame of these
    instructions.KIND.SCENE            Facet's own, a frame, and of the guest of `one`; counted by
                                       count_insns.c in runs of their own, which nothing else uses
    processors.KIND.SCENE device.KIND.SCENE   a frame's time of the host's processors: of the
                                       emulated processors, and of the GPU's main loop and renderer
    exit.pages_N                       what an exit costs a program that works on N pages
    cpu.*.loop                         time of one and the same work of the processor without any
                                       device, directly and as a guest: what its emulation costs
    latency.*.p50, .p99                from the submission of a tiny job to its fence: directly,
                                       through Facet alone, and beside a guest with heavy jobs
    heavy.jobs heavy.p50 heavy.longest that guest's jobs during the same frames, by Facet's trace
    light.longest wait.longest         of the light guest's own jobs: engine time, wait in the queue
    broken                             how many promises of the schedule that trace breaks
    latency.above                      beside.p99 less alone.p99; at most heavy.longest and a slice

Frames a second of two rounds differ where others use the machine, ratios hardly: its load is printed.
"""

import argparse
import os
import re
import statistics
import struct
import subprocess
import sys
from contextlib import ExitStack, suppress

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../system"))
os.environ.setdefault("BENCH", "qemu-virgl")
import benches  # pylint: disable=wrong-import-position
import direct3d  # pylint: disable=wrong-import-position
import facet  # pylint: disable=wrong-import-position
import light3d  # pylint: disable=wrong-import-position
from turns import Turns, each  # pylint: disable=wrong-import-position

FOLDER = os.path.join(facet.BUILD, "bench3d")
SCENES = "build,texture,shading"
START_S = facet.BOOT_S + facet.GUEST_S
SECONDS_LEAST = 8
RATIO = 0.90
RATIO_MEDIATION = 0.95
GPU_AT = "00:01.0"  # where QEMU puts its first device
THREADS = ("-name", "debug-threads=on")  # each of QEMU's threads says by its name what it is


# ---- machines ----


def direct(test, words, limit_s, kind="direct", iommu=None, extra=()):
    """The guest is the machine. Its lines are those of guest `alpha`, as below."""
    folder = os.path.join(FOLDER, kind)
    options = {"name": "alpha", "limit_s": limit_s, "extra": (*THREADS, *extra), "iommu": iommu}
    return direct3d.machine(folder, test, words, **options)


def mediated(guests, limit_s, kind="facet", host="", extra=()):
    """guests: sections of the file; host: further lines of [host]; extra: QEMU's arguments."""
    folder = os.path.join(FOLDER, kind)
    text = facet.conf(*guests).replace("[host]\n", "[host]\n" + host)
    image = facet.make_image(folder, text, facet.GUEST3D_FILES)
    return facet.Machine(image, folder=folder, limit_s=limit_s, extra=(*THREADS, *extra))


def expect(machine, name, line, timeout, since=None):
    return machine.expect(rf"^(?:{name}\| )?guest {name}: {line}", timeout, since=since)


# ---- frames ----

WORKLOADS = "cpu+exits+kmscube+glmark2"


def loop_ms(machine, name):
    """How long the loop of test `cpu` took, by the guest's clock."""
    start, end = re.findall(rf"guest {name}: uptime (\S+)$", machine.text(), re.MULTILINE)
    return (float(end) - float(start)) * 1000


def exit_costs(machine, name):
    """{pages: microseconds} as test `exits` found them."""
    said = re.findall(rf"guest {name}: exit with (\d+) pages: (\S+) ns", machine.text())
    return {int(pages): float(ns) / 1000 for pages, ns in said}


def host_us(machine):
    """What the emulator's threads have had of the host: {"processors": microseconds, "device": ...}."""
    wrapper = str(machine.emulator.process.pid)  # timeout(1)
    pid = subprocess.check_output(["pgrep", "-P", wrapper], text=True).split()[0]
    used = {"processors": 0, "device": 0}
    for thread in os.listdir(f"/proc/{pid}/task"):
        with suppress(FileNotFoundError):
            folder = f"/proc/{pid}/task/{thread}"
            with open(f"{folder}/comm", encoding="ascii") as file:
                name = file.read()
            with open(f"{folder}/schedstat", encoding="ascii") as file:
                time_us = int(file.read().split()[0]) / 1000
            if name.startswith("CPU "):
                used["processors"] += time_us
            elif thread == pid or name.startswith("llvmpipe"):
                used["device"] += time_us
    return used


COUNTERS = os.path.join(FOLDER, "counters")


def counting():
    """QEMU's arguments with which instructions are counted in COUNTERS; slower than without."""
    os.makedirs(FOLDER, exist_ok=True)
    plugin = os.path.join(FOLDER, "count_insns.so")
    source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "count_insns.c")
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", plugin, source], check=True)
    return "-plugin", f"file={plugin},counters={COUNTERS}"


def instructions():
    """{"guest": so many, "facet": so many} until now; none where they are not counted."""
    with suppress(FileNotFoundError), open(COUNTERS, "rb") as file:
        return dict(zip(("guest", "facet"), struct.unpack("<2Q", file.read())))
    return {}


class Use:
    """What a guest has used of the host, and of Facet where that is, from one moment on."""

    def __init__(self, machine, name, facet_is_there):
        self.machine, self.name, self.facet_is_there = machine, name, facet_is_there
        self.then = self.now()

    def now(self):
        used = {**host_us(self.machine), **instructions()}
        if not self.facet_is_there:
            return used
        stats = self.machine.stats()
        guest = next(g for g in stats["guests"] if g["name"] == self.name)
        used["exits"] = sum(guest["exits"].values())
        if stats["gpus"]:
            used["engine"] = facet.figure(stats, "engine_ns", self.name) / 1000
            used["bytes"] = facet.figure(stats, "stream_bytes", self.name)
        return used

    def a_frame(self, frames):
        """{what: of it a frame}; counts anew."""
        now = self.now()
        used = {what: (now[what] - self.then[what]) / max(frames, 1) for what in now}
        self.then = now
        return used


def kmscube(machine, name):
    """(frames, seconds) between its first and its last line."""
    began = expect(machine, name, r"Rendered \d+ frames", START_S, since=0)
    expect(machine, name, r"ended with status", START_S + 60, since=began.end())
    said = re.findall(
        rf"guest {name}: Rendered (\d+) frames in (\S+) sec", machine.text(), re.MULTILINE
    )
    if len(said) < 2:
        raise facet.ConsoleError(f"{name}'s kmscube told its frames but once: more --seconds")
    (first, start), (last, end) = said[0], said[-1]
    return int(last) - int(first), float(end) - float(start)


def run_frames(machine, names, scenes, seconds, turns, facet_is_there=True):
    """{scene: frames a second, of all guests}, {scene: used for the first guest's frames}."""
    fps, used = {}, {}
    for name in names:
        expect(machine, name, r"Rendered \d+ frames", START_S, since=0)
    turns.meet(machine)
    # From here on kmscube's frames count, and what they take.
    use = Use(machine, names[0], facet_is_there)
    began = turns.time_s(machine)
    for name in names:
        frames, time_s = kmscube(machine, name)
        fps["kmscube"] = fps.get("kmscube", 0) + frames / time_s
        if name == names[0]:
            # It goes on from the last line that tells frames to its end.
            used["kmscube"] = use.a_frame(frames / time_s * (turns.time_s(machine) - began))
    turns.meet(machine)
    at = {name: 0 for name in names}
    for scene in scenes:
        for name in names:
            line = rf"\[{re.escape(scene.split(':')[0])}\] .*FPS: (\d+) "
            found = expect(machine, name, line, 3 * seconds + 120, since=at[name])
            at[name] = found.end()
            fps[scene] = fps.get(scene, 0) + int(found.group(1))
            if name == names[0]:
                used[scene] = use.a_frame(int(found.group(1)) * seconds)
        turns.meet(machine)
    return fps, used


def facets(kind, names, test, words, limit_s, extra=()):
    """A machine of Facet whose guests run `test`: with a vGPU each, or `whole`."""
    # Virtio has a reset of its own, which its driver does; PCI's ways are not there.
    whole = ({"gpu": "", "pci": GPU_AT}, "assign-without-reset = yes\n")
    keys, host = whole if kind in ("whole", "trapped") else ({}, "")
    if kind == "trapped":
        words += " facet.trapped=1"
    guests = [facet.guest3d_conf(name, test, words, **keys) for name in names]
    return mediated(guests, limit_s, kind, host, extra)


NAMES = {
    "direct": ["alpha"],
    "remapped": ["alpha"],
    "whole": ["alpha"],
    "trapped": ["alpha"],
    "one": ["alpha"],
    "two": ["alpha", "beta"],
}


def start(kind, words, limit_s):
    """The machine of that kind, which stands still."""
    stopped = Turns.STOPPED
    if kind == "direct":
        return direct(WORKLOADS, words, limit_s, kind, extra=stopped)
    if kind == "remapped":
        return direct(WORKLOADS, f"{words} intel_iommu=on", limit_s, kind, "vtd", stopped)
    return facets(kind, NAMES[kind], WORKLOADS, words, limit_s, stopped)


def frames(args):
    """One round: {(kind, scene): frames a second}, {kind: {scene: used}}, {name: of processors}."""
    scenes = args.scenes.split(",")
    words = f"facet.seconds={args.seconds} facet.scene={args.scenes}"
    limit_s = len(NAMES) * (2 * START_S + (len(scenes) + 1) * (3 * args.seconds + 60))
    got, used, cpu = {}, {}, {}
    with ExitStack() as machines:
        kinds = {machines.enter_context(start(kind, words, limit_s)): kind for kind in NAMES}
        for machine in kinds:
            machine.scale *= len(kinds)  # while the others run it does not

        def work(machine, turns):
            kind = kinds[machine]
            by_facet = kind not in ("direct", "remapped")
            return run_frames(machine, NAMES[kind], scenes, args.seconds, turns, by_facet)

        for machine, (fps, use) in each(kinds, work).items():
            kind = kinds[machine]
            used[kind] = use
            got.update({(kind, scene): value for scene, value in fps.items()})
            if kind in ("direct", "one"):
                cpu[kind] = loop_ms(machine, "alpha")
            if kind == "one":
                cpu["exits"] = exit_costs(machine, "alpha")
    return got, used, cpu


def measure_instructions(args):
    scenes = args.scenes.split(",")
    words = f"facet.seconds={args.seconds} facet.scene={args.scenes}"
    limit_s = 2 * START_S + (len(scenes) + 1) * (5 * args.seconds + 60)
    extra = (*counting(), *Turns.STOPPED)
    for kind in ("whole", "one"):
        with facets(kind, NAMES[kind], "kmscube+glmark2", words, limit_s, extra) as machine:
            found = each(
                [machine], lambda m, t: run_frames(m, ["alpha"], scenes, args.seconds, t)
            )
        os.remove(COUNTERS)
        _, used = found[machine]
        for scene, use in used.items():
            yield f"instructions.{kind}.{scene}", use["facet"], "a_frame", None
            if kind == "one":
                yield f"instructions.guest.{scene}", use["guest"], "a_frame", None


def median_of(rounds, key):
    return statistics.median(round_[key] for round_ in rounds)


def measure_frames(args):
    rounds, uses, cpus = [], [], []
    for number in range(args.rounds):
        got, used, cpu = frames(args)
        rounds.append(got)
        uses.append(used)
        cpus.append(cpu)
        told = ", ".join(f"{kind} {scene} {fps:.0f}" for (kind, scene), fps in got.items())
        print(f"# round {number + 1} of {args.rounds}, load {load()}: {told}", flush=True)
    for scene in ["kmscube"] + args.scenes.split(","):
        for kind in NAMES:
            yield f"{kind}.{scene}", median_of(rounds, (kind, scene)), "fps", None
        for name, kind, base, bound in (
            ("whole", "whole", "remapped", None),
            ("one", "one", "direct", RATIO),
            ("two", "two", "one", RATIO),
            ("mediation", "one", "whole", RATIO_MEDIATION),
            ("trapped", "trapped", "whole", None),
            ("work", "one", "trapped", RATIO_MEDIATION),
        ):
            ratios = [r[kind, scene] / r[base, scene] for r in rounds if r[base, scene]]
            ratio = statistics.median(ratios) if ratios else None
            yield f"ratio.{name}.{scene}", ratio, f"of_{base}", bound
        for what, unit in (("engine", "us"), ("exits", "exits"), ("bytes", "bytes")):
            value = statistics.median(used["one"][scene][what] for used in uses)
            yield f"{what}.{scene}", value, f"{unit}_a_frame", None
        for kind in ("whole", "trapped"):
            value = statistics.median(used[kind][scene]["exits"] for used in uses)
            yield f"exits.{kind}.{scene}", value, "exits_a_frame", None
        for what in ("processors", "device"):
            for kind in ("direct", "whole", "trapped", "one"):
                value = statistics.median(used[kind][scene][what] for used in uses)
                yield f"{what}.{kind}.{scene}", value, "us_a_frame", None
    for kind in ("direct", "one"):
        yield f"cpu.{kind}.loop", median_of(cpus, kind), "ms", None
    for pages in cpus[0]["exits"]:
        value = statistics.median(cpu["exits"][pages] for cpu in cpus)
        yield f"exit.pages_{pages}", value, "us", None


# ---- latency ----


def latency(args):
    del args
    with direct("latency", light3d.LIGHT, 2 * START_S) as machine:
        p50, p99 = light3d.latencies(machine, 0)
    with mediated(light3d.guests(), 4 * START_S) as machine:
        return {
            "latency.direct.p50": p50,
            "latency.direct.p99": p99,
            **light3d.measure(machine),
        }


def measure_latency(args):
    rounds = []
    for number in range(args.rounds):
        rounds.append(latency(args))
        print(f"# round {number + 1} of {args.rounds}, load {load()}: {rounds[-1]}", flush=True)
    bound = statistics.median(round_["heavy.longest"] + round_["slice"] for round_ in rounds)
    for name in rounds[0]:
        value = statistics.median(round_[name] for round_ in rounds)
        most = {"latency.above": bound, "broken": 0}.get(name)
        yield name, value, {"heavy.jobs": "jobs", "broken": "times"}.get(name, "us"), most


# ---- all ----


def load():
    return " ".join(f"{value:.1f}" for value in os.getloadavg())


def parse():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("what", nargs="*", choices=["frames", "instructions", "latency", []])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=10, help="of each scene")
    parser.add_argument("--scenes", default=SCENES, help="of glmark2")
    args = parser.parse_args()
    if args.seconds < SECONDS_LEAST:
        parser.error(f"--seconds: at least {SECONDS_LEAST}: kmscube tells its frames now and then")
    return args


def holds(name, value, bound):
    """Frames are to be many, time is to be short."""
    return value >= bound if name.startswith("ratio.") else value <= bound


def main():
    if not benches.current().renders:
        sys.exit("bench3d: BENCH is a machine whose GPU does not render")
    args = parse()
    missed = []
    measures = {
        "frames": measure_frames,
        "instructions": measure_instructions,
        "latency": measure_latency,
    }
    for what, measure in measures.items():
        if args.what and what not in args.what:
            continue
        for name, value, unit, bound in measure(args):
            shown = "-" if value is None else f"{value:.2f}"
            print(f"virgl {name} {shown} {unit} {bound or '-'}", flush=True)
            if value is None or (bound is not None and not holds(name, value, bound)):
                missed.append(name)
    if missed:
        print(f"bench3d: bound missed or figure missing: {', '.join(missed)}", file=sys.stderr)
    sys.exit(bool(missed))


main()

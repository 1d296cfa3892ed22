# SPDX-License-Identifier: Apache-2.0
"""A guest with tiny 3D jobs beside one with heavy ones: what it waits, and how long those are.

A tiny job may have to wait for the job that is in the device and for one slice. Both are taken
where they happen: waits as the guest sees them, lengths from Facet's trace of the same frames.
Where the host lets the device stand still, a tiny job becomes a long one too (`light.longest`):
the next one waits behind it, and then for the heavy guest to get as much.
"""

import statistics

import facet
import traces
from facetlib.check import check
from facetlib.trace import Kind

# render3d's `latency` and `load`.
LIGHT = "facet.frames=200 facet.rate=50"
HEAVY = "facet.work=200 facet.depth=4"
RULES = ("fifo", "order", "lag", "wait", "debt")  # that hold however fast the host is
START_S = facet.BOOT_S + facet.GUEST_S


def guests():
    """alpha is light; beta is heavy, and waits to be started."""
    return (
        facet.guest3d_conf("alpha", "latency", LIGHT),
        facet.guest3d_conf("beta", "load", HEAVY, autostart="no"),
    )


def latencies(machine, since):
    """p50 and p99 in us from submission to fence, of alpha's second group of jobs after `since`.

    The first group may have begun before.
    """
    line = r"^(?:alpha\| )?guest alpha: latency of \d+ jobs: p50 (\d+) us, p99 (\d+) us"
    machine.expect(line, START_S, since=since)
    return tuple(int(us) for us in machine.expect(line, 60).groups())


def _schedule(machine):
    gpu = machine.stats()["gpus"][0]
    names = [vgpu["name"] for vgpu in gpu["vgpus"]]
    alpha, beta = names.index("alpha"), names.index("beta")
    dump = traces.take(machine)
    queued, waits, lengths = {}, [], {alpha: [], beta: []}
    for record in dump.records:
        if record.kind == Kind.ENQUEUE:
            queued[record.job] = record.time_ns
        elif record.kind == Kind.PICK and record.vgpu == alpha and record.job in queued:
            waits.append(record.time_ns - queued[record.job])
        elif record.kind == Kind.CHARGE:
            lengths[record.vgpu].append(record.value)
    return {
        "heavy.jobs": len(lengths[beta]),
        "heavy.p50": statistics.median(lengths[beta]) // 1000,
        "heavy.longest": max(lengths[beta]) // 1000,
        "light.longest": max(lengths[alpha]) // 1000,
        "wait.longest": max(waits) // 1000,
        "slice": gpu["slice_ns"] // 1000,
        "broken": sum(rule.failed for rule in check(dump).rules if rule.name in RULES),
    }


def measure(machine):
    """All in us: latency.alone, latency.beside, and the schedule during the latter."""
    got = {}

    def take(kind, since):
        got[f"latency.{kind}.p50"], got[f"latency.{kind}.p99"] = latencies(machine, since)

    take("alone", 0)
    machine.command("start beta")
    machine.expect(r"^beta\| guest beta: load frame \d+", START_S, since=0)
    traces.begin(machine)
    take("beside", machine.mark())
    got |= _schedule(machine)
    got["latency.above"] = got["latency.beside.p99"] - got["latency.alone.p99"]
    return got

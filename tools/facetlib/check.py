# SPDX-License-Identifier: Apache-2.0
"""Checks a trace against the promises of docs/scheduler.md: one line for each of them."""

from facetlib.order import Order
from facetlib.replay import Replay
from facetlib.rules_fixed import Slots
from facetlib.rules_hang import Fences, Recovery, Timeout
from facetlib.rules_limits import Cap, Debt, Latency, Reserve
from facetlib.rules_order import Conserving, Picks
from facetlib.rules_share import Lag, Newcomer, Wait
from facetlib.rule import duration

SLACK_NS = 1_000_000


class Verdict:
    """What was found. `rules` in the order in which they are printed."""

    def __init__(self, dump, replay, rules):
        self.dump, self.replay, self.rules = dump, replay, rules

    def ok(self):
        return not any(rule.failed for rule in self.rules)

    def lines(self):
        replay = self.replay
        first = replay.records[0].time_ns if replay.records else 0
        span = replay.last_ns - first
        yield (
            f"gpu {self.dump.gpu}: {len(replay.records)} records over {duration(span)}, "
            f"{self.dump.lost} lost; busy {duration(span - replay.idle_until(replay.last_ns))}"
        )
        for number, vgpu in sorted(replay.vgpus.items()):
            share = 100 * vgpu.engine_ns / span if span else 0
            yield (
                f"vGPU {number:<4} {vgpu.jobs:>7} jobs, {duration(vgpu.engine_ns)} of engine time "
                f"({share:.2f} %), longest job {duration(vgpu.longest_ns)}, "
                f"longest wait {duration(vgpu.wait_max_ns)}"
            )
        for rule in self.rules:
            yield rule.line()
            for place in rule.broken:
                yield f"    {place}"
            if rule.failed > len(rule.broken):
                yield f"    and {rule.failed - len(rule.broken)} more"


def check(dump, slack_ns=SLACK_NS):
    """Follows the trace from its first record to its last."""
    replay, timeout = Replay(dump), Timeout(slack_ns)
    judges = [
        Picks(),
        Lag(),
        Newcomer(),
        Wait(),
        Latency(),
        Reserve(),
        Cap(),
        Debt(),
        Conserving(slack_ns),
        Slots(),
        timeout,
        Fences(timeout),
        Recovery(timeout),
    ]
    order = Order(replay)
    for index in range(len(replay.records)):
        event = replay.apply(index)
        if event is None or not replay.whole:
            continue
        order.prepare(event)
        for judge in judges:
            judge.before(event, order)
        order.apply(event)
        for judge in judges:
            judge.after(event, order)
    for judge in judges:
        if replay.whole:
            judge.end(replay, order)
        else:
            judge.skipped = "the beginning of the trace is lost"
    return Verdict(dump, replay, [*replay.rules.values(), *judges])

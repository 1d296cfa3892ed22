# SPDX-License-Identifier: Apache-2.0
"""Rules about what a vGPU has been given: reserve, bound on queueing, cap; and about its debt."""

from facetlib.level import FAR
from facetlib.order import WHOLE
from facetlib.replay import name
from facetlib.rule import Rule
from facetlib.trace import Class, Kind, Policy

CHANGES = (Kind.PARAMS, Kind.POLICY, Kind.HOLD, Kind.REMOVE)


class Latency(Rule):
    """A job is picked within the admission test's formula, with the jobs' actual lengths.

    The proof starts from a pick that is none by a deadline, or from an engine that nobody wants,
    since the last change of anybody's parameters.
    """

    def __init__(self):
        super().__init__("latency", "within its reserve a job is picked within its bound")
        self.can_start = False

    def _demand(self, order, bounded, x):
        depth = order.replay.depth
        total = depth * order.replay.longest_ns
        for s in bounded:
            _, reserve, _, latency = s.vgpu.params
            if latency <= x:
                total += depth * s.vgpu.longest_ns + reserve * (x - latency) // WHOLE + 1
        return total

    def bound(self, order, s):
        bounded = [o for o in order.standings.values() if o.vgpu.params[3]]
        mine, late = s.vgpu.params[3], 0
        for x in {o.vgpu.params[3] for o in bounded}:
            if x >= mine:
                late = max(late, self._demand(order, bounded, x) - x)
        return mine + late

    def before(self, event, order):
        if event.kind != Kind.PICK:
            return
        latency = event.vgpu.params[3]
        if event.job.klass != Class.RESERVE or not latency:
            self.can_start = True
        elif self.can_start:
            self._judge(event, order, event.job.until_ns - latency)

    def _judge(self, event, order, since):
        replay, s = order.replay, order.of(event.vgpu)
        idle = replay.idle_between(since)
        self.within(
            event.now - since,
            self.bound(order, s) + idle,
            event.now,
            lambda: name(event.record),
        )

    def after(self, event, order):
        if event.kind in CHANGES:
            self.can_start = False
        elif event.kind == Kind.CHARGE and order.replay.busy_count() == 0:
            self.can_start = self.can_start or not order.active()


def is_known(s):
    """Whether its account has been seen to begin, where it has one."""
    return not s.vgpu.params[1] or s.account.low() >= 0


class Reserve(Rule):
    """While it wants the engine it gets r*t on its account, less D jobs of each who has one."""

    def __init__(self):
        super().__init__("reserve", "it gets its reserve, less the jobs that are in the way")
        self.since = {}  # vGPU: (busy time of the engine then, reserve)
        self.served = {}
        self.counted = {}  # vGPU: its longest job, as far as it is in the sum
        self.reserved_ns = 0  # sum of the longest jobs of all who ever had a reserve

    def _busy(self, order, now):
        return now - order.replay.idle_until(now)

    def _count(self, vgpu):
        if vgpu.params and vgpu.params[1]:
            self.reserved_ns += max(0, vgpu.longest_ns - self.counted.get(vgpu.number, 0))
            self.counted[vgpu.number] = vgpu.longest_ns

    def _judge(self, s, order, now):
        number = s.vgpu.number
        if number not in self.since:
            return
        since, reserve = self.since[number]
        lacks = reserve * (self._busy(order, now) - since) / WHOLE - self.served[number]
        others = order.replay.longest_ns + self.reserved_ns
        bound = order.replay.depth * (others + s.vgpu.longest_ns) + 1
        self.within(lacks, bound, now, lambda: f"vGPU {number} lacks of its reserve")

    def before(self, event, order):
        if event.vgpu:
            self._count(event.vgpu)
        if event.kind == Kind.REMOVE:
            self.counted.pop(event.vgpu.number, None)
        if event.kind != Kind.CHARGE or event.job.klass not in (Class.RESERVE, None):
            return
        self._judge(order.of(event.vgpu), order, event.now)
        if event.vgpu.number in self.served:
            self.served[event.vgpu.number] += event.record.value

    def after(self, event, order):
        for s in order.ended:
            self._judge(s, order, event.now)
            self.since.pop(s.vgpu.number, None)
        for s, _ in order.began:
            # Accounts may be ahead or behind by jobs from before the trace, of any length.
            if s.vgpu.params[1] and all(map(is_known, [s, *order.active()])):
                self.since[s.vgpu.number] = (self._busy(order, event.now), s.vgpu.params[1])
                self.served[s.vgpu.number] = 0

    def end(self, replay, order):
        for s in order.active():
            self._judge(s, order, replay.last_ns)


class Cap(Rule):
    """In any interval that begins with a submission: at most k*t + D*L."""

    def __init__(self):
        super().__init__("cap", "it gets no more than its cap, and what is in flight")
        self.served = {}  # vGPU: 1000 * engine time since its parameters
        self.most = {}  # vGPU: largest k*submission - 1000*served before it

    def before(self, event, order):
        if event.kind in (Kind.PARAMS, Kind.REMOVE):
            self.served.pop(event.record.vgpu, None)
            self.most.pop(event.record.vgpu, None)
        if event.kind != Kind.CHARGE or event.job.klass in (Class.SLOT, None):
            return
        vgpu, job, replay = event.vgpu, event.job, order.replay
        cap, number = vgpu.params[2], vgpu.number
        if cap == WHOLE:
            return
        served = self.served.get(number, 0)
        start = cap * job.picked_ns - served
        self.most[number] = max(self.most.get(number, start), start)
        self.served[number] = served + WHOLE * event.record.value
        # Where jobs overtake, the interval may begin with one that was charged before.
        jobs = replay.depth * (2 if replay.overtaking else 1)
        self.within(
            (self.served[number] + self.most[number] - cap * event.now) / WHOLE,
            jobs * vgpu.longest_ns,
            event.now,
            lambda: f"vGPU {number} is ahead of its cap",
        )


class Debt(Rule):
    """What the record says that it owes is what it owes, and never more than D of its jobs."""

    def __init__(self):
        super().__init__("debt", "it is what was taken ahead of time, and at most D jobs")

    def after(self, event, order):
        if event.kind != Kind.CHARGE or order.replay.policy == Policy.FIXED:
            return
        s, debt = order.of(event.vgpu), event.record.aux
        low, high = order.debt(s, event.now)
        self.holds(
            low <= debt <= high,
            event.now,
            lambda: f"{name(event.record)}: owes {debt} ns, by the records {low} to {high}",
        )
        bound = order.replay.depth * s.vgpu.longest_ns
        bound += s.debt0_ns
        if bound < FAR:
            # A change of weight may round up to one step of a tag at each end.
            self.within(debt, bound + 80, event.now, lambda: f"vGPU {event.vgpu.number} owes")
        order.learn(s, debt, event.now)

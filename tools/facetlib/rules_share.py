# SPDX-License-Identifier: Apache-2.0
"""Rules about shares by weight, and about waits for a turn by weight."""

from dataclasses import dataclass

from facetlib.level import FAR
from facetlib.order import TAG_UNITS
from facetlib.rule import Rule
from facetlib.trace import Class, Kind

PAIRED_MAX = 64  # vGPUs; of more, not all pairs are looked at


def owes_at_most(replay, s):
    """By weight, in ns: D of its longest jobs, or what it owed when it was first seen."""
    return max(replay.depth * s.vgpu.longest_ns, s.debt0_ns)


def is_known(s):
    """Not where slots decided when it was first seen, until a charge tells what it owes."""
    return s.debt0_ns < FAR


class Lag(Rule):
    """|S_i/w_i - S_j/w_j| <= D * (L_i/w_i + L_j/w_j) while both may be picked."""

    def __init__(self):
        super().__init__("lag", "two that both want the engine get it by their weights")
        self.pairs = {}  # (i, j): [S_i*w_j - S_j*w_i, least, most]

    def _open(self, s, order):
        for other in order.active() if is_known(s) else ():
            if other is not s and is_known(other):
                self.pairs[tuple(sorted((s.vgpu.number, other.vgpu.number)))] = [0, 0, 0]

    def _close(self, number):
        for pair in [pair for pair in self.pairs if number in pair]:
            del self.pairs[pair]

    def _charge(self, event, order):
        me, number, replay = order.of(event.vgpu), event.vgpu.number, order.replay
        if event.job.klass is None:
            self._close(number)
            if me in order.active():
                self._open(me, order)
            return
        for (i, j), pair in self.pairs.items():
            if number not in (i, j):
                continue
            other = order.standings[j if number == i else i]
            w, w_other = me.tag.divisor, other.tag.divisor
            pair[0] += event.record.value * (w_other if number == i else -w_other)
            pair[1], pair[2] = min(pair[1], pair[0]), max(pair[2], pair[0])
            bound = owes_at_most(replay, me) * w_other + owes_at_most(replay, other) * w
            # Shown as the engine time of this one.
            self.within(
                (pair[2] - pair[1]) / w_other,
                (bound + w * w_other // 64 + 1) / w_other,
                event.now,
                lambda: f"vGPUs {number} and {other.vgpu.number}",  # pylint: disable=W0640
            )

    def before(self, event, order):
        # A job is charged to those who were active when it ended.
        if event.kind == Kind.CHARGE and event.job.klass in (Class.WEIGHT, None):
            self._charge(event, order)

    def after(self, event, order):
        if len(order.standings) > PAIRED_MAX:
            self.skipped = f"pairs of at most {PAIRED_MAX} vGPUs"
            self.pairs = {}
            return
        for s in order.ended:
            self._close(s.vgpu.number)
        for s, _ in order.began:
            self._open(s, order)


@dataclass
class _Waiting:
    count: int  # of beginnings and picks, when it began
    since_ns: int
    bound_ns: int  # without time in which the engine is idle
    idle_ns: int  # such time until it began
    others: dict  # who was active then and has not been picked since: longest job, in the bound


class Newcomer(Rule):
    """Who begins owing nothing waits for one job of each that was active then, and no more."""

    def __init__(self):
        super().__init__("newcomer", "it waits for what is in flight and one job of each other")
        self.count = 0  # of beginnings and picks by weight
        self.seen = {}  # vGPU: the count when it last began or was picked
        self.waits = {}  # vGPU: _Waiting

    def _begin(self, s, order, now):
        replay = order.replay
        owes = s.tag.high() > order.vtime[0]
        if owes or s.vgpu.in_flight or replay.unknown_flight:
            return
        others = {o.vgpu.number: o.vgpu.longest_ns for o in order.active() if o is not s}
        # Jobs that have begun are counted in full, though part of them has gone by.
        bound = sum(job.cost_ns for job in replay.flight) + sum(others.values())
        self.waits[s.vgpu.number] = _Waiting(self.count, now, bound, replay.idle_until(now), others)

    def _picked(self, event, order):
        number, replay = event.vgpu.number, order.replay
        wait = self.waits.pop(number, None)
        if event.job.klass == Class.RESERVE:
            for other in self.waits.values():
                other.bound_ns += event.job.cost_ns
        elif event.job.klass == Class.WEIGHT:
            self._overtakes(event)
            self.count += 1
            self.seen[number] = self.count
        if wait:
            bound = wait.bound_ns + replay.idle_until(event.now) - wait.idle_ns
            waited = event.now - wait.since_ns
            self.within(waited, bound, event.now, lambda: f"vGPU {number} waits as a newcomer")

    def _overtakes(self, event):
        number, first = event.vgpu.number, next(iter(self.waits), None)
        if first is not None:
            ok = self.seen.get(number, 0) < self.waits[first].count
            self.holds(ok, event.now, lambda: f"vGPU {first} waits, and vGPU {number} is picked")
        for wait in self.waits.values():
            # Its one job may be longer than all before.
            longest = event.vgpu.longest_ns
            if number in wait.others:
                wait.bound_ns += max(0, longest - wait.others.pop(number))
            elif self.seen.get(number, 0) < wait.count:  # its cap had let it on before, unseen
                wait.bound_ns += event.job.cost_ns

    def after(self, event, order):
        if event.kind in (Kind.PARAMS, Kind.POLICY):
            self.waits = {}
        if event.kind == Kind.PICK:
            self._picked(event, order)
        for s in order.ended:
            self.waits.pop(s.vgpu.number, None)
        for s, fresh in order.began:
            if fresh:
                self.count += 1
                # Woken at a pick, it may have been so at one before, of which there is no record.
                if event.kind != Kind.PICK:
                    self.seen[s.vgpu.number] = self.count
                self._begin(s, order, event.now)


class Wait(Rule):
    """Whoever begins waits for what it owes, in everybody's service, and D jobs of each."""

    def __init__(self):
        super().__init__("wait", "service of others by weight while one waits for its turn")
        self.picked_ns = 0  # jobs picked by weight
        self.waits = {}  # vGPU: (picked_ns, vtime) then

    def after(self, event, order):
        if event.kind in (Kind.PARAMS, Kind.POLICY, Kind.HOLD, Kind.REMOVE):
            self.waits = {}
        for s, fresh in order.began:
            if fresh:
                self.waits[s.vgpu.number] = (self.picked_ns, order.vtime)
        for s in order.ended:
            if event.kind != Kind.PICK or s.vgpu is not event.vgpu:
                self.waits.pop(s.vgpu.number, None)
        if event.kind != Kind.PICK:
            return
        wait = self.waits.pop(event.vgpu.number, None)
        if event.job.klass != Class.WEIGHT:
            return
        if wait:
            self._judge(event, order, wait)
        self.picked_ns += event.job.cost_ns

    def _judge(self, event, order, wait):
        owed = order.of(event.vgpu).tag.high() - wait[1][0]
        standings = order.standings.values()
        weights = sum(s.tag.divisor for s in standings)
        bound = (owed + 1) * weights // TAG_UNITS + 1
        bound += sum(owes_at_most(order.replay, s) for s in standings)
        if bound >= FAR or owed >= FAR:
            return
        self.within(
            self.picked_ns - wait[0], bound, event.now, lambda: f"vGPU {event.vgpu.number} waits"
        )

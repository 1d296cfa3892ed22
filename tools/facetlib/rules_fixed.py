# SPDX-License-Identifier: Apache-2.0
"""The rule of strict slots: who may start follows from the time and the vGPU's own jobs alone."""

from facetlib.level import FAR
from facetlib.replay import name
from facetlib.rule import Rule
from facetlib.trace import Class, Kind, Policy

PART = 8  # a bound leaves the last eighth of a slot, and is at least one
FORGETS = 64


class Slots(Rule):
    """A job starts only in its vGPU's slot, behind its own jobs, where its bound fits.

    Time past the end of a slot is owed: so much of the next slots of its vGPU is forfeited.
    """

    def __init__(self):
        super().__init__("slots", "a job starts in its own slot, if its bound fits the rest")
        self.longest = {}  # vGPU: from, to
        self.free = {}  # vGPU: own time that is forfeited: from, to
        self.bounds = {}  # job in flight: from, to
        self.until = {}  # job in flight: end of its slot
        self.was = None  # policy, slice, slots before

    # ---- time ----

    @staticmethod
    def _own(config, number, now):
        """How much of its own slots has gone by."""
        _, slice_ns, slots = config
        turns, place = divmod(now // slice_ns, slots)
        part = slice_ns if place > number else now % slice_ns if place == number else 0
        return turns * slice_ns + part

    @staticmethod
    def _config(replay):
        return replay.policy, replay.slice_ns, replay.slots

    def _debt(self, config, number, now):
        own = self._own(config, number, now)
        return tuple(max(0, free - own) for free in self.free[number])

    def _owe(self, config, number, now, debt):
        own = self._own(config, number, now)
        self.free[number] = tuple(own + part for part in debt)

    # ---- a pick ----

    def _bound(self, replay, number):
        least = replay.slice_ns // PART
        return tuple(min(max(n, least), replay.slice_ns - least) for n in self.longest[number])

    def _wrong(self, event, replay):
        now, slice_ns, number = event.now, replay.slice_ns, event.vgpu.number
        slot, until = now // slice_ns, (now // slice_ns + 1) * slice_ns
        if slot % replay.slots != number:
            return f"this is a slot of vGPU {slot % replay.slots}"
        if event.vgpu.held:
            return "it is held"
        if self._own(self._config(replay), number, now) < self.free[number][0]:
            return "it owes the beginning of this slot"
        before = self._before(event, replay, until)
        if before is None:
            return "a job of another slot is in flight"
        if now + before + self._bound(replay, number)[0] > until:
            return "its bound does not fit the rest of its slot"
        return None

    def _before(self, event, replay, until):
        """How long at least what is in flight is expected to go on; None: it is not this slot's."""
        total = 0
        if replay.unknown_flight:
            return 0
        for i, job in enumerate(replay.flight):
            if job is event.job:
                continue
            if job.vgpu != event.vgpu.number or self.until.get(job.number) != until:
                return None
            bound = self.bounds[job.number][0]
            total += max(0, bound - (event.now - replay.mark_ns)) if i == 0 else bound
        return total

    def _picked(self, event, replay):
        why = self._wrong(event, replay)
        self.holds(why is None, event.now, lambda: f"{name(event.record)}: {why}")
        self.bounds[event.record.job] = self._bound(replay, event.vgpu.number)
        self.until[event.record.job] = (event.now // replay.slice_ns + 1) * replay.slice_ns

    # ---- a charge ----

    def _charged(self, event, order):
        replay, number, job = order.replay, event.vgpu.number, event.job
        ns, config = event.record.value, self._config(order.replay)
        until = self.until.get(event.record.job)
        if job.klass in (Class.SLOT, None):
            self.longest[number] = tuple(max(ns, n - n // FORGETS) for n in self.longest[number])
        if until is not None:
            past = min(max(0, job.end_ns - until), ns)
            debt = self._debt(config, number, event.now)
            if past:
                self._owe(config, number, event.now, tuple(d + past for d in debt))
        elif job.klass is None:  # its slot is not known
            low, high = self._debt(config, number, event.now)
            self._owe(config, number, event.now, (low, high + ns))
        self._compare(event, config, number)

    def _compare(self, event, config, number):
        low, high = self._debt(config, number, event.now)
        debt = event.record.aux
        self.holds(
            low <= debt <= high,
            event.now,
            lambda: f"{name(event.record)}: owes {debt} ns, by the records {low} to {high}",
        )
        if debt:
            self._owe(config, number, event.now, (debt, debt))

    # ---- events ----

    def before(self, event, order):
        replay, fixed = order.replay, order.replay.policy == Policy.FIXED
        if event.kind == Kind.PARAMS and event.added:
            self.longest[event.vgpu.number] = self.free[event.vgpu.number] = (0, 0)
        elif event.kind == Kind.STATE and replay.beginning:
            self._estimate(event, replay)
        elif event.kind == Kind.PICK and fixed:
            self._picked(event, replay)
        elif event.kind == Kind.CHARGE:
            if fixed:
                self._charged(event, order)
            self.bounds.pop(event.record.job, None)
            self.until.pop(event.record.job, None)

    def after(self, event, order):
        new = self._config(order.replay)
        if event.kind == Kind.POLICY and self.was and not order.replay.beginning:
            for number, s in order.standings.items():
                self._move(number, s, event.now, new)
        if event.kind == Kind.POLICY:
            self.was = new

    def _estimate(self, event, replay):
        number, debt = event.vgpu.number, event.record.aux
        self.longest[number] = (0, FAR)
        self.free[number] = (0, FAR)
        if replay.policy == Policy.FIXED:
            self._owe(self._config(replay), number, event.now, (debt, debt))
            if not debt:
                self.free[number] = (0, self.free[number][1])

    def _move(self, number, s, now, new):
        """Debts stay; under slots they are a point of time in them."""
        debt = self.free[number]
        if self.was[0] == Policy.FIXED:
            debt = self._debt(self.was, number, now)
        self.free[number] = debt
        if new[0] == Policy.FIXED:
            self._owe(new, number, now, debt)
            longest = zip(self.longest[number], s.expect)
            self.longest[number] = tuple(max(pair) for pair in longest)

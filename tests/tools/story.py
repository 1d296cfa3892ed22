# SPDX-License-Identifier: Apache-2.0
"""Traces made by hand: what happened is told call by call, the sums are worked out here.

A story may tell of a scheduler that breaks its promises: the counts, waits and charges in its
records are right all the same, so that only the broken promise is there to be found.
"""

from collections import deque

from facetlib.order import Order
from facetlib.replay import Replay
from facetlib.rules_fixed import Slots
from facetlib.trace import GPU, Class, Dump, End, Kind, Policy, Record

MS = 1_000_000
GIVEN = {"weight": 100, "reserve": 0, "cap": 1000, "latency_ns": 0}


class Story:
    """One GPU, from the moment at which tracing begins and nobody is there."""

    def __init__(self, policy=Policy.FAIR, slice_ns=2 * MS, depth=2, slots=2, now=10 * MS):
        self.records, self.now, self.jobs = [], now, 0
        self.policy, self.depth = policy, depth
        self.queues, self.given = {}, {}
        self.flight = []  # (vgpu, job, picked)
        self.carried = {}  # job: what it had before another overtook it
        self.mark = None
        self.note(Kind.POLICY, GPU, slice_ns, policy | depth << 8 | slots << 16)

    def note(self, kind, vgpu, value=0, aux=0, job=0):
        self.records.append(Record(self.now, value, aux, job, vgpu, kind, len(self.flight)))

    def wait(self, ns):
        self.now += ns

    def give(self, vgpu, **given):
        """Adds a vGPU, or gives it other parameters."""
        given = self.given[vgpu] = {**self.given.get(vgpu, GIVEN), **given}
        self.queues.setdefault(vgpu, deque())
        value = given["weight"] | given["reserve"] << 16 | given["cap"] << 32
        self.note(Kind.PARAMS, vgpu, value, given["latency_ns"])

    def enqueue(self, vgpu, count=1):
        for _ in range(count):
            self.jobs += 1
            self.queues[vgpu].append((self.jobs, self.now))
            self.note(Kind.ENQUEUE, vgpu, 1, len(self.queues[vgpu]), self.jobs)

    def pick(self, vgpu, klass=Class.WEIGHT, at=0):
        job, since = self.queues[vgpu][at]
        del self.queues[vgpu][at]
        if not self.flight:
            self.mark = self.now
        self.flight.append((vgpu, job, self.now))
        self.note(Kind.PICK, vgpu, self.now - since, klass, job)

    def submit(self):
        """The last one that was picked."""
        vgpu, job, picked = self.flight[-1]
        self.note(Kind.SUBMIT, vgpu, self.now - picked, 0, job)

    def complete(self, at=0, end=End.GIVEN_BACK, timeout_ns=0):
        """The oldest in flight, unless told otherwise; charged since the completion before."""
        vgpu, job, picked = self.flight.pop(at)
        self.note(Kind.COMPLETE, vgpu, self.now - picked, end | timeout_ns << 8, job)
        if picked > self.mark and self.flight:
            overtaken = self.flight[0][1]
            self.carried[overtaken] = self.carried.get(overtaken, 0) + picked - self.mark
        cost = self.carried.pop(job, 0) + self.now - max(self.mark, picked)
        self.note(Kind.CHARGE, vgpu, cost, 0, job)
        self.mark = self.now

    def hold(self, vgpu, held=True):
        self.note(Kind.HOLD, vgpu, int(held))

    def run(self, choose, length, until, full=3):
        """A busy engine: `choose(story)` says who is next (vGPU, class), or None."""
        while self.now < until:
            for vgpu in self.queues:
                self.enqueue(vgpu, full - len(self.queues[vgpu]))
            while len(self.flight) < self.depth:
                chosen = choose(self)
                if chosen is None:
                    break
                self.pick(*chosen)
                self.enqueue(chosen[0])
            if self.flight:
                self.wait(length(self.flight[0][0]))
                self.complete()
            else:
                self.wait(MS // 10)

    def dump(self, lost=0):
        """The trace, with debts and deadlines as the records make them."""
        whole = Dump(0, lost, self.records)
        replay, slots = Replay(whole), Slots()
        order = Order(replay)
        for index, record in enumerate(self.records):
            event = replay.apply(index)
            order.prepare(event)
            aux = record.aux
            if record.kind == Kind.PICK and record.aux == Class.RESERVE:
                aux |= order.of(event.vgpu).deadline()[0] << 8
                event.job.until_ns = aux >> 8
            slots.before(event, order)
            order.apply(event)
            slots.after(event, order)
            if record.kind == Kind.CHARGE:
                aux = self._debt(order, slots, event)
            self.records[index] = record._replace(aux=aux)
        return Dump(0, lost, self.records)

    @staticmethod
    def _debt(order, slots, event):
        # pylint: disable=protected-access
        replay, number = order.replay, event.vgpu.number
        if replay.policy == Policy.FIXED:
            return slots._debt(slots._config(replay), number, event.now)[0]
        return order.debt(order.of(event.vgpu), event.now)[0]


class Fair:
    """Chooses by weight, by accounts of its own, which begin with a record."""

    def __init__(self, weights, since=0):
        self.weights, self.since = weights, since

    def __call__(self, story):
        """The least service for its weight, by what has been charged; then who waits longest."""
        served, last = dict.fromkeys(self.weights, 0), {}
        for at, record in enumerate(story.records[self.since :]):
            if record.kind == Kind.CHARGE:
                served[record.vgpu] += record.value
            elif record.kind == Kind.PICK:
                last[record.vgpu] = at
        order = lambda v: (served[v] * 256 // self.weights[v], last.get(v, -1))
        return min(self.weights, key=order), Class.WEIGHT


def begun_at(whole, at):
    """The same trace as if it had been switched on later: behind how things stood then."""
    while whole.records[at].kind in (Kind.COMPLETE, Kind.CHARGE):
        at += 1  # these go together
    replay = Replay(whole)
    order = Order(replay)
    for index in range(at):
        event = replay.apply(index)
        order.prepare(event)
        order.apply(event)

    def record(kind, vgpu, value, aux):
        return Record(replay.last_ns, value, aux, 0, vgpu, kind, len(replay.flight))

    policy = replay.policy | replay.depth << 8 | replay.slots << 16
    begin = [record(Kind.POLICY, GPU, replay.slice_ns, policy)]
    for number, s in order.standings.items():
        weight, reserve, cap, latency = s.vgpu.params
        begin.append(record(Kind.PARAMS, number, weight | reserve << 16 | cap << 32, latency))
        if s.vgpu.held:
            begin.append(record(Kind.HOLD, number, 1, 0))
        state = len(s.vgpu.queue) | s.vgpu.in_flight << 32
        begin.append(record(Kind.STATE, number, state, order.debt(s, replay.last_ns)[0]))
    return Dump(whole.gpu, at, begin + whole.records[at:])

# SPDX-License-Identifier: Apache-2.0
"""What the records of a trace say about jobs: who has which queued and in flight, and for how long.

Here is no word on who should have been picked; order.py has that. A trace that has lost its
beginning may name jobs that nobody saw arrive; what cannot be known of those is not judged.
"""

from bisect import bisect_right
from collections import deque
from dataclasses import dataclass, field

from facetlib.rule import Rule
from facetlib.trace import GPU, Class, End, Kind, Policy


@dataclass
class Job:
    """`number` is None while it is only known that there is one."""

    number: int | None = None
    vgpu: int = 0
    enqueued_ns: int | None = None
    picked_ns: int | None = None
    submitted_ns: int | None = None
    klass: int | None = None
    until_ns: int = 0  # deadline by reserve (0: none)
    cost_ns: int = 0  # what it will be charged; or, still in flight at the end, until then
    carried_ns: int = 0
    end_ns: int | None = None
    end: int | None = None  # how it ended: an End
    timeout_ns: int = 0  # of its vGPU, where it timed out


@dataclass
class Vgpu:
    number: int
    queue: deque = field(default_factory=deque)
    knows_queue: bool = True
    in_flight: int = 0
    held: bool = False
    params: tuple | None = None  # weight, reserve, cap, latency_ns
    longest_ns: int = 0  # of its jobs that have been picked
    engine_ns: int = 0
    jobs: int = 0
    wait_max_ns: int = 0


@dataclass
class Event:
    """A record and what it is about. For `began`, `emptied` see Replay."""

    record: object
    kind: Kind
    now: int
    vgpu: Vgpu | None
    job: Job | None = None
    began: bool = False  # this ENQUEUE found the queue empty
    emptied: bool = False  # this PICK left it so
    added: bool = False  # this PARAMS made the vGPU known


def costs(records):
    """What each job was charged, by number; those in flight at the end: the time until then."""
    charged, picked = {}, {}
    for r in records:
        if r.kind == Kind.PICK:
            picked[r.job] = r.time_ns
        elif r.kind == Kind.CHARGE:
            charged[r.job] = r.value
            picked.pop(r.job, None)
    for job, since in picked.items():
        charged[job] = records[-1].time_ns - since
    return charged


def early(records):
    """Of each vGPU: what jobs were charged whose pick was before the first record."""
    picked, charged = set(), {}
    for r in records:
        if r.kind == Kind.PICK:
            picked.add(r.job)
        elif r.kind == Kind.CHARGE and r.job not in picked:
            charged.setdefault(r.vgpu, []).append(r.value)
    return charged


def overtakes(records):
    """Whether any job completes before one that was picked earlier."""
    flight = []
    for r in records:
        if r.kind == Kind.PICK:
            flight.append(r.job)
        elif r.kind == Kind.COMPLETE and r.job in flight:
            if flight[0] != r.job:
                return True
            flight.remove(r.job)
    return False


class Replay:
    """The state after each record; `apply` takes them one by one."""

    def __init__(self, dump):
        self.records = dump.records
        self.whole = dump.has_beginning()
        self.costs = costs(self.records)
        self.early = early(self.records)
        self.overtaking = overtakes(self.records)
        self.vgpus = {}
        self.flight = []  # jobs in the order of their picks
        self.unknown_flight = 0  # jobs in flight whose pick was before the first record
        self.counts_flight = self.whole
        self.policy, self.slice_ns, self.depth, self.slots = None, None, None, None
        self.beginning = self.whole  # among the records that say how things stand
        self.last_ns = self.records[0].time_ns
        self.mark_ns = None  # engine time before this has been charged; None: unknown
        self.longest_ns = 0  # of all jobs that have been picked
        self.idle_since = None
        self.idle_ns = 0  # time with nothing in flight, and so known
        self.stretches = []  # of it: when it began, how long it was
        self.charged = None  # the job whose CHARGE must be next
        self.spans = []  # engine time that was charged: from, to, number of the job
        self.first_job = None  # the first number that was given out in the trace
        self.rules = {
            name: Rule(name, says)
            for name, says in (
                ("records", "kinds and counts are right, time does not fall"),
                ("jobs", "each job: enqueue, pick, complete, charge, once and in this order"),
                ("fifo", "the jobs of a vGPU are picked in the order in which they came"),
                ("depth", "no more jobs are in flight than the depth allows"),
                ("charge", "charges are the time in flight, in total and each for itself"),
            )
        }

    # ---- small questions ----

    def busy_count(self):
        return len(self.flight) + self.unknown_flight

    def idle_until(self, now):
        """Time with nothing in flight, from the first record until now."""
        return self.idle_ns + (now - self.idle_since if self.idle_since is not None else 0)

    def idle_between(self, since):
        """The same from then until now, just after a pick."""
        at = bisect_right(self.stretches, (since,)) - 1
        begin, idle = self.stretches[at] if at >= 0 else (since, 0)
        idle_then = max(0, idle - (since - begin)) if at >= 0 else 0
        return sum(idle for _, idle in self.stretches[at + 1 :]) + idle_then

    def weight_of(self, vgpu):
        return 1 if self.policy == Policy.EQUAL else vgpu.params[0]

    def _longer(self, vgpu, cost_ns):
        vgpu.longest_ns = max(vgpu.longest_ns, cost_ns)
        self.longest_ns = max(self.longest_ns, cost_ns)

    def _longest_in_flight(self, vgpu):
        """Jobs that were in flight before the first record are as long as they will prove."""
        charged = self.early.get(vgpu.number, [])
        if vgpu.in_flight > len(charged):  # they go on beyond the last record
            charged.append(self.records[-1].time_ns - self.records[0].time_ns)
        if vgpu.in_flight:
            self._longer(vgpu, max(charged))

    def _check(self, rule, ok, record, text):
        self.rules[rule].holds(ok, record.time_ns, lambda: f"{name(record)}: {text}")

    # ---- records ----

    def apply(self, index):
        record = self.records[index]
        self._check("records", record.time_ns >= self.last_ns, record, "time falls")
        self.last_ns = max(self.last_ns, record.time_ns)
        self._check("records", record.kind in _HANDLERS, record, "no such kind")
        if record.kind not in _HANDLERS:
            return None
        kind = Kind(record.kind)
        event = Event(record, kind, self.last_ns, self._vgpu(record, kind))
        self.beginning = self.beginning and self._is_beginning(index)
        if self.charged and kind != Kind.CHARGE:
            self._check("jobs", False, record, f"job {self.charged.number} was not charged")
            self.charged = None
        _HANDLERS[kind](self, event, index)
        self._count(record)
        return event

    def _is_beginning(self, index):
        """Whether it is still told how things stand: POLICY, then PARAMS, HOLD, STATE of each."""
        record, previous = self.records[index], self.records[max(index - 1, 0)]
        if index == 0 or record.kind == Kind.PARAMS:
            fresh = record.vgpu == GPU or self.vgpus[record.vgpu].params is None
            return fresh and (index == 0 or previous.kind in (Kind.POLICY, Kind.STATE))
        same = record.vgpu == previous.vgpu
        if record.kind == Kind.HOLD:
            return same and previous.kind == Kind.PARAMS and record.value == 1
        return same and record.kind == Kind.STATE and previous.kind in (Kind.PARAMS, Kind.HOLD)

    def _vgpu(self, record, kind):
        if record.vgpu == GPU:
            self._check("records", kind == Kind.POLICY, record, "concerns no vGPU")
            return None
        if record.vgpu not in self.vgpus:
            # Only PARAMS makes one known; without the beginning it may have been there before.
            ok = not self.whole or kind == Kind.PARAMS
            self._check("records", ok, record, "the vGPU is not known")
            self.vgpus[record.vgpu] = Vgpu(record.vgpu, knows_queue=self.whole)
        return self.vgpus[record.vgpu]

    def _count(self, record):
        if self.beginning:
            return  # STATE records still bring jobs in flight
        if not self.counts_flight:
            self.unknown_flight = record.in_flight - len(self.flight)
            self.counts_flight = True
            self._check("records", self.unknown_flight >= 0, record, "fewer jobs in flight")
            self.unknown_flight = max(self.unknown_flight, 0)
        count = self.busy_count()
        self._check(
            "records",
            record.in_flight == count,
            record,
            f"{record.in_flight} jobs in flight, there are {count}",
        )
        if self.idle_since is None and count == 0:
            self.idle_since = record.time_ns

    def _policy(self, event, _):
        record = event.record
        policy, depth = record.aux & 0xFF, record.aux >> 8 & 0xFF
        ok = policy in list(Policy) and 0 < depth <= 16 and 500_000 <= record.value <= 10**8
        self._check("records", ok, record, "policy, depth or slice out of range")
        self.policy, self.depth = Policy(policy) if ok else None, depth
        self.slice_ns, self.slots = record.value, max(record.aux >> 16, 1)

    def _params(self, event, _):
        record, vgpu = event.record, event.vgpu
        weight, reserve, cap = (record.value >> at & 0xFFFF for at in (0, 16, 32))
        ok = 1 <= weight <= 10000 and reserve <= cap and 1 <= cap <= 1000
        self._check("records", ok, record, "weight, reserve or cap out of range")
        event.added = vgpu.params is None
        vgpu.params = (weight, reserve, max(cap, 1), record.aux)

    def _hold(self, event, _):
        held = bool(event.record.value)
        ok = self.beginning or not self.whole or event.vgpu.held != held
        self._check("records", ok, event.record, "it is so already")
        event.vgpu.held = held

    def _state(self, event, _):
        record, vgpu = event.record, event.vgpu
        queued, in_flight = record.value & 0xFFFFFFFF, record.value >> 32
        if self.beginning:
            vgpu.queue = deque(Job(vgpu=vgpu.number) for _ in range(queued))
            vgpu.in_flight = in_flight
            self.unknown_flight += in_flight
            self._longest_in_flight(vgpu)
            return
        # Tracing has begun once more, or a dump has: it has to be as we know it.
        if vgpu.knows_queue:
            self._check("records", len(vgpu.queue) == queued, record, f"{queued} are queued")
        self._check("records", vgpu.in_flight == in_flight, record, f"{in_flight} in flight")

    def _remove(self, event, _):
        vgpu = event.vgpu
        ok = vgpu.in_flight == 0 and not (vgpu.knows_queue and vgpu.queue)
        self._check("records", ok, event.record, "it is removed with jobs")
        del self.vgpus[vgpu.number]

    def _enqueue(self, event, _):
        record, vgpu = event.record, event.vgpu
        if not vgpu.knows_queue:
            vgpu.queue.extendleft(Job(vgpu=vgpu.number) for _ in range(record.aux - 1))
            vgpu.knows_queue = True
        if self.first_job is None:
            self.first_job = record.job
        event.began = not vgpu.queue
        event.job = Job(record.job, vgpu.number, record.time_ns)
        vgpu.queue.append(event.job)
        self._check("records", record.aux == len(vgpu.queue), record, f"queue of {record.aux}")

    def _drop(self, event, _):
        vgpu, count = event.vgpu, event.record.value
        if vgpu.knows_queue:
            self._check("records", count == len(vgpu.queue), event.record, f"drops {count}")
        vgpu.queue.clear()
        vgpu.knows_queue = True

    def _take(self, event):
        """The job that is picked, out of its queue."""
        record, queue = event.record, event.vgpu.queue
        place = next((i for i, job in enumerate(queue) if job.number == record.job), None)
        if place is None:
            # One of those that came before the first record; they are the first of the queue.
            unseen = bool(queue) and queue[0].number is None or not event.vgpu.knows_queue
            unseen = unseen and (self.first_job is None or record.job < self.first_job)
            self._check("jobs", unseen, record, "it was not queued")
            if queue and queue[0].number is None:
                queue.popleft()
            return Job(record.job, record.vgpu)
        self._check("fifo", place == 0, record, f"{place} older ones of its vGPU are queued")
        job = queue[place]
        del queue[place]
        return job

    def _pick(self, event, _):
        record, vgpu = event.record, event.vgpu
        job = event.job = self._take(event)
        job.picked_ns, job.klass, job.until_ns = event.now, record.aux & 0xFF, record.aux >> 8
        self._check("jobs", job.klass in list(Class), record, f"class {job.klass}")
        if job.enqueued_ns is not None:
            waited = event.now - job.enqueued_ns
            self._check("jobs", record.value == waited, record, f"waited {record.value} ns")
        job.cost_ns = self.costs.get(record.job, 0)
        self._longer(vgpu, job.cost_ns)
        vgpu.wait_max_ns = max(vgpu.wait_max_ns, record.value)
        if self.idle_since is not None:
            self.idle_ns += event.now - self.idle_since
            self.stretches.append((self.idle_since, event.now - self.idle_since))
            self.idle_since = None
        if self.busy_count() == 0 and self.counts_flight:
            self.mark_ns = event.now
        self.flight.append(job)
        vgpu.in_flight += 1
        event.emptied = vgpu.knows_queue and not vgpu.queue
        if self.depth and self.counts_flight:
            self.rules["depth"].holds(
                self.busy_count() <= self.depth,
                event.now,
                lambda: f"{name(record)}: {self.busy_count()} jobs, the depth is {self.depth}",
            )

    def _in_flight(self, number):
        return next((job for job in self.flight if job.number == number), None)

    def _submit(self, event, _):
        record = event.record
        job = event.job = self._in_flight(record.job)
        if job is None:
            self._check("jobs", self.unknown_flight > 0, record, "it is not in flight")
            return
        self._check("jobs", job.submitted_ns is None, record, "it was submitted before")
        job.submitted_ns = event.now
        late = record.value <= event.now - job.picked_ns
        self._check("jobs", late, record, f"{record.value} ns since its pick")

    def _complete(self, event, _):
        record, vgpu = event.record, event.vgpu
        job = event.job = self._in_flight(record.job)
        if job is None:
            ok = self.unknown_flight > 0 or not self.counts_flight
            self._check("jobs", ok, record, "it is not in flight")
            self.unknown_flight -= self.unknown_flight > 0
            job = event.job = Job(record.job, record.vgpu, cost_ns=self.costs.get(record.job, 0))
            self._longer(vgpu, job.cost_ns)
        else:
            took = event.now - job.picked_ns
            self._check("jobs", record.value == took, record, f"took {record.value} ns")
            self._check("jobs", job.vgpu == record.vgpu, record, f"it is vGPU {job.vgpu}'s")
            self.flight.remove(job)
        job.end, job.timeout_ns = record.aux & 0xFF, record.aux >> 8
        ok = job.end in list(End) and bool(job.timeout_ns) == (job.end == End.TIMED_OUT)
        self._check("records", ok, record, f"it ended by {record.aux:#x}")
        vgpu.in_flight -= vgpu.in_flight > 0
        self.charged = job

    def _charge(self, event, index):
        record, job = event.record, self.charged
        ok = job is not None and job.number == record.job and job.vgpu == record.vgpu
        self._check("jobs", ok, record, "it has not just completed")
        self.charged = None
        event.job = job = job or Job(record.job, record.vgpu)
        event.vgpu.engine_ns += record.value
        event.vgpu.jobs += 1
        self._measure(event, index)

    def _measure(self, event, index):
        """Where on the engine's time the job lay; the same clockwork as the scheduler's."""
        record, job, now = event.record, event.job, event.now
        job.end_ns = now
        following = self.records[index + 1] if index + 1 < len(self.records) else None
        together = following and following.kind == Kind.COMPLETE and following.time_ns == now
        start, self.mark_ns = self.mark_ns, now
        if start is None or job.picked_ns is None or self.unknown_flight:
            if job.picked_ns is not None:
                took = now - job.picked_ns
                self._check("charge", record.value <= took, record, f"{record.value} ns")
            if together:
                self.mark_ns = None  # where this one ended is not known
            return
        if job.picked_ns > start:
            if self.flight:
                self.flight[0].carried_ns += job.picked_ns - start
                self.spans.append((start, job.picked_ns, self.flight[0].number))
            start = job.picked_ns
        job.end_ns = self.mark_ns = start + record.value - job.carried_ns
        self.spans.append((start, job.end_ns, job.number))
        # Those that are found together share the time; the last of them ends now.
        ok = start <= job.end_ns <= now if together else job.end_ns == now
        self._check(
            "charge", ok, record, f"{record.value} ns, had {now - start + job.carried_ns} ns"
        )
        if not ok:
            self.mark_ns = now


_HANDLERS = {
    # pylint: disable=protected-access
    Kind.ENQUEUE: Replay._enqueue,
    Kind.PICK: Replay._pick,
    Kind.SUBMIT: Replay._submit,
    Kind.COMPLETE: Replay._complete,
    Kind.CHARGE: Replay._charge,
    Kind.DROP: Replay._drop,
    Kind.PARAMS: Replay._params,
    Kind.POLICY: Replay._policy,
    Kind.HOLD: Replay._hold,
    Kind.REMOVE: Replay._remove,
    Kind.STATE: Replay._state,
}


def name(record):
    """A record for people."""
    kind = Kind(record.kind).name if record.kind in _HANDLERS else f"kind {record.kind}"
    job = f" job {record.job}" if record.job else ""
    who = "the GPU" if record.vgpu == GPU else f"vGPU {record.vgpu}"
    return f"{kind} of {who}{job}"

# SPDX-License-Identifier: Apache-2.0
"""Rules about a guest that hangs: when its job is given up, and what the others lose by that.

One hang is all that one vGPU had in flight when its oldest job was given up. Which job is the
oldest follows from the picks; that it was given up, and after which time-out, its COMPLETE says.
"""

from bisect import bisect_left
from dataclasses import dataclass

from facetlib.order import Place
from facetlib.replay import name
from facetlib.rule import Rule
from facetlib.trace import End, Kind, Policy

LOOKS, LOOK_MIN_NS = 4, 50_000_000


def bound_of(timeout_ns):
    """How long a job may be the oldest: its time-out, and until it is looked at next."""
    return timeout_ns + max(timeout_ns // LOOKS, LOOK_MIN_NS)


@dataclass
class Hang:
    vgpu: int
    since_ns: int | None  # its job had been the oldest; None: longer than the trace
    end_ns: int
    timeout_ns: int
    left: int = 0  # jobs that its vGPU still has in flight
    drained: bool = False  # other records follow


class Timeout(Rule):
    """The oldest job is given up after its time-out, not before; with it all of its vGPU."""

    def __init__(self, slack_ns):
        super().__init__("timeout", "a job that hangs is given up in time, with all of its vGPU")
        self.slack_ns = slack_ns
        self.hangs = []
        self.oldest, self.since_ns = None, None

    def last(self):
        """The hang whose jobs this record may be about."""
        return self.hangs[-1] if self.hangs and not self.hangs[-1].drained else None

    def before(self, event, order):
        hang = self.last()
        ending = event.kind in (Kind.COMPLETE, Kind.CHARGE) and hang and event.now == hang.end_ns
        if hang and not ending:
            self._end(hang)
        if event.kind != Kind.COMPLETE or event.job.end != End.TIMED_OUT:
            return
        hang = self.last()
        if hang is None:
            hang = Hang(event.vgpu.number, None, event.now, event.job.timeout_ns)
            if event.job.number == self.oldest:
                hang.since_ns = self.since_ns
                self._judge(hang, event)
            elif self.oldest is not None:
                self.holds(False, event.now, lambda: f"{name(event.record)}: it is not the oldest")
            self.hangs.append(hang)
        if hang.vgpu == event.vgpu.number:
            hang.left = event.vgpu.in_flight

    def _judge(self, hang, event):
        took = event.now - hang.since_ns
        self.holds(
            took > hang.timeout_ns,
            event.now,
            lambda: f"{name(event.record)}: given up after {took} ns",
        )
        self.within(
            took,
            bound_of(hang.timeout_ns) + self.slack_ns,
            event.now,
            lambda: f"{name(event.record)}: the engine was taken",
        )

    def _end(self, hang):
        hang.drained = True
        self.holds(
            hang.left == 0,
            hang.end_ns,
            lambda: f"vGPU {hang.vgpu}: {hang.left} more jobs are still in flight",
        )

    def after(self, event, order):
        flight, unknown = order.replay.flight, order.replay.unknown_flight
        oldest = flight[0].number if flight and not unknown else None
        if oldest != self.oldest:
            # What was in flight before the first record has been the oldest for who knows how long.
            self.oldest, self.since_ns = oldest, event.now

    def end(self, replay, order):
        if self.last():
            self._end(self.last())


class Fences(Rule):
    """Who does not hang loses no job: each ends once, by the device's word, when that has it."""

    def __init__(self, timeout):
        super().__init__("fences", "no job of another is lost in a hang, none ends before its time")
        self.timeout = timeout
        self.submits = False  # whether the trace has them at all
        self.given_back = {}  # vGPU: latest pick of those that came back

    def _wrong(self, event):
        job, hang = event.job, self.timeout.last()
        if job.end == End.UNSAID:
            return "nobody said that it has ended"
        if job.end == End.TIMED_OUT and hang and hang.vgpu != job.vgpu:
            return f"it is lost with those of vGPU {hang.vgpu}"
        if job.picked_ns is None:  # nor is known whether it was submitted
            return None
        if job.end == End.GIVEN_BACK and self.submits and job.submitted_ns is None:
            return "it ends before the device has it"
        if job.end == End.NOT_SENT and job.submitted_ns is not None:
            return "the device has it"
        return None

    def before(self, event, order):
        if event.kind == Kind.SUBMIT:
            self.submits = True
        elif event.kind == Kind.COMPLETE:
            why = self._wrong(event)
            self.holds(why is None, event.now, lambda: f"{name(event.record)}: {why}")
            if event.job.end == End.GIVEN_BACK and event.job.picked_ns is not None:
                before = self.given_back.get(event.job.vgpu, 0)
                self.given_back[event.job.vgpu] = max(before, event.job.picked_ns)
        elif event.kind == Kind.DROP and self.timeout.hangs:
            hang = self.timeout.hangs[-1]
            self.holds(
                hang.vgpu == event.record.vgpu or event.now > hang.end_ns,
                event.now,
                lambda: f"{name(event.record)}: lost with those of vGPU {hang.vgpu}",
            )

    def end(self, replay, order):
        """Older than any hang lasts, and a later one of its vGPU has come back: it never will."""
        if not self.timeout.hangs or self.timeout.oldest is None:
            return
        job = replay.flight[0]
        longest = max(bound_of(hang.timeout_ns) for hang in self.timeout.hangs)
        late = replay.last_ns - self.timeout.since_ns > longest + self.timeout.slack_ns
        lost = late and self.given_back.get(job.vgpu, 0) > job.picked_ns
        self.holds(not lost, replay.last_ns, lambda: f"job {job.number} never comes back")


@dataclass
class Window:
    """A time in which hung jobs are in the way: from the oldest on, until others are served."""

    since_ns: int
    until_ns: int | None
    bound_ns: int
    hung: set


def clipped(spans, since, until):
    """The parts of (from, to, ...) that lie in there."""
    return [(max(a, since), min(b, until)) for a, b, *_ in spans if a < until and b > since]


def covered(spans):
    """How long at least one of them lasts."""
    total, end = 0, None
    for a, b in sorted(spans):
        a = a if end is None else max(a, end)
        if b > a:
            total, end = total + b - a, b
    return total


class Recovery(Rule):
    """While a job waits, hung ones keep the engine from the others for T + G + L at the most."""

    def __init__(self, timeout):
        super().__init__("recovery", "others wait for one time-out, one look and one job more")
        self.timeout = timeout
        self.windows = []
        self.given_up = None  # numbers of all jobs that will have been
        self.lives = []  # of the other jobs: from, to, vGPU, number
        self.kept = {}  # vGPU: (from, to) in which its freeze or its cap kept it
        self.kept_since = {}
        self.longest_ns = 0
        self.resets = []

    def _keep(self, order, now, at_end=False):
        for number, s in order.standings.items():
            kept = not at_end and (s.vgpu.held or s.place is Place.ASLEEP)
            if kept:
                self.kept_since.setdefault(number, now)
            elif number in self.kept_since:
                self.kept.setdefault(number, []).append((self.kept_since.pop(number), now))

    def _given_up(self, event, order):
        """Others are served again when one of theirs is in flight, or none of them waits."""
        hang, replay = self.timeout.hangs[-1], order.replay
        if hang.since_ns is None:
            return
        served = any(job.vgpu != hang.vgpu for job in replay.flight)
        waits = any(s.vgpu.number != hang.vgpu for s in order.active())
        until = hang.end_ns if served or not waits else None
        if self.windows and self.windows[-1].since_ns == hang.since_ns:
            self.windows[-1].until_ns = until  # one more of the same vGPU's
            return
        bound = bound_of(hang.timeout_ns)
        self.windows.append(Window(hang.since_ns, until, bound, {hang.vgpu}))

    def _live(self, job, until, replay):
        since = replay.records[0].time_ns if job.enqueued_ns is None else job.enqueued_ns
        self.lives.append((since, until, job.vgpu, job.number))

    def before(self, event, order):
        if self.given_up is None:
            ends = (r for r in order.replay.records if r.kind == Kind.COMPLETE)
            self.given_up = {r.job for r in ends if r.aux & 0xFF == End.TIMED_OUT}
        if not self.given_up:
            return
        if event.kind == Kind.PICK and self.windows and event.job.number not in self.given_up:
            last = self.windows[-1]
            if last.until_ns is None and event.vgpu.number not in last.hung:
                last.until_ns = event.now
        elif event.kind == Kind.COMPLETE and event.job.end == End.TAKEN_BACK:
            self.resets.append(event.now)
        elif event.kind == Kind.CHARGE and event.record.job not in self.given_up:
            self.longest_ns = max(self.longest_ns, event.record.value)
            self._live(event.job, event.now, order.replay)

    def after(self, event, order):
        if not self.given_up:
            return
        self._keep(order, event.now)
        if order.replay.policy == Policy.FIXED:
            self.skipped = "not where slots decide"
        if event.kind == Kind.CHARGE and event.record.job in self.given_up:
            self._given_up(event, order)

    def end(self, replay, order):
        if not self.windows or self.skipped:
            return
        self._keep(order, replay.last_ns, at_end=True)
        flight = [job for job in replay.flight if job.number not in self.given_up]
        for job in [*flight, *(job for v in replay.vgpus.values() for job in v.queue)]:
            self._live(job, replay.last_ns, replay)
        spans = list(replay.spans)
        if replay.flight and replay.mark_ns is not None:
            spans.append((replay.mark_ns, replay.last_ns, replay.flight[0].number))
        for window in self._merged(replay.last_ns):
            if any(window.since_ns <= at <= window.until_ns for at in self.resets):
                self.skipped = "not across a reset of the device"
            else:
                self._judge(window, spans)

    def _merged(self, last_ns):
        """Where one vGPU hangs behind another, a job may wait for both."""
        merged = []
        for window in sorted(self.windows, key=lambda w: w.since_ns):
            window.until_ns = last_ns if window.until_ns is None else window.until_ns
            if merged and window.since_ns < merged[-1].until_ns:
                merged[-1].until_ns = max(merged[-1].until_ns, window.until_ns)
                merged[-1].bound_ns += window.bound_ns
                merged[-1].hung |= window.hung
            else:
                merged.append(window)
        return merged

    def _judge(self, window, spans):
        others = {number for *_, vgpu, number in self.lives if vgpu not in window.hung}
        served = [span for span in spans if span[2] in others]
        served = sorted(clipped(served, window.since_ns, window.until_ns))
        ends = [end for _, end in served]
        bound = window.bound_ns + self.longest_ns + self.timeout.slack_ns
        for since, until, vgpu, number in self.lives:
            since, until = max(since, window.since_ns), min(until, window.until_ns)
            if since >= until or vgpu in window.hung:
                continue
            # What it waits for in any case: others' jobs, its own cap, a freeze.
            busy = clipped(served[bisect_left(ends, since) :], since, until)
            busy += clipped(self.kept.get(vgpu, ()), since, until)
            self.within(
                until - since - covered(busy),
                bound,
                until,
                lambda: f"job {number} of vGPU {vgpu} waits for what hangs",  # pylint: disable=W0640
            )

# SPDX-License-Identifier: Apache-2.0
"""Rules about the next one: is each pick the right one, and does the engine ever wait for nothing."""

from facetlib.order import Place
from facetlib.replay import name
from facetlib.rule import Rule
from facetlib.trace import Class, Kind, Policy


class Picks(Rule):
    def __init__(self):
        super().__init__("order", "each pick is the one that the order of service chooses")

    def before(self, event, order):
        if event.kind != Kind.PICK or event.job.klass not in list(Class):
            return
        fixed = order.replay.policy == Policy.FIXED
        if fixed or event.job.klass == Class.SLOT:
            ok = fixed and event.job.klass == Class.SLOT
            self.holds(ok, event.now, lambda: f"{name(event.record)}: on a wrong ground")
            return
        why = self._wrong(event, order, order.of(event.vgpu))
        self.holds(why is None, event.now, lambda: f"{name(event.record)}: {why}")

    def _wrong(self, event, order, s):
        if event.vgpu.held:
            return "it is held"
        if s.place is Place.ASLEEP and s.sleeps(event.now):
            return "its cap keeps it"
        flying = order.replay.busy_count() - 1
        if flying and s.expect[0] > order.replay.slice_ns:
            return "the second place is for jobs expected to be short"
        if event.job.klass == Class.RESERVE:
            return self._wrong_reserve(event, order, s)
        return self._wrong_weight(event, order, s)

    def _wrong_reserve(self, event, order, s):
        if s.is_due(event.now) is False:
            return "its reserve is not due"
        low, high = s.deadline()
        if not low <= event.job.until_ns <= high:
            return f"its deadline is not {event.job.until_ns}"
        for other in order.active():
            if other is not s and other.is_due(event.now) and other.key()[1] < s.key()[0]:
                return f"vGPU {other.vgpu.number} is due before"
        return None

    def _wrong_weight(self, event, order, s):
        for other in order.active():
            if other.is_due(event.now):
                return f"the reserve of vGPU {other.vgpu.number} is due"
            if other is s:
                continue
            if other.tag.high() < s.tag.low():
                return f"the tag of vGPU {other.vgpu.number} is less"
            tie = other.tag.is_exact() and s.tag.is_exact() and other.tag.low() == s.tag.low()
            if tie and None not in (other.turn, s.turn) and other.turn < s.turn:
                return f"vGPU {other.vgpu.number} has as small a tag and was there before"
        return None


class Conserving(Rule):
    """No stretch without a job in flight while one that may be picked waits.

    `slack_ns` is left for the way from the processor that queues a job to the one that picks.
    """

    def __init__(self, slack_ns):
        super().__init__("conserving", "the engine never idles while a permitted job waits")
        self.slack_ns = slack_ns
        self.idle = False
        self.since = {}  # vGPU: since when it may be picked, and nothing is in flight

    def _waiting(self, order):
        """Who may be picked now, or will be by the end of time alone."""
        if order.replay.idle_since is None or order.replay.policy == Policy.FIXED:
            return []
        return [s for s in order.standings.values() if s.vgpu.queue and not s.vgpu.held]

    def _judge(self, now):
        waited = max(0, now - min(self.since.values(), default=now))
        self.within(waited, self.slack_ns, now, lambda: "a job waits for an idle engine")

    def before(self, event, order):
        if self.idle and event.kind not in (Kind.ENQUEUE, Kind.SUBMIT):
            self._judge(event.now)

    def after(self, event, order):
        self.idle = order.replay.idle_since is not None
        then, self.since = self.since, {}
        for s in self._waiting(order):
            start = then.get(s.vgpu.number, event.now)
            if s.place is Place.ASLEEP:
                start = max(event.now, s.cap.high())
            self.since[s.vgpu.number] = start

    def end(self, replay, order):
        if self.idle:
            self._judge(replay.last_ns)

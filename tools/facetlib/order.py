# SPDX-License-Identifier: Apache-2.0
"""Who should be next: the rules of docs/scheduler.md, worked out from the records alone.

It keeps the tag, the account and the cap of each vGPU as the scheduler must have them. What was
before the first record shows only as a debt in whole nanoseconds, so they are ranges (level.py);
a pick is called wrong where no numbers in the ranges make it right.
"""

from dataclasses import dataclass, field
from enum import Enum

from facetlib.level import FAR, Level
from facetlib.trace import Class, Kind, Policy

TAG_UNITS = 256  # virtual time counts 1/256 ns at weight 1
WHOLE = 1000
NO_DEADLINE = 1 << 63
EXPECT_FORGETS = 8


class Place(Enum):
    OUT = 0  # nothing queued, or held, or slots decide
    ACTIVE = 1  # it may be picked
    ASLEEP = 2  # its cap keeps it, or may do so


@dataclass
class Standing:
    """Of one vGPU."""

    vgpu: object
    tag: Level
    account: Level
    cap: Level
    head: tuple = (0, 0)  # when its oldest job became that: from, to
    expect: tuple = (0, 0)
    place: Place = Place.OUT
    slept: bool = False  # when it fell asleep that was certain
    turn: int | None = None  # None: not known
    debt0_ns: int = 0  # more than what it owed when it was first seen; FAR: not known
    reserve: int = 0  # in effect

    def sleeps(self, now):
        """Its cap keeps it: True, False, or None where it cannot be told."""
        if self.vgpu.params[2] == WHOLE or self.cap.high() <= now:
            return False
        return True if self.cap.low() > now else None

    def is_due(self, now):
        """Its reserve is to be served: True, False, or None."""
        if not self.vgpu.params[1] or self.account.low() > now:
            return False
        return True if self.account.high() <= now else None

    def deadline(self):
        """From, to; both 0 without a bound."""
        latency = self.vgpu.params[3]
        if not latency:
            return (0, 0)
        return (
            max(self.account.low(), self.head[0]) + latency,
            max(self.account.high(), self.head[1]) + latency,
        )

    def key(self):
        """Among those whose reserve is to be served the least is next."""
        if self.vgpu.params[3]:
            return self.deadline()
        return (NO_DEADLINE + self.account.low(), NO_DEADLINE + self.account.high())


def units(ns, share):
    """The first tag ahead by so many ns."""
    return -(-ns * TAG_UNITS // share)


@dataclass
class Order:
    """All vGPUs of a GPU. `began` and `ended`: whose activity changed with the last event."""

    replay: object
    standings: dict = field(default_factory=dict)
    vtime: tuple = (0, 0)  # from, to
    turns: int = 0
    began: list = field(default_factory=list)  # (standing, fresh)
    ended: list = field(default_factory=list)

    def of(self, vgpu):
        return self.standings[vgpu.number]

    def active(self):
        return [s for s in self.standings.values() if s.place is Place.ACTIVE]

    def share(self, standing, policy=None):
        policy = self.replay.policy if policy is None else policy
        return 1 if policy == Policy.EQUAL else standing.vgpu.params[0]

    def _turn(self):
        self.turns += 1
        return self.turns

    # ---- in and out ----

    def _out(self, s):
        if s.place is Place.ACTIVE:
            self.ended.append(s)
        s.place = Place.OUT

    def _resume(self, s, now, fresh=False):
        if s.sleeps(now) is False:
            s.place = Place.ACTIVE
            self.began.append((s, fresh))
        else:
            self._sleep(s, now)

    def _sleep(self, s, now):
        s.place, s.slept = Place.ASLEEP, s.sleeps(now) is True

    def _begin(self, s, now, certain=True):
        """It may be picked from now on: unused time is gone, what it owes stays owed."""
        sleeps = s.sleeps(now)
        if sleeps is False and certain:
            s.tag.raise_to(*self.vtime)
            s.account.raise_to(now, now)
            s.turn = self._turn()
        elif not sleeps:
            s.tag.raise_to(-FAR, self.vtime[1])
            s.account.raise_to(-FAR, now)
            s.turn = None
        self._resume(s, now, fresh=True)

    def _wake(self, s):
        s.tag.raise_to(*self.vtime)
        s.account.raise_to(s.cap.low() if s.slept else -FAR, s.cap.high())
        s.turn = None  # the scheduler may have woken it earlier, which no record shows
        s.place = Place.ACTIVE
        self.began.append((s, True))

    def prepare(self, event):
        """Before a pick those whose cap lets them on are active again."""
        self.began, self.ended = [], []
        if event.kind != Kind.PICK:
            return
        for s in self.standings.values():
            if s.place is not Place.ASLEEP:
                continue
            if s.vgpu is event.vgpu and not s.sleeps(event.now):
                s.cap.narrow(-FAR, event.now)  # it cannot sleep, if this pick is right
            if s.cap.high() <= event.now:
                self._wake(s)

    def _wants(self, s):
        return s.vgpu.queue and not s.vgpu.held and self.replay.policy != Policy.FIXED

    # ---- events ----

    def apply(self, event):
        """After `prepare`."""
        handler = getattr(self, "_on_" + event.kind.name.lower(), None)
        if handler:
            handler(event, self.standings.get(event.record.vgpu))
        # Woken for its last job: it has ended.
        self.began = [(s, fresh) for s, fresh in self.began if s.place is Place.ACTIVE]

    def _on_params(self, event, s):
        vgpu = event.vgpu
        if s is None:
            share = 1 if self.replay.policy == Policy.EQUAL else vgpu.params[0]
            _, reserve, cap, _ = vgpu.params
            levels = [Level(divisor) for divisor in (share, reserve, cap)]
            self.standings[vgpu.number] = Standing(vgpu, *levels, reserve=reserve)
            return
        place, certain = s.place, self._certain(s, event.now)
        self._out(s)
        self._retune(s, event.now)
        if place is Place.ACTIVE:
            self._resume(s, event.now)
        elif place is Place.ASLEEP:
            self._begin(s, event.now, certain)

    @staticmethod
    def _certain(s, now):
        """Whether its place is the true one: asleep, it may have been woken, or never slept."""
        return s.place is not Place.ASLEEP or (s.slept and s.cap.low() > now)

    def _on_policy(self, event, _):
        if self.replay.beginning:
            return
        before = {n: (s.place, self._certain(s, event.now)) for n, s in self.standings.items()}
        for s in self.standings.values():
            self._out(s)
            self._retune(s, event.now)
        for n, s in self.standings.items():
            place, certain = before[n]
            if self._wants(s) and place is Place.ACTIVE:
                self._resume(s, event.now)
            elif self._wants(s):
                self._begin(s, event.now, certain)

    def _on_state(self, event, s):
        if self.replay.beginning:
            self._estimate(s, event.record.aux, event.now)

    def _estimate(self, s, debt, now):
        """It was there before: all that is known is what it owes, by one of its accounts."""
        _, reserve, cap, _ = s.vgpu.params
        share, waits = self.share(s), bool(self._wants(s))
        s.debt0_ns = FAR if self.replay.policy == Policy.FIXED else debt + 1
        s.expect = (0, FAR)
        s.head = (-FAR, now)
        if self.replay.policy == Policy.FIXED:
            s.tag.guess(-FAR, FAR, share)
            s.account.guess(-FAR, FAR, reserve)
            s.cap.guess(-FAR, FAR, cap)
            return
        only = debt and not reserve and cap == WHOLE
        low = units(debt, share) if only else 0 if waits else -FAR
        s.tag.guess(low, units(debt + 1, share) - 1, share)
        if reserve:
            s.account.guess(-FAR, now + (debt + 1) * WHOLE // reserve, reserve)
        if cap < WHOLE:
            s.cap.guess(-FAR, now + (debt + 1) * WHOLE // cap, cap)
        if waits:
            self._resume(s, now)

    def _on_hold(self, event, s):
        if self.replay.beginning:
            return
        if s.vgpu.held:
            self._out(s)
            return
        s.head = (event.now, event.now)
        if self._wants(s):
            self._begin(s, event.now)

    def _on_enqueue(self, event, s):
        if not event.began:
            return
        s.head = (event.now, event.now)
        if self._wants(s):
            self._begin(s, event.now)

    def _on_drop(self, _, s):
        self._out(s)

    def _on_remove(self, event, s):
        self._out(s)
        del self.standings[event.record.vgpu]

    def _on_pick(self, event, s):
        s.head = (event.now, event.now)
        if event.job.klass == Class.SLOT:
            return
        if s.place is Place.ASLEEP:  # a wrong pick
            self._wake(s)
        if event.job.klass == Class.WEIGHT:
            self._picked_by_weight(s)
        elif event.job.until_ns:
            s.account.narrow(-FAR, event.job.until_ns - s.vgpu.params[3])
        s.account.narrow(-FAR, event.now if event.job.klass == Class.RESERVE else FAR)
        if event.emptied:
            self._out(s)
        elif event.job.klass == Class.WEIGHT:
            s.turn = self._turn()

    def _picked_by_weight(self, s):
        if not s.tag.is_exact():
            least = min((o.tag.high() for o in self.active() if o is not s), default=FAR)
            s.tag.narrow(self.vtime[0], least)
        self.vtime = (s.tag.low(), s.tag.high())
        for other in self.standings.values():
            if other.place is Place.ACTIVE and not other.tag.is_exact():
                other.tag.narrow(self.vtime[0], FAR)

    def _on_charge(self, event, s):
        ns, job = event.record.value, event.job
        low, high = s.expect
        s.expect = tuple(max(ns, e - e // EXPECT_FORGETS) for e in (low, high))
        if job.klass == Class.SLOT:
            return
        if s.place is Place.ASLEEP and s.cap.low() <= event.now:
            # Woken by a pick that found nothing, perhaps: it would be raised by now.
            s.tag.raise_to(-FAR, self.vtime[1])
            s.account.raise_to(-FAR, s.cap.high())
        self._pay(s, job, ns)
        if s.vgpu.params[2] < WHOLE:
            since = job.picked_ns
            s.cap.raise_to(*((since, since) if since is not None else (-FAR, event.now)))
            s.cap.grow(ns * WHOLE)
        if s.place is Place.ACTIVE and s.sleeps(event.now) is not False:
            self._out(s)
            self._sleep(s, event.now)

    def _pay(self, s, job, ns):
        reserve = s.vgpu.params[1]
        if job.klass is None:  # picked before the first record
            s.debt0_ns += ns
            s.tag.grow(0, ns * TAG_UNITS)
            if reserve:
                s.account.grow(0, ns * WHOLE)
        elif job.klass == Class.WEIGHT:
            s.tag.grow(ns * TAG_UNITS)
        elif reserve:
            s.account.grow(ns * WHOLE)

    # ---- other parameters ----

    def _retune(self, s, now):
        _, reserve, cap, _ = s.vgpu.params
        self._set_share(s, self.share(s))
        self._set_reserve(s, reserve, now)
        self._set_cap(s, cap, now)

    def _set_share(self, s, share):
        old = s.tag.divisor
        if share == old:
            return
        ends = [
            tag if tag <= v else v + (tag - v) * old // share
            for tag in (s.tag.low(), s.tag.high())
            for v in self.vtime
        ]
        s.tag.put(min(ends), max(ends), share)

    def _set_reserve(self, s, reserve, now):
        old, s.reserve = s.reserve, reserve
        if reserve == old:
            return
        if not old:
            s.account.move(lambda at: max(at, now), reserve)
        elif reserve:
            s.account.move(lambda at: moved(at, now, old, reserve), reserve)
        else:
            s.account.put(now, now, reserve)

    @staticmethod
    def _set_cap(s, cap, now):
        old = s.cap.divisor
        if cap == old:
            return
        if cap == WHOLE:  # without a cap nothing is owed to it
            s.cap.move(lambda at: min(at, now), cap)
        else:
            s.cap.move(lambda at: moved(at, now, old, cap) if at > now else at, cap)

    # ---- debts ----

    def debt(self, s, now):
        """What it is ahead by, in ns: from, to."""
        share, (_, reserve, cap, _) = s.tag.divisor, s.vgpu.params
        parts = [
            (
                (s.tag.low() - self.vtime[1]) * share // TAG_UNITS,
                (s.tag.high() - self.vtime[0]) * share // TAG_UNITS,
            )
        ]
        if reserve:
            parts.append(
                tuple((at - now) * reserve // WHOLE for at in (s.account.low(), s.account.high()))
            )
        if cap < WHOLE:
            parts.append(tuple((at - now) * cap // WHOLE for at in (s.cap.low(), s.cap.high())))
        return max(0, *(p[0] for p in parts)), max(0, *(p[1] for p in parts))

    def learn(self, s, debt, now):
        """The record says what it owes: none of its accounts is ahead by more."""
        share, (_, reserve, cap, _) = s.tag.divisor, s.vgpu.params
        s.debt0_ns = min(s.debt0_ns, debt + 1) if s.debt0_ns == FAR else s.debt0_ns
        if not s.tag.is_exact():
            low = -FAR
            if debt and not reserve and cap == WHOLE:
                low = self.vtime[0] + units(debt, share)
            s.tag.narrow(low, self.vtime[1] + units(debt + 1, share) - 1)
        if reserve and not s.account.is_exact():
            s.account.narrow(-FAR, now + (debt + 1) * WHOLE // reserve)
        if cap < WHOLE and not s.cap.is_exact():
            s.cap.narrow(-FAR, now + (debt + 1) * WHOLE // cap)


def moved(at, now, old, new):
    """An account at another rate: ahead or behind by the same engine time."""
    if at >= now:
        return now + (at - now) * old // new
    return now - min(now, (now - at) * old // new)

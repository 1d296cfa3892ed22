# SPDX-License-Identifier: Apache-2.0
"""Who had how much of the engine while all of some vGPUs wanted it.

That is what weights promise (docs/scheduler.md, Share): a vGPU with an empty queue is not owed
what it did not ask for. At the ends of such a time each may be ahead, by D of its jobs at the most,
and pays it back afterwards: that much is taken off, so that one long job at the end does not count.
"""

from dataclasses import dataclass, field

from facetlib.order import Order, Place
from facetlib.replay import Replay
from facetlib.trace import Class, Kind


@dataclass
class Contest:
    """Sums over all the time in which each of them might be picked, and parameters stayed."""

    ns: int = 0
    stretches: int = 0
    engine_ns: dict = field(default_factory=dict)  # vGPU: by weight, charged meanwhile
    ahead_ns: dict = field(default_factory=dict)  # vGPU: of that, owed at the end, less before

    def paid_ns(self, vgpu):
        """What it had and does not have to go without later."""
        return self.engine_ns.get(vgpu, 0) - self.ahead_ns.get(vgpu, 0)


def contest(dump, vgpus):
    """Follows a trace; None where it has lost its beginning."""
    replay, found = Replay(dump), Contest()
    if not replay.whole:
        return None
    order, since, owed, had, longest = Order(replay), None, {}, {}, {}
    for record in replay.records:
        if record.kind == Kind.CHARGE:
            longest[record.vgpu] = max(longest.get(record.vgpu, 0), record.value)

    def debts(now):
        most = {n: replay.depth * longest.get(n, 0) for n in vgpus}
        return {n: min(order.debt(order.standings[n], now)[0], most[n]) for n in vgpus}

    def close(now):
        nonlocal since
        for n, debt in debts(now).items():
            found.engine_ns[n] = found.engine_ns.get(n, 0) + had[n]
            found.ahead_ns[n] = found.ahead_ns.get(n, 0) + debt - owed[n]
        found.ns += now - since
        found.stretches += 1
        since = None

    for index in range(len(replay.records)):
        event = replay.apply(index)
        if event is None:
            continue
        changes = event.kind in (Kind.PARAMS, Kind.POLICY, Kind.REMOVE)
        if since is not None and changes:
            close(event.now)
        order.prepare(event)
        order.apply(event)
        # A job is charged to the time in which it ended, be its queue empty from now on.
        if since is not None and event.kind == Kind.CHARGE and event.vgpu.number in had:
            if event.job.klass in (Class.WEIGHT, None):
                had[event.vgpu.number] += event.record.value
        wants = all(
            n in order.standings and order.standings[n].place is Place.ACTIVE for n in vgpus
        )
        if since is not None and not wants:
            close(event.now)
        elif since is None and wants and not replay.beginning:
            since, owed, had = event.now, debts(event.now), dict.fromkeys(vgpus, 0)
    if since is not None:
        close(replay.last_ns)
    return found

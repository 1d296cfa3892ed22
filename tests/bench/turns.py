# SPDX-License-Identifier: Apache-2.0
"""Machines that take turns: one runs for a while, the others stand still, their clocks too.

What the host does to one of them in between, it does to all. QEMU's `stop` stops the clocks that
guests see, the TSC among them, so what guests measure by them is as if each ran alone.
"""

import threading
import time

SLICE_S = 0.5


class Failed(AssertionError):
    """Another machine's work came to no end."""


class Turns:
    """Start the machines with STOPPED, and use it in a `with` statement, from a thread a machine."""

    STOPPED = ("-S",)  # QEMU's arguments

    def __init__(self, machines):
        self.machines = list(machines)
        self.ran = {machine: 0.0 for machine in self.machines}  # seconds of turns that are over
        self.turn = None  # whose turn it is, and since when
        self.here = set()  # those that wait for the others
        self.meetings = 0
        self.changed = threading.Condition()
        self.over = False
        self.error = None  # the first
        self.thread = threading.Thread(target=self._rotate, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.give_up()
        self.thread.join()

    def time_s(self, machine):
        """How long it has run."""
        with self.changed:
            whose, since = self.turn or (None, 0)
            return self.ran[machine] + (time.monotonic() - since if whose is machine else 0)

    def meet(self, machine):
        """It stands still until each of the others has come here, too."""
        with self.changed:
            meeting = self.meetings
            self.here.add(machine)
            if len(self.here) == len(self.machines):
                self.here.clear()
                self.meetings += 1
            self.changed.notify_all()
            self.changed.wait_for(lambda: self.over or self.meetings != meeting)
            if self.meetings == meeting:
                raise Failed("a machine that takes turns with this one has failed")

    def give_up(self, error=None):
        """No machine runs any more. After an error all are closed, so that nobody waits for one."""
        with self.changed:
            self.error = self.error or error
            self.over = True
            self.changed.notify_all()

    def _next(self, last):
        """Whose turn it is after `last`; None: it is over."""
        with self.changed:
            self.changed.wait_for(lambda: self.over or len(self.here) < len(self.machines))
            after = self.machines.index(last) + 1
            order = self.machines[after:] + self.machines[:after]
            return None if self.over else next(m for m in order if m not in self.here)

    def _rotate(self):
        machine = self.machines[-1]
        try:
            while machine := self._next(machine):
                machine.qmp("cont")
                with self.changed:
                    self.turn = machine, time.monotonic()
                    self.changed.wait_for(
                        lambda m=machine: self.over or m in self.here, timeout=SLICE_S
                    )
                machine.qmp("stop")
                with self.changed:
                    self.ran[machine] += time.monotonic() - self.turn[1]
                    self.turn = None
        except (OSError, ValueError, RuntimeError) as error:
            self.give_up(error)
        if self.error:
            for machine in self.machines:
                machine.close()


def each(machines, work):
    """work(machine, turns) of each in its own thread; returns {machine: result}."""
    results = {}

    def run(machine, turns):
        try:
            results[machine] = work(machine, turns)
            turns.meet(machine)
        except BaseException as error:  # pylint: disable=broad-exception-caught
            turns.give_up(error)

    with Turns(machines) as turns:
        threads = [threading.Thread(target=run, args=(m, turns)) for m in machines]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    if turns.error:
        raise turns.error
    return results

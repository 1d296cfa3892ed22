# SPDX-License-Identifier: Apache-2.0
"""Machines of a bench that take turns: one at a time, and all wait for the last."""

import os
import sys
import threading
import time

import pytest
from conftest import ROOT

sys.path.insert(0, os.path.join(ROOT, "tests/bench"))
import turns  # pylint: disable=wrong-import-position


class Fake:
    """Does work only while it runs, as QEMU does; fails where two run at once."""

    running = 0
    log = []

    def __init__(self, name):
        self.name = name
        self.runs = threading.Event()
        self.closed = threading.Event()

    def qmp(self, command):
        Fake.running += 1 if command == "cont" else -1
        assert Fake.running in (0, 1)
        Fake.log.append((command, self.name))
        (self.runs.set if command == "cont" else self.runs.clear)()

    def close(self):
        self.closed.set()

    def does(self, steps):
        for _ in range(steps):
            assert self.runs.wait(5)
            time.sleep(0.001)


@pytest.fixture
def three(monkeypatch):
    monkeypatch.setattr(turns, "SLICE_S", 0.01)
    Fake.running, Fake.log = 0, []
    return [Fake(name) for name in "abc"]


def turns_of(name):
    return Fake.log.count(("cont", name))


def test_each_has_its_turn_and_one_alone_runs(three):
    turns.each(three, lambda machine, _: machine.does(100))
    begun = [name for command, name in Fake.log if command == "cont"]
    assert begun[:6] == list("abcabc")
    assert Fake.running == 0 and len(Fake.log) % 2 == 0


def test_who_has_come_to_the_meeting_stands_still_until_the_last_has(three):
    slow = three[2]
    seen = {}

    def work(machine, taking):
        machine.does(300 if machine is slow else 1)
        if machine is slow:
            seen.update({m.name: turns_of(m.name) for m in three})
        taking.meet(machine)
        machine.does(1)

    turns.each(three, work)
    assert seen["c"] > seen["a"] + 3 and seen["c"] > seen["b"] + 3
    assert turns_of("a") > seen["a"] and turns_of("b") > seen["b"]


def test_time_is_what_a_machine_has_run(three):
    def work(machine, taking):
        before, began = taking.time_s(machine), time.monotonic()
        machine.does(100)
        return taking.time_s(machine) - before, time.monotonic() - began

    for ran, passed in turns.each(three, work).values():
        assert 0.05 < ran < 0.6 * passed


def waits_for_the_end(machine, taking):
    """As one that waits for a line which does not come any more."""
    if machine.name == "a":
        taking.meet(machine)
    assert machine.closed.wait(5)
    raise AssertionError("the machine ended")


def test_one_that_fails_ends_all_and_its_error_is_told(three):
    def work(machine, taking):
        if machine is three[1]:
            raise KeyError("the one")
        waits_for_the_end(machine, taking)

    with pytest.raises(KeyError, match="the one"):
        turns.each(three, work)
    assert Fake.running == 0 and all(machine.closed.is_set() for machine in three)


def test_a_monitor_that_does_not_answer_ends_all_too(three):
    def broken(command):
        raise OSError(command)

    three[0].qmp = broken
    with pytest.raises(OSError, match="cont"):
        turns.each(three, waits_for_the_end)
    assert all(machine.closed.is_set() for machine in three)

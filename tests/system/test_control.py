# SPDX-License-Identifier: Apache-2.0
"""What the operator does to the GPU while guests run, and what the storm guards do.

Two bare guests keep their queues full; a third floods its doorbell.
"""

import base64
import hashlib
import re
import struct
import zlib

import facet
import pytest
import traces
from facetlib.shares import contest

pytestmark = pytest.mark.not_on(
    "qemu-vbe", "qemu-virgl", "bochs-*", reason="one GPU with an engine and rings is enough"
)

LOAD = "facet.size=2048 facet.depth=24 facet.tell=20"
LOADS = ("alpha", "beta")
TRACE_RECORD = struct.Struct("<QQQIHBB")
ENQUEUE, PICK, SUBMIT, COMPLETE, CHARGE = range(1, 6)


@pytest.fixture(scope="module")
def house(start_shared):
    machine = start_shared(
        facet.conf(
            *(facet.bare_conf(name, "load", LOAD) for name in LOADS),
            facet.bare_conf("storm", "doorbell", gpu__doorbells="1000", autostart="no"),
        ),
        files=facet.BARE_FILES,
    )
    for name in LOADS:
        machine.expect(rf"^{name}\| .*load: completed", facet.BOOT_S + 60, since=0)
    return machine


@pytest.fixture(name="machine")
def as_by_the_file(house):
    """Each test leaves the settings as they were at start."""
    yield house
    house.command("gpu set 0 policy=fair slice=2ms")
    for name in LOADS:
        house.command(f"gpu set {name} reserve=0% latency=0s cap=100%")
        house.command(f"gpu set {name} weight=100 queue=64")


def vgpu(machine, name):
    [found] = [v for v in machine.stats()["gpus"][0]["vgpus"] if v["name"] == name]
    return found


def vgpu_number(name):
    """Of a trace: the guest's place in the file."""
    return LOADS.index(name)


def comes_to(machine, name, state, seconds):
    for _ in range(seconds * 4):
        if vgpu(machine, name)["state"] == state:
            return True
        machine.rest(0.25)
    return False


def completes(machine, name, timeout=20):
    """It says that jobs of its are complete, and all well."""
    machine.expect(rf"^{name}\| .*load: completed \d+ bad 0", timeout, since=machine.mark())


def shares(machine, seconds=5):
    """Engine time of each, as a part of all time."""

    def now():
        stats = machine.stats()
        return stats["uptime_ns"], [facet.figure(stats, "engine_ns", name) for name in LOADS]

    start, before = now()
    machine.rest(seconds)
    end, after = now()
    return [(b - a) / (end - start) for a, b in zip(before, after)]


def test_a_weight_holds_at_once(machine):
    """While both have jobs waiting: a guest that its processor leaves without is owed nothing.

    So the share is the trace's of that time, and how the host was loaded does not count: neither
    that, nor for how long the engine stands still when a processor gets no core of the host.
    """
    assert machine.command("gpu set alpha weight=300").strip() == ""
    traces.begin(machine)
    machine.rest(10)
    dump = traces.take(machine)
    traces.judge(dump, "jobs", "charge", "order", "lag", "debt", but=["conserving"])
    both = contest(dump, [vgpu_number(name) for name in LOADS])
    assert both.ns >= 10**9, f"both had jobs waiting for {both.ns} ns of ten seconds: no test"
    alpha, beta = (both.paid_ns(vgpu_number(name)) for name in LOADS)
    assert 0.95 * 3 <= alpha / beta <= 1.05 * 3, both
    assert vgpu(machine, "alpha")["weight"] == 300


def test_a_cap_holds_and_the_other_has_the_rest(machine):
    machine.command("gpu set alpha cap=20%")
    alpha, beta = shares(machine)
    assert 0.15 <= alpha <= 0.21 and beta >= 0.5
    assert vgpu(machine, "alpha")["cap"] == 200


def test_a_reserve_is_had_whatever_the_weight(machine):
    machine.command("gpu set alpha weight=1 reserve=40%")
    machine.command("gpu set beta weight=10000")
    alpha, _ = shares(machine)
    assert alpha >= 0.38


def test_strict_slots_leave_an_absent_guests_slot_empty(machine):
    """Three guests are configured: a third for each, and no more while one is frozen."""
    machine.command("gpu set 0 policy=fixed slice=50ms")
    alpha, beta = shares(machine)
    assert 0.15 <= alpha <= 0.34 and 0.15 <= beta <= 0.34
    machine.command("gpu freeze beta")
    machine.rest(0.5)
    alone, frozen = shares(machine)
    machine.command("gpu thaw beta")
    assert frozen == 0 and 0.15 <= alone <= 0.34


def test_what_cannot_hold_is_refused_with_a_reason(machine):
    machine.command("gpu set beta reserve=70%")
    for words, reason in (
        ("reserve=40%", r"gpu set: reserve: 30\.0% of gpu 0 is left"),
        ("memory=1M", r"gpu set: memory: guest alpha holds \d+ KiB now"),
        ("reserve=20% latency=1ms", r"gpu set: latency: guest alpha's bound of 1000 us"),
        ("queue=0", r'gpu set: queue: found "0", allowed: a number from 1 to 64'),
    ):
        assert re.match(reason, machine.command(f"gpu set alpha {words}"))
    assert vgpu(machine, "alpha")["reserve"] == 0


def test_a_queue_limit_is_kept(machine):
    machine.command("gpu set alpha queue=3")
    machine.rest(1)
    for _ in range(5):
        now = vgpu(machine, "alpha")
        assert now["queued"] + now["in_flight"] <= 3
    completes(machine, "alpha")


def test_a_frozen_guest_stands_still_and_loses_nothing(machine):
    machine.command("gpu freeze alpha")
    machine.rest(1)
    before = vgpu(machine, "alpha")
    assert before["state"] == "frozen" and before["held"] is True
    machine.rest(3)  # longer than its time-out
    after = vgpu(machine, "alpha")
    assert after["jobs"] == before["jobs"] and after["hangs"] == 0 and after["queued"] > 0
    completes(machine, "beta")
    machine.command("gpu thaw alpha")
    completes(machine, "alpha")
    assert vgpu(machine, "alpha")["state"] == "run"


def test_a_frozen_guest_restarts(machine):
    machine.command("gpu freeze alpha")
    machine.command("gpu set alpha weight=7")
    machine.command("restart alpha")
    completes(machine, "alpha", 60)
    now = vgpu(machine, "alpha")
    assert now["state"] == "run" and now["held"] is False
    assert now["weight"] == 100, "the file's settings hold at each start"


def test_a_reset_ends_what_the_guest_has_and_a_restart_brings_it_back(machine):
    machine.command("gpu reset alpha")
    assert comes_to(machine, "alpha", "hung", 5)
    now = vgpu(machine, "alpha")
    assert now["memory_used"] == 0 and now["queued"] == 0 and now["hangs"] == 0
    completes(machine, "beta")
    machine.command("restart alpha")
    completes(machine, "alpha", 60)
    assert vgpu(machine, "alpha")["state"] == "run"


def test_a_doorbell_storm_is_slowed_then_frozen_with_one_line_each(machine):
    since = machine.mark()
    machine.command("start storm")
    machine.expect(r"guest storm: gpu 0: more than 1000 doorbells in a second: slowed", 60)
    assert vgpu(machine, "storm")["guard"] == "slowed"
    machine.expect(r"guest storm: gpu 0: too many doorbells .*frozen until `gpu thaw`", 20)
    for name in LOADS:
        completes(machine, name)
    now = vgpu(machine, "storm")
    assert now["state"] == "frozen" and (now["slowed"], now["storms"]) == (1, 1)
    assert len(re.findall(r"^facet: .*guest storm: gpu 0", machine.text(since), re.M)) == 2
    machine.command("gpu thaw storm")
    assert comes_to(machine, "storm", "frozen", 30), "it goes on, and so does the guard"
    machine.command("stop storm")
    machine.comes_to("storm", "stopped")
    assert vgpu(machine, "storm")["guard"] == "free"


def read_trace(text):
    """The records of one dump, its check sum proved."""
    head = re.search(r"^trace gpu 0 version 1 records (\d+) lost (\d+)$", text, re.M)
    body = text[head.end() :]
    end = re.search(r"^trace end crc32 ([0-9a-f]{8})$", body, re.M)
    lines = re.findall(r"^[A-Za-z0-9+/]+=*$", body[: end.start()], re.M)
    data = b"".join(base64.b64decode(line) for line in lines)
    assert zlib.crc32(data) == int(end.group(1), 16)
    records = [TRACE_RECORD.unpack_from(data, at) for at in range(0, len(data), 32)]
    assert len(records) == int(head.group(1))
    return records, int(head.group(2))


def test_the_trace_is_whole(machine):
    machine.command("trace gpu on 65536")
    before = [facet.figure(machine.stats(), "jobs", name) for name in LOADS]
    machine.rest(3)
    since = machine.mark()
    machine.command("trace dump", until=r"^trace end.*\n", timeout=60)
    records, lost = read_trace(machine.text(since))
    after = [facet.figure(machine.stats(), "jobs", name) for name in LOADS]
    machine.command("trace gpu off")
    for name in LOADS:
        completes(machine, name)
    assert lost == 0 and records[0][5] == 8
    assert all(a[0] <= b[0] for a, b in zip(records, records[1:]))
    # Each job in its order, none twice; what was complete is what the figures say at the most.
    events = {}
    for _, _, _, job, _, kind, _ in records:
        if job and kind <= CHARGE:
            events.setdefault(job, []).append(kind)
    whole = [ENQUEUE, PICK, SUBMIT, COMPLETE, CHARGE]
    for kinds in events.values():
        assert kinds == whole[whole.index(kinds[0]) :][: len(kinds)]
    charged = sum(kinds[-1] == CHARGE for kinds in events.values())
    assert 0 < charged <= sum(after) - sum(before) + 2


class Screen:
    """As much of a terminal as `gpu top` needs: what stands where, and where the rest scrolls."""

    ROWS = 24
    WRITES = re.compile(rb"\x1b\[([0-9;]*)([A-Za-z])|(\r)|(\n)|([ -~]+)")

    def __init__(self):
        self.rows = [""] * self.ROWS
        self.at = self.saved = (0, 0)
        self.top = 0

    def write(self, data):
        for arguments, command, cr, lf, text in self.WRITES.findall(data):
            row, column = self.at
            if text:
                words = text.decode()
                self.rows[row] = self.rows[row].ljust(column)[:column] + words
                self.at = (row, column + len(words))
            elif cr:
                self.at = (row, 0)
            elif lf and row == self.ROWS - 1:
                del self.rows[self.top]
                self.rows.append("")
            elif lf:
                self.at = (row + 1, column)
            elif command == b"H":
                row, column = (int(n) for n in arguments.split(b";"))
                self.at = (min(row, self.ROWS) - 1, column - 1)
            elif command == b"K":
                self.rows[row] = self.rows[row][:column]
            elif command == b"J":
                self.rows = [""] * self.ROWS
            elif command == b"r":
                self.top = int(arguments.strip(b";") or 1) - 1
                self.at = (0, 0)
            elif command == b"s":
                self.saved = self.at
            elif command == b"u":
                self.at = self.saved


def written(machine):
    with open(machine.log.name, "rb") as log:
        return log.read()


def test_top_shows_the_shares_and_q_leaves(machine):
    machine.command("gpu set alpha weight=300")
    start = len(written(machine))
    machine.send("gpu top\r")
    machine.rest(4)
    screen = Screen()
    screen.write(written(machine)[start:])
    assert re.match(r"gpu 0  virtio-gpu  fair  slice 2000 us +q leaves$", screen.rows[0])
    assert screen.rows[1].startswith("guest ")
    line = r"{} +(\d+\.\d)% [=.]{{7}} +(\d+\.\d)% [#.]{{7}} +\d+ +\d+[ums]/\d+[ums] +\S+/\S+ +run$"
    alpha, beta = (
        [float(n) for n in re.match(line.format(name), row).groups()]
        for name, row in zip(LOADS, screen.rows[2:])
    )
    assert alpha[0] == 60.0 and beta[0] == 20.0
    assert alpha[1] > 2 * beta[1] > 0
    assert all(len(row) <= 80 for row in screen.rows[:5])
    # What the guests say stands below, and nothing of it in the table.
    assert any("completed" in row for row in screen.rows[6:])
    assert not any("completed" in row for row in screen.rows[:6])
    machine.send("q")
    machine.expect(r"^facet> ", since=machine.mark() - 20)
    machine.command("guests", until=r"alpha\b.*running")


def test_the_figures_say_how_long_jobs_waited(machine):
    machine.rest(2)
    stats = machine.stats()["gpus"][0]
    assert (stats["policy"], stats["slice_ns"], stats["depth"]) == ("fair", 2000000, 2)
    for now in stats["vgpus"][:2]:
        assert 0 < now["wait_p50_ns"] <= now["wait_p99_ns"] <= 2 * now["wait_max_ns"]
        assert now["wait_p50_ns"] <= now["turn_p50_ns"] <= now["turn_p99_ns"]
        assert now["queue_limit"] == 64 and now["timeout_ns"] == 2 * 10**9


def test_the_ledgers_chain_holds(house):
    """Last in this file's use of the house: a minute has nearly gone by."""
    head = house.expect(r"ledger gpu 0 minute 1 head ([0-9a-f]{64})", 90, since=0).group(1)
    text = house.command("gpu ledger")
    pairs = re.findall(r"^(ledger gpu 0 minute .*)\nledger head ([0-9a-f]{64})$", text, re.M)
    assert pairs and pairs[0][1] == head
    before, end = "0" * 64, "0"
    for line, hashed in pairs:
        words = line.split()
        fields = dict(zip(words[1:11:2], words[2:11:2]))
        guests = dict(zip(words[11:-2:2], words[12:-2:2]))
        assert words[-2:] == ["prev", before] and fields["start"] == end
        assert sum(map(int, guests.values())) == int(fields["busy"]) > 0
        assert list(guests) == ["alpha", "beta", "storm"]
        assert hashlib.sha256(line.encode()).hexdigest() == hashed
        before, end = hashed, fields["end"]


def test_a_bound_that_cannot_hold_is_refused_at_start(start):
    machine = start(
        facet.conf(
            facet.bare_conf("alpha", "load", LOAD, gpu__reserve="10%", gpu__latency="1ms"),
            facet.bare_conf("beta", "load", LOAD),
        ),
        files=facet.BARE_FILES,
    )
    machine.expect(r"gpu 0: latency: guest alpha's bound of 1000 us would not", 60, since=0)
    completes(machine, "beta", 60)

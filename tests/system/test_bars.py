# SPDX-License-Identifier: Apache-2.0
"""Virtual BARs: no exits while they stand still, exact ends when they move.

The guest is tests/guest/bare; its neighbour fills its own video memory and some RAM with a
pattern and looks for ever whether it stays.
"""

import random
import re

import benches
import facet
import pytest

pytestmark = pytest.mark.not_on(
    "qemu-virtio", reason="virtio-gpu has no video memory: none of its BARs is direct"
)

# Rounds of one or more changes each: on QEMU, on Bochs. A busy host may reach the guest's own
# limit of time first; LEAST is what has to be done by then.
ROUNDS = {"barmove": (3000, 2000), "remap": (1000, 500)}
LEAST = {"barmove": 500, "remap": 200}

# The neighbour gets what the mover leaves, and all of it in the end.
WATCH = {"cpu__weight": 10, "gpu__memory": "1M"}


def with_watch(start, name, test, words, **keys):
    """A machine with a neighbour that has filled its memory, and the guest that is tested."""
    text = facet.conf(
        facet.bare_conf("watch", "watch", **WATCH),
        facet.bare_conf(name, test, words, autostart="no", gpu__memory="1M", **keys),
    )
    machine = start(text, files=facet.BARE_FILES)
    machine.expect(r"^watch\| .*watch: \d+ words are filled", facet.BOOT_S + facet.GUEST_S)
    machine.prompt(1)
    machine.command(f"start {name}")
    return machine


def check_watch(machine):
    """Two lines of the neighbour's from now on: the second one's pass began after now."""
    for _ in range(2):
        machine.expect(r"^watch\| .*watch: pass \d+, \d+ spoilt", facet.GUEST_S)
    spoilt = re.findall(r"^watch\| .*watch: pass \d+, (\d+) spoilt", machine.text(), re.MULTILINE)
    assert set(spoilt) == {"0"}


def check_rounds(machine, test):
    """The guest came to its end, made enough rounds, and found nothing wrong."""
    line = machine.expect(
        rf"^mover\| .*({test}: (\d+) rounds, (\d+) changes, \d+ stores, (\d+) failures"
        r"|exception .*|.*stands still.*)",
        facet.GUEST_S,
    )
    said = [t for t in machine.text().splitlines() if re.match(r"mover\| .*bars: ", t)]
    assert line.group(4) == "0" and not said, (line.group(1), said)
    assert int(line.group(2)) >= LEAST[test]
    assert int(line.group(3)) >= 2 * LEAST[test]


def start_mover(start, bench, test):
    rounds = ROUNDS[test][bench.emulator == "bochs"]
    return with_watch(start, "mover", test, f"facet.rounds={rounds}", cpus=2)


def test_a_bar_moves_while_another_processor_writes_through_it(start, bench):
    """What retired before the change is there; later stores reach nothing, nor a neighbour."""
    machine = start_mover(start, bench, "barmove")
    check_rounds(machine, "barmove")
    check_watch(machine)


def test_unmapping_stops_a_processor_that_never_leaves_the_guest(start, bench):
    """Nothing but a kick ends the other processor's use of the old translation."""
    machine = start_mover(start, bench, "remap")
    check_rounds(machine, "remap")
    check_watch(machine)


def test_unmapping_does_not_wait_for_the_other_processors_next_interrupt(start, bench):
    """By the guest's clock, which counts instructions on either emulator.

    QEMU's processors then take turns, and some unmappings meet the end of one: 176 to 184 of 200
    are quick, and 83 where the other processor is not asked to leave the guest.
    """
    counted = bench.emulator == "qemu" and not benches.kvm_wanted()
    options = {"extra": ["-icount", "shift=3,sleep=off"]} if counted else {}
    rounds = LEAST["remap"]
    text = facet.conf(
        facet.bare_conf("mover", "remap", f"facet.rounds={rounds}", gpu__memory="1M", cpus=2)
    )
    machine = start(text, files=facet.BARE_FILES, **options)
    quick = machine.expect(
        rf"^mover\| .*remap: .* (\d+) of {rounds} unmappings within 1 ms",
        facet.BOOT_S + facet.GUEST_S,
    )
    assert int(quick.group(1)) >= rounds * 3 // 4


def test_video_memory_costs_no_exit(start):
    """Two million accesses to BAR0 and a thousand to BAR2, by the host's own count."""
    machine = start(
        facet.conf(
            facet.bare_conf("one", "noexit", "facet.words=1000000 facet.trapped=1000", cpus=1)
        ),
        files=facet.BARE_FILES,
    )
    machine.expect(
        r"^one\| .*noexit: 1000000 words and 1000 registers, 0 wrong",
        facet.BOOT_S + facet.GUEST_S,
    )
    (one,) = machine.stats()["guests"]
    assert 1000 <= one["exits"]["mmio"] <= 1010
    # Its few lines of text, its PCI, and the host's own interrupts.
    others = sum(count for kind, count in one["exits"].items() if kind != "interrupt")
    assert others < 10000


def test_hostile_values_in_the_display_registers(start, bench):
    seed = random.randrange(1 << 32)
    passes = 3 if bench.emulator == "bochs" else 10
    machine = with_watch(start, "evil", "dispi", f"facet.seed={seed} facet.passes={passes}")
    line = machine.expect(
        r"^evil\| .*(dispi: \d+ passes, (\d+) failures|exception .*)", facet.GUEST_S
    )
    said = [t for t in machine.text().splitlines() if "dispi: " in t]
    assert line.group(2) == "0", said
    check_watch(machine)
    machine.command("guests", until=r"watch\b.*running")

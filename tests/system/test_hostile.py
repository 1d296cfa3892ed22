# SPDX-License-Identifier: Apache-2.0
"""A guest harms only itself: whatever one does, the other's picture goes on changing.

The evil guest is tests/guest/bare; the witness is a Linux guest that draws all the while.
Response types are those of virtio 1.2, section 5.7.6.7.
"""

import re

import facet
import pytest

# Why a test is not for a bench.
RINGS = "virtio-gpu's rings and commands: a VBE adapter has none"

ERRORS = r"(120[0-5])"


@pytest.fixture(scope="module")
def house(start_shared, bench):
    """A witness that draws, and guests that wait to be started, one for each test."""
    evil = [facet.bare_conf(name, name, autostart="no", gpu="") for name in ("triple", "cli")]
    if bench.driver == "virtio_gpu":
        evil += [
            facet.bare_conf(name, name, autostart="no", gpu__memory="32M")
            for name in "garbage foreign quota backing sizes doorbell".split()
        ]
    machine = start_shared(
        facet.conf(facet.guest_conf("alpha"), *evil),
        files=facet.GUEST_FILES + facet.BARE_FILES,
    )
    machine.expect_frame("alpha", at_least=10, timeout=facet.BOOT_S + facet.GUEST_S)
    return machine


@pytest.fixture
def evil(house, request):
    """Starts the guest that is named after the test; afterwards the witness is asked."""
    name = request.node.get_closest_marker("guest").args[0]
    house.command(f"start {name}")
    house.expect(rf"^{name}\| .*bare guest, test {name}", 60, since=0)
    before = house.stamp(0)
    yield house
    house.rest(2)
    after = house.stamp(0)
    house.command("guests", until=r"alpha\b.*running")
    house.command(f"stop {name}")
    assert after.name == "alpha" and after.frame > before.frame


@pytest.mark.not_on(
    "bochs-svm", reason="quirk of Bochs: a guest's triple fault is its own panic, not an exit"
)
@pytest.mark.guest("triple")
def test_a_triple_fault_stops_that_guest_with_one_line(evil):
    evil.expect(r"^facet: .*triple\b.*(triple fault|shutdown|shut down)", 30)


@pytest.mark.not_on(
    "bochs-svm",
    reason="quirk of Bochs: after VMRUN with IF = 0 no interrupt of the host ends the stay",
)
@pytest.mark.guest("cli")
def test_a_loop_with_interrupts_off_gets_its_share_and_no_more(evil):
    evil.expect(r"^cli\| .*looping", 30, since=0)
    before = evil.stamp(0).frame
    evil.rest(5)
    assert evil.stamp(0).frame > before + 10


@pytest.mark.not_on("qemu-vbe", "bochs-*", reason=RINGS)
@pytest.mark.guest("garbage")
def test_garbage_in_the_rings(evil):
    evil.expect(r"^(garbage\| .*garbage: \d+ rounds|facet: .*garbage)", 120)


@pytest.mark.not_on("qemu-vbe", "bochs-*", reason=RINGS)
@pytest.mark.guest("foreign")
def test_another_guests_resource_ids_are_refused(evil):
    evil.expect(r"^foreign\| .*flush 1203 transfer 1203 scanout 1203 unref 1203", 60)
    evil.expect(r"^foreign\| .*foreign: 0 accepted", 60)


@pytest.mark.not_on("qemu-vbe", "bochs-*", reason=RINGS)
@pytest.mark.guest("quota")
def test_more_memory_than_allowed_is_refused(evil):
    """32 MiB hold no more than eight resources of 4 MiB."""
    made = int(evil.expect(r"^quota\| .*quota: (\d+) of 4 MiB, then 1201", 60).group(1))
    assert 1 <= made <= 8
    evil.expect(r"^quota\| .*huge " + ERRORS, 60)


@pytest.mark.not_on("qemu-vbe", "bochs-*", reason=RINGS)
@pytest.mark.guest("backing")
def test_a_backing_outside_its_memory_is_refused(evil):
    for what in ("far", "wraps", "neighbour", "register bar", "count", "transfer without"):
        evil.expect(rf"^backing\| .*backing: {what} " + ERRORS, 60)


@pytest.mark.not_on("qemu-vbe", "bochs-*", reason=RINGS)
@pytest.mark.guest("sizes")
def test_truncated_and_oversized_commands_are_refused(evil):
    answered = evil.expect(r"^sizes\| .*sizes: (\d+) answered, (\d+) accepted", 60)
    assert int(answered.group(2)) == 0
    evil.expect(r"^sizes\| .*oversized " + ERRORS, 60)
    evil.expect(r"^sizes\| .*unknown command 1200", 60)


@pytest.mark.not_on("qemu-vbe", "bochs-*", reason=RINGS)
@pytest.mark.guest("doorbell")
def test_a_doorbell_flood_costs_only_its_own_time(evil):
    evil.expect(r"^doorbell\| .*flooding", 60, since=0)
    before = evil.stamp(0).frame
    evil.rest(5)
    assert evil.stamp(0).frame > before + 10


def test_the_hypervisor_is_well_after_all_that(house):
    """Last in this file."""
    assert not re.search(r"^facet: .*(panic|invariant)", house.text(), re.MULTILINE)
    # All that was below what a guard takes for a storm.
    assert not re.search(r"^facet: .*gpu 0: .*(slowed|frozen)", house.text(), re.MULTILINE)
    house.stats()


def test_memory_is_cleared_before_a_guest_gets_it(start):
    """The guest fills its memory with AAh and restarts; each time it must find zeros."""
    machine = start(facet.conf(facet.bare_conf("filler", "memory", gpu="")), files=facet.BARE_FILES)
    for _ in range(3):
        machine.expect(r"^filler\| .*memory: (\d+) words are not zero", facet.BOOT_S)
    found = re.findall(r"memory: (\d+) words are not zero", machine.text())
    assert set(found) == {"0"}

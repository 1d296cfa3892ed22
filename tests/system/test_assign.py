# SPDX-License-Identifier: Apache-2.0
"""Functions given whole to guests: what their DMA reaches, and what becomes of it at the end.

The guest is tests/guest/bare with QEMU's `edu`, which writes and reads wherever it is told. Each
page that it must not reach is looked at from outside, by QEMU's monitor.
"""

import os
import re
import struct

import facet
import physical
import pytest

pytestmark = pytest.mark.not_on(
    "qemu-vbe",
    "qemu-virgl",
    "bochs-*",
    reason="one bench with each IOMMU is enough; Bochs has none",
)

MEMORY_MIB = 512
OWN_BYTES = 64 << 20  # of the guest's memory, which begins at 0
HOST = "assign-without-reset = yes\n"  # nothing resets an edu
EDU = "edu,dma_mask=0xffffffffffffffff,addr={:#x}"
SLOT, OTHER_SLOT = 0x10, 0x11
LETTERS = b"E" * 64

MARK_STEP = 0x9E3779B97F4A7C15
MASK = (1 << 64) - 1


def address_of(slot):
    return f"00:{slot:02x}.0"


def mark_of(name):
    """The page by which a bare guest is found in memory; see tests/guest/bare/dma.c."""
    [word] = struct.unpack("<Q", name.encode().ljust(8, b"\0")[:8])
    return b"".join(
        struct.pack("<Q", word ^ (MARK_STEP * (i + 1) & MASK)) for i in range(physical.PAGE // 8)
    )


def machine_with(start, *guests, slots=(SLOT,), **options):
    extra = [word for slot in slots for word in ("-device", EDU.format(slot))]
    return start(
        facet.conf(*guests, host=HOST),
        files=facet.BARE_FILES,
        memory=MEMORY_MIB,
        extra=extra,
        **options,
    )


def edu_conf(name, slot=SLOT, **keys):
    return facet.bare_conf(name, "edu", gpu="", pci=address_of(slot), **keys)


def is_ready(machine, name, since=0):
    """Its device works, with interrupts and DMA to its own memory; returns its mark's address."""
    line = machine.expect(
        rf"^{name}\| .*edu: (?:works, (\d+) words wrong|no .*|\d+ interrupts.*|not alive.*)",
        facet.BOOT_S + 30,
        since=since,
    )
    assert line.group(1) == "0", line.group(0)
    line = machine.expect(rf"^{name}\| .*edu: ready, page at ([0-9a-f]+) *\n", 30)
    return int(line.group(1), 16)


def tell(machine, name, line):
    """Types a line on a guest's console, and leaves it: what it answers comes with its name."""
    machine.command(f"attach {name}", until=rf"^attached to {name}\b")
    machine.send(line + "\r\x1d")
    machine.prompt(10)


def order(machine, name, line, until):
    """A line for a bare guest, and the answer."""
    since = machine.mark()
    tell(machine, name, line)
    return machine.expect(rf"^{name}\| .*{until}", 20, since=since)


def write(machine, name, address):
    order(machine, name, f"write {address:x}", rf"edu: wrote {address:x}\b")


def read(machine, name, address):
    """(first word, sum of all words) of what the device got from there."""
    answer = order(
        machine, name, f"read {address:x}", rf"edu: read {address:x}, first (\w+) sum (\w+) *\n"
    )
    return int(answer.group(1), 16), int(answer.group(2), 16)


def check_own(machine, name):
    order(machine, name, "test", r"edu: works, 0 words wrong")


def sums(page):
    """What `read` returns when a page came."""
    page_words = struct.unpack("<511Q", page[:4088])
    return page_words[0], sum(page_words) & MASK


def free_bytes(machine):
    stats = machine.stats()
    return [facet.figure(stats, key) for key in ("guest_free_bytes", "pool_bytes")]


def expect_fault(machine, bench, name, what, address, since):
    """QEMU's AMD-Vi logs none; and below its size an address is the guest's own, and no fault."""
    if bench.options["iommu"] == "vtd" and address >= OWN_BYTES:
        machine.expect(
            rf"^facet: .*guest {name}: its device {address_of(SLOT)} was kept from {what} "
            rf"0x{address:x}\b",
            10,
            since=since,
        )


# ---- addresses that are not its own ----


@pytest.fixture(scope="module")
def house(start_shared):
    """A guest with an edu, a neighbour, and one with a GPU: all have a page to be found by."""
    machine = machine_with(
        start_shared,
        edu_conf("alpha"),
        facet.bare_conf("beta", "mark", gpu=""),
        facet.bare_conf("gamma", "mark"),
    )
    machine.own_page = is_ready(machine, "alpha")
    ring = machine.expect(r"^gamma\| .*mark: rings at ([0-9a-f]+) *\n", 60, since=0)
    page = machine.expect(r"^gamma\| .*mark: page at ([0-9a-f]+) *\n", 60, since=0)
    machine.expect(r"^beta\| .*mark: page at", 60, since=0)
    machine.prompt()
    pages = [mark_of("alpha"), mark_of("beta"), mark_of("gamma"), hypervisor_page()]
    alpha, beta, gamma, image = physical.find_pages(machine, pages, MEMORY_MIB << 20)
    machine.places = {"own": alpha, "neighbour": beta, "image": image}
    # A guest's memory is in pieces of 2 MiB.
    ring, page = int(ring.group(1), 16), int(page.group(1), 16)
    assert ring >> 21 == page >> 21
    machine.places["ring"] = gamma + ring - page
    machine.places["host tables"] = physical.host_page_tables(machine)
    return machine


def hypervisor_page():
    """A page of the hypervisor's code, as it is in the file."""
    with open(os.path.join(facet.BUILD, "facet.stripped.elf"), "rb") as file:
        elf = file.read()
    [headers] = struct.unpack_from("<Q", elf, 32)
    size, count = struct.unpack_from("<HH", elf, 54)
    for i in range(count):
        kind, flags, offset, *_, file_size = struct.unpack_from("<IIQQQQ", elf, headers + i * size)
        if kind == 1 and flags & 1 and file_size > 4 * physical.PAGE:
            return elf[offset + 2 * physical.PAGE : offset + 3 * physical.PAGE]
    raise ValueError("no code in facet.stripped.elf")


def attack(machine, bench, address):
    """A write to there and a read from there; returns what the read brought."""
    since = machine.mark()
    write(machine, "alpha", address)
    expect_fault(machine, bench, "alpha", "writing", address, since)
    since = machine.mark()
    got = read(machine, "alpha", address)
    expect_fault(machine, bench, "alpha", "reading", address, since)
    return got


@pytest.mark.parametrize("what", ["image", "host tables", "neighbour", "ring"])
def test_memory_that_is_not_its_own_is_out_of_reach(house, bench, what):
    """Addresses of the host's: whoever owns that page, the device finds nothing of it."""
    address = house.places[what]
    before = physical.read(house, address, physical.PAGE)
    assert any(before)
    got = attack(house, bench, address)
    assert physical.read(house, address, physical.PAGE) == before
    assert got != sums(before)


def test_the_iommus_tables_are_out_of_reach(house, bench):
    for address in physical.dma_tables(house, bench.options["iommu"], SLOT << 3):
        before = physical.read(house, address, physical.PAGE)
        got = attack(house, bench, address)
        assert physical.read(house, address, physical.PAGE) == before
        assert got != sums(before)


def test_its_own_memory_is_where_the_guest_sees_it_and_not_where_it_is(house, bench):
    """The guest's address works, and the host's of the same page does not."""
    mark = physical.read(house, house.places["own"], physical.PAGE)
    assert read(house, "alpha", house.own_page) == sums(mark)
    attack(house, bench, house.places["own"])
    assert physical.read(house, house.places["own"], physical.PAGE) == mark


def test_a_hole_in_its_memory_is_nowhere(house, bench):
    assert attack(house, bench, 0x80000000) == (0, 0)


def test_the_iommus_registers_are_out_of_reach(house, bench):
    address, count = {"vtd": (0xFED90000, 16), "amd": (0xFED80000, 16)}[bench.options["iommu"]]
    before = physical.words(house, address, count)
    got = attack(house, bench, address)
    assert physical.words(house, address, count)[:8] == before[:8]
    assert got[0] != before[1] << 32 | before[0]


def test_no_message_of_its_own_making_is_an_interrupt(house, bench):
    """One for an entry that is not in use is refused; those that are have the one source.

    Quirks of QEMU 7.2's VT-d: it does not know the source of a message that a device writes
    as data, and lets those of the old form pass whatever it is told. So that both are refused
    is read from the IOMMU: each entry's source (VT-d 9.10, SVT and SID), and CFIS (11.4.4.2).
    AMD's has a table for each device, and the device's entry says that all goes by it (2.2.2.1, IV
    and IntCtl).
    """
    if bench.options["iommu"] == "vtd":
        assert not physical.words(house, 0xFED9001C, 1)[0] & 1 << 23
        entries = physical.interrupt_entries(house)
        present = [entry for entry in entries if entry & 1]
        assert all(entry >> 82 & 3 == 1 and entry >> 80 & 3 == 0 for entry in present)
        assert [entry >> 64 & 0xFFFF for entry in present].count(SLOT << 3) == 1
        # Its handle in 19:5, format 1 in bit 4: VT-d 5.1.2.2.
        address = 0xFEE00010 | (len(entries) - 1) << 5
        order(house, "alpha", f"message {address:x} 0", f"edu: sent 0 to {address:x}")
        with open(os.path.join(house.folder, "qemu.log"), encoding="utf-8") as file:
            assert f"non-present IRTE (index={len(entries) - 1}" in file.read()
    else:
        interrupts = physical.quad(house, physical.device_entry(house, SLOT << 3) + 16)
        assert interrupts & 1 and interrupts >> 60 & 3 == 2
        order(house, "alpha", "message fee00000 e0", r"edu: sent e0 to fee00000")
    check_own(house, "alpha")


def test_neighbours_and_hypervisor_are_well_after_all_that(house):
    """Last of those that share this machine."""
    house.stats()
    for name in ("beta", "gamma"):
        for _ in range(2):
            house.expect(rf"^{name}\| .*mark: pass", 30)
        spoilt = re.findall(rf"^{name}\| .*mark: pass \d+, (\d+) spoilt", house.text(), re.M)
        assert set(spoilt) == {"0"}
    check_own(house, "alpha")


# ---- the end of a guest ----


@pytest.fixture(scope="module")
def lives(start_shared):
    """Two guests with an edu each; that of the first stops it when it goes astray."""
    machine = machine_with(
        start_shared,
        edu_conf("alpha", on_dma_fault="stop"),
        edu_conf("beta", OTHER_SLOT, on_dma_fault="report"),
        slots=(SLOT, OTHER_SLOT),
    )
    machine.own_page = is_ready(machine, "alpha")
    is_ready(machine, "beta")
    machine.prompt()
    [machine.place] = physical.find_pages(machine, [mark_of("alpha")], MEMORY_MIB << 20)
    return machine


@pytest.mark.parametrize("how", ["fault", "reset"])
def test_dma_under_way_at_the_end_of_a_guest_reaches_nothing(lives, how):
    """The device still has 100 ms of its transfer to go when its guest ends."""
    free = free_bytes(lives)
    since = lives.mark()
    tell(lives, "alpha", f"{how} {lives.own_page:x}")
    if how == "fault":
        lives.expect(r"^facet: .*alpha\b.*(triple fault|shutdown|shut down)", 20, since=since)
        lives.comes_to("alpha", "stopped")
        before = physical.read(lives, lives.place, physical.PAGE)
        lives.rest(0.5)
        assert physical.read(lives, lives.place, physical.PAGE) == before
        lives.command("start alpha")
        is_ready(lives, "alpha", since)
    else:
        is_ready(lives, "alpha", since)
    [lives.place] = physical.find_pages(lives, [mark_of("alpha")], MEMORY_MIB << 20)
    assert LETTERS not in physical.read(lives, lives.place, physical.PAGE)
    check_own(lives, "beta")
    assert free_bytes(lives) == free


def test_its_device_works_after_each_restart_and_no_page_is_lost(lives):
    is_on = free_bytes(lives)
    for _ in range(3):
        since = lives.mark()
        lives.command("restart alpha")
        is_ready(lives, "alpha", since)
        assert free_bytes(lives) == is_on
    check_own(lives, "beta")


def test_a_guest_is_stopped_when_its_device_goes_astray_if_told_so(lives, bench):
    if bench.options["iommu"] != "vtd":
        pytest.skip("QEMU's AMD-Vi logs no blocked access")
    write(lives, "beta", 0x80000000)
    lives.expect(r"kept from writing 0x80000000", 10, since=0)
    check_own(lives, "beta")
    since = lives.mark()
    tell(lives, "alpha", "write 80000000")
    lives.expect(
        rf"^facet: .*guest alpha\b.*its device {address_of(SLOT)} was kept from writing 0x80000000",
        20,
        since=since,
    )
    lives.comes_to("alpha", "stopped")
    lives.comes_to("beta", "running")
    check_own(lives, "beta")
    since = lives.mark()
    lives.command("start alpha")
    is_ready(lives, "alpha", since)

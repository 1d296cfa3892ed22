# SPDX-License-Identifier: Apache-2.0
"""What devices reach through an IOMMU of either vendor: what they were given, and nothing else."""

import os
import re
import time

import facet
import physical
import pytest
import qtest

pytestmark = [
    pytest.mark.not_on("bochs-*", reason="Bochs has no IOMMU"),
    pytest.mark.not_on("qemu-vbe", reason="the IOMMU is qemu-virtio's, and this GPU has no DMA"),
]

# QEMU's device for teaching: it copies between memory and a buffer of its own, of zeros.
EDU_BDF = 8 << 3
EDU = f"edu,id=edu,addr={EDU_BDF >> 3:#x},dma_mask=0xffffffffffffffff"
EDU_BUFFER = 0x40000
EDU_RAISE, EDU_SOURCE, EDU_TARGET, EDU_COUNT, EDU_COMMAND = 0x60, 0x80, 0x88, 0x90, 0x98
EDU_TO_MEMORY = 3

FREE_MEMORY = 0x40000000  # no guest is there to have it
MARK = 0x5AA5F00D12345678


class Edu:
    """The device, on a machine that knows nothing of it: switched on past Facet."""

    def __init__(self, hand):
        self.hand = hand
        assert hand.config_read(EDU_BDF, 0) == 0x11E81234
        self.registers = hand.config_read(EDU_BDF, 0x10) & ~0xF
        assert self.registers
        hand.config_write(EDU_BDF, 4, 0x406)  # memory and bus mastering, no line

    def overwrite(self, address, timeout):
        """Writes 16 zeros to memory, or tries to; ends when the device has done."""
        self.hand.write64(self.registers + EDU_SOURCE, EDU_BUFFER)
        self.hand.write64(self.registers + EDU_TARGET, address)
        self.hand.write64(self.registers + EDU_COUNT, 16)
        self.hand.write64(self.registers + EDU_COMMAND, EDU_TO_MEMORY)
        end = time.monotonic() + timeout
        while self.hand.read64(self.registers + EDU_COMMAND) & 1:
            assert time.monotonic() < end, "edu does not end its transfer"
            time.sleep(0.05)

    def send(self, address, data):
        """Raises its interrupt as this message."""
        at = self.hand.capability(EDU_BDF, 5)
        self.hand.config_write(EDU_BDF, at + 4, address)
        self.hand.config_write(EDU_BDF, at + 8, 0)
        self.hand.config_write(EDU_BDF, at + 12, data)
        self.hand.config_write(EDU_BDF, at, self.hand.config_read(EDU_BDF, at) | 1 << 16)
        self.hand.write32(self.registers + EDU_RAISE, 1)


@pytest.fixture
def hand():
    with qtest.Qtest() as its:
        yield its


# As if firmware had left remapping on: tests/efi/remap.c, which then starts Facet.
REMAP = {"application": "remap.efi"}
REMAP_FILES = ("facet.efi=" + os.path.join(facet.BUILD, "BOOTX64.EFI"),)


def begin(start, hand, **options):
    options.setdefault("files", ())
    machine = start(facet.conf(), extra=("-device", EDU, *hand.arguments), **options)
    machine.prompt()
    hand.write64(FREE_MEMORY, MARK)
    return machine, Edu(hand)


def test_the_unit_is_found_and_everything_denied(start, hand):
    machine, _ = begin(start, hand)
    assert re.search(
        r"^facet: IOMMU: 1 unit, every device denied, interrupts remapped", machine.text(), re.M
    )


def test_a_device_that_is_nobodys_writes_no_memory(start, hand):
    """Seen in the memory itself: an emulator need not report what it blocks."""
    machine, edu = begin(start, hand)
    edu.overwrite(FREE_MEMORY, 10 * machine.scale)
    assert hand.read64(FREE_MEMORY) == MARK


def test_without_an_iommu_that_write_arrives(start, hand):
    """So the test above sees what it says it does."""
    machine, edu = begin(start, hand, iommu=None)
    edu.overwrite(FREE_MEMORY, 10 * machine.scale)
    assert hand.read64(FREE_MEMORY) == 0


@pytest.mark.not_on("qemu-virtio", reason="QEMU's VT-d lets messages in the old format through")
def test_a_device_that_is_nobodys_interrupts_no_processor(start, hand):
    """It sends an NMI, which ends the hypervisor where one arrives."""
    machine, edu = begin(start, hand)
    edu.send(0xFEE00000, 0x400)
    machine.rest(2)
    assert "frobnicate" in machine.command("frobnicate")


@pytest.mark.not_on("qemu-virtio", reason="an NMI arrives there even with the IOMMU")
def test_without_an_iommu_that_interrupt_arrives(start, hand):
    machine, edu = begin(start, hand, iommu=None)
    edu.send(0xFEE00000, 0x400)
    machine.expect(r"^facet: fault in the hypervisor: NMI", since=0)


def check_guests_draw(machine):
    """By a GPU whose DMA goes through its domain and whose interrupts through entries."""
    machine.expect(r"^facet: gpu 0: .*behind the IOMMU", since=0)
    for name in ("alpha", "beta"):
        machine.expect_frame(name, at_least=10, timeout=2 * facet.GUEST_S)
    assert machine.look("alpha", 0).name == "alpha"
    assert machine.look("beta", 1).name == "beta"
    before = machine.look("alpha", 0).frame
    machine.rest(2)
    assert machine.look("alpha", 0).frame > before + 5
    assert "IOMMU: device" not in machine.text()


def test_guests_draw_by_a_gpu_behind_the_iommu(start):
    check_guests_draw(start(facet.conf(facet.guest_conf("alpha"), facet.guest_conf("beta"))))


# ---- firmware that left remapping on, every device reaching all memory, no interrupt passing ----


def tables_in_force(machine, vendor):
    """Where VT-d's root table (11.4.5) or AMD-Vi's device table (3.4.1) is."""
    address = {"vtd": 0xFED90020, "amd": 0xFED80000}[vendor]
    low, high = physical.words(machine, address, 2)
    return (high << 32 | low) & physical.ADDRESS


def tables_left(machine):
    """Those that firmware says it left in force."""
    said = machine.expect(
        r"remap: (?:VT-d on, root (\w+), state (\w+)|AMD-Vi on, devices (\w+), control (\w+))",
        facet.BOOT_S,
        since=0,
    )
    root, state, devices, control = (word and int(word, 16) for word in said.groups())
    if root:
        assert state & 0x86000000 == 0x86000000  # TES, QIES, IRES: VT-d 11.4.4
        return root
    assert control & 0x1005 == 0x1005  # IommuEn, EventLogEn, CmdBufEn: AMD-Vi 3.4.2
    return devices


def test_what_firmware_let_all_devices_do_ends(start, hand, bench):
    machine, edu = begin(start, hand, files=REMAP_FILES, **REMAP)
    assert tables_left(machine) != tables_in_force(machine, bench.options["iommu"])
    assert "every device denied, interrupts remapped" in machine.text()
    edu.overwrite(FREE_MEMORY, 10 * machine.scale)
    assert hand.read64(FREE_MEMORY) == MARK


def test_guests_draw_where_firmware_left_remapping_on(start, bench):
    machine = start(
        facet.conf(facet.guest_conf("alpha"), facet.guest_conf("beta")),
        files=(*facet.GUEST_FILES, *REMAP_FILES),
        **REMAP,
    )
    check_guests_draw(machine)
    assert tables_left(machine) != tables_in_force(machine, bench.options["iommu"])

# SPDX-License-Identifier: Apache-2.0
"""The machine's physical memory and the IOMMU's registers, read by QEMU's monitor."""

import os
import re
import struct

PAGE = 4096
# Bits 51:12, of a page table's entry or a register that names a table.
ADDRESS = 0x000FFFFFFFFFF000


def read(machine, address, size):
    """`size` bytes from there on. Only RAM: a device's registers want `words`."""
    path = os.path.join(machine.folder, "memory.bin")
    machine.qmp("pmemsave", val=address, size=size, filename=path)
    try:
        with open(path, "rb") as file:
            return file.read()
    finally:
        os.unlink(path)


def words(machine, address, count):
    """So many words of 32 bits, each read as one."""
    text = machine.qmp("human-monitor-command", **{"command-line": f"xp /{count}wx {address:#x}"})
    return [int(word, 16) for line in text.splitlines() for word in line.split(":", 1)[1].split()]


def find_pages(machine, pages, size):
    """Where in the first `size` bytes of RAM each of these pages is; each must be there once."""
    memory = read(machine, 0, size)
    found = []
    for page in pages:
        places = []
        at = memory.find(page)
        while at >= 0:
            if at % PAGE == 0:
                places.append(at)
            at = memory.find(page, at + 1)
        assert len(places) == 1, f"a page is in memory at {[hex(place) for place in places]}"
        found.append(places[0])
    return found


def host_page_tables(machine):
    """The root of processor 0's page tables, which runs no guest: the hypervisor's."""
    text = machine.qmp(
        "human-monitor-command", **{"command-line": "info registers"}
    )  # of the monitor's processor: the first
    return int(re.search(r"\bCR3=([0-9a-f]+)", text).group(1), 16) & ADDRESS


def dma_tables(machine, vendor, function):
    """Pages of the IOMMU's own tables: what it finds function `function` (16 bits) by.

    From the root down to the top level of the function's domain.
    """
    if vendor == "vtd":  # VT-d 9.1, 9.3: root table, context table, second-level table
        low, high = words(machine, 0xFED90020, 2)
        pages = [(high << 32 | low) & ADDRESS]
        entry = pages[0] + (function >> 8) * 16
        pages.append(quad(machine, entry) & ADDRESS)
        pages.append(quad(machine, pages[-1] + (function & 0xFF) * 16) & ADDRESS)
        return pages
    entry = device_entry(machine, function)
    return [entry & ADDRESS, quad(machine, entry) & ADDRESS]


def device_entry(machine, function):
    """Where AMD's IOMMU (3.4.1, 2.2.2) has its entry for the function."""
    low, high = words(machine, 0xFED80000, 2)
    return ((high << 32 | low) & ADDRESS) + function * 32


def interrupt_entries(machine):
    """VT-d's interrupt remapping table (9.9, 11.4.22), each entry a number of 128 bits."""
    low, high = words(machine, 0xFED900B8, 2)
    table = read(machine, (high << 32 | low) & ADDRESS, 16 << ((low & 15) + 1))
    return [int.from_bytes(table[at : at + 16], "little") for at in range(0, len(table), 16)]


def quad(machine, address):
    return struct.unpack("<Q", read(machine, address, 8))[0]

# SPDX-License-Identifier: Apache-2.0
"""Functions plugged into guests while they run, and pulled out again: `pci attach`, `detach`.

`make soak` does it as often as issue and patience want: SOAK_PLUGS times.
"""

import hashlib
import os

import facet
import pytest
from test_assign import EDU, HOST, OTHER_SLOT, SLOT, address_of
from test_devices import MIB, make_disk, pattern

pytestmark = pytest.mark.not_on(
    "qemu-vbe",
    "qemu-virgl",
    "bochs-*",
    reason="one bench with each IOMMU is enough; Bochs has none",
)

BARE_ROUNDS = int(os.environ.get("SOAK_PLUGS", "50"))
LINUX_ROUNDS = 20 if "SOAK_PLUGS" in os.environ else 5


@pytest.fixture(scope="module")
def house(start_shared, tmp_path_factory):
    """A bare guest that waits for an edu, a Linux that waits for an NVMe disk."""
    disk = os.path.join(tmp_path_factory.mktemp("plug"), "disk")
    make_disk(disk)
    machine = start_shared(
        facet.conf(
            facet.bare_conf("bare", "plug", gpu=""),
            facet.guest_conf("linux", "facet.test=plug", initrd="guestdev.cpio.gz", gpu=""),
            host=HOST,
        ),
        files=(*facet.GUEST_FILES[:1], "guestdev.cpio.gz", *facet.BARE_FILES),
        limit_s=1800,
        extra=[
            "-device",
            EDU.format(SLOT),
            *("-drive", f"if=none,id=disk,format=raw,file={disk}"),
            *("-device", f"nvme,serial=facet,drive=disk,addr={OTHER_SLOT:#x}"),
        ],
    )
    machine.expect(r"^bare\| .*edu: waiting for one", facet.BOOT_S + 30, since=0)
    machine.expect(r"^linux\| .*ready for a disk", facet.GUEST_S, since=0)
    machine.prompt(1)
    return machine


def plug(machine, name, slot, there, gone, rounds):
    """`rounds` times in and out, each time used; with no page lost since the first."""
    free = None
    for i in range(1, rounds + 1):
        since = machine.mark()
        machine.command(f"pci attach {name} {address_of(slot)}")
        machine.expect(rf"^{name}\| .*{there.format(i)}", 30, since=since)
        since = machine.mark()
        machine.command(f"pci detach {name} {address_of(slot)}")
        machine.expect(rf"^{name}\| .*{gone.format(i)}", 30, since=since)
        if i in (1, rounds):
            stats = machine.stats()
            now = [facet.figure(stats, key) for key in ("guest_free_bytes", "pool_bytes")]
            assert now == (free or now)
            free = now


def test_a_bare_guest_uses_what_comes_and_goes(house):
    plug(
        house,
        "bare",
        SLOT,
        there="edu: plugged in {}, works",
        gone="edu: pulled out {}",
        rounds=BARE_ROUNDS,
    )


def test_linux_uses_a_disk_that_comes_and_goes(house):
    read = hashlib.sha256(pattern(16 * MIB)[:MIB]).hexdigest()
    plug(
        house,
        "linux",
        OTHER_SLOT,
        there="plugged in {}, read " + read,
        gone="pulled out {}",
        rounds=LINUX_ROUNDS,
    )


def test_what_cannot_be_plugged_in_is_refused_with_a_reason(house):
    """The same function twice, one that is the hypervisor's, one that is not there."""
    house.command(f"pci attach bare {address_of(SLOT)}")
    for place in (address_of(SLOT), "00:01.0", "00:1e.7"):
        said = house.command(f"pci attach linux {place}")
        assert place in said and "not given" in said, said
    assert "was not plugged in" in house.command(f"pci detach linux {address_of(SLOT)}")
    house.command(f"pci detach bare {address_of(SLOT)}")

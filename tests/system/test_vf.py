# SPDX-License-Identifier: Apache-2.0
"""Virtual functions of an NVMe controller, each given to another guest."""

import hashlib
import os
import re

import facet
import pytest
from test_devices import MIB, check_disk, make_disk, pattern
from test_pci import functions

pytestmark = pytest.mark.not_on(
    "qemu-vbe",
    "qemu-virgl",
    "bochs-*",
    reason="one bench with each IOMMU is enough; Bochs has none",
)

PHYSICAL, FIRST, SECOND = "00:12.0", "00:12.1", "00:12.2"
CONTROLLER = (
    "nvme,id=nvme,serial=facet,subsys=disks,addr=0x12,sriov_max_vfs=4,sriov_vq_flexible=8,"
    "sriov_vi_flexible=8,max_ioqpairs=12,msix_qsize=12"
)
SECOND_BYTES = 8 * MIB  # the second namespace is told by its content


@pytest.fixture(scope="module")
def house(start_shared, tmp_path_factory):
    """alpha has the first virtual function and beta none yet; two namespaces, both shared."""
    folder = str(tmp_path_factory.mktemp("vf"))
    disks = {name: os.path.join(folder, name) for name in ("alpha", "beta")}
    make_disk(disks["alpha"])
    with open(disks["beta"], "wb") as file:
        file.write(pattern(SECOND_BYTES))
    extra = ["-device", "nvme-subsys,id=disks", "-device", CONTROLLER]
    for number, (name, path) in enumerate(disks.items(), 1):
        extra += ["-drive", f"if=none,id={name},format=raw,file={path}"]
        extra += ["-device", f"nvme-ns,bus=nvme,drive={name},nsid={number}"]
    machine = start_shared(
        facet.conf(
            facet.guest_conf(
                "alpha", "facet.test=disk", initrd="guestdev.cpio.gz", gpu="", pci=FIRST
            ),
            facet.guest_conf(
                "beta", "facet.test=plug facet.disk=nvme*n2", initrd="guestdev.cpio.gz", gpu=""
            ),
            host=f"sriov = {PHYSICAL}\nvfs = 2\n",
        ),
        files=(*facet.GUEST_FILES[:1], "guestdev.cpio.gz"),
        extra=extra,
    )
    machine.disks = disks
    machine.expect(r"^beta\| .*ready for a disk", facet.BOOT_S + facet.GUEST_S, since=0)
    machine.prompt(1)
    return machine


def domain(entry):
    found = re.search(r"\bdomain (\d+)", entry["notes"])
    return found and int(found.group(1))


def test_they_are_listed_apart_from_each_other_and_from_the_physical_one(house):
    listed = functions(house.command("pci"))
    physical = listed[PHYSICAL]
    assert physical["owner"] == "facet" and "2 VFs of 4" in physical["notes"]
    assert domain(physical) is None
    for place in (FIRST, SECOND):
        assert listed[place]["ids"] == physical["ids"]
        assert listed[place]["kind"] == "NVMe controller" and listed[place]["reset"] == "FLR"
        assert f"VF of {PHYSICAL}" in listed[place]["notes"]
    assert len({listed[place]["group"] for place in (PHYSICAL, FIRST, SECOND)}) == 3
    bars = [re.search(r"0:(\w+)/16K", listed[place]["notes"]).group(1) for place in (FIRST, SECOND)]
    assert int(bars[1], 16) - int(bars[0], 16) == 16 << 10


def test_a_guest_reads_and_writes_by_one_and_again_after_a_restart(house):
    check_disk(house, "alpha", since=0)  # beta may have been ready later
    house.expect(r"^alpha\| .*controller 1$", 10)
    since = house.mark()
    house.command("restart alpha")
    house.expect(r"^alpha\| .*init reached", facet.GUEST_S, since=since)
    check_disk(house, "alpha")
    house.expect(r"^alpha\| .*controller 1$", 10)


def test_another_guest_has_the_other_one_in_and_out_and_in_again(house):
    read = hashlib.sha256(pattern(SECOND_BYTES)[:MIB]).hexdigest()
    for times in (1, 2):
        since = house.mark()
        house.command(f"pci attach beta {SECOND}")
        house.expect(rf"^beta\| .*plugged in {times}, read {read}", 60, since=since)
        house.expect(r"^beta\| .*controller 2$", 10, since=since)
        listed = functions(house.command("pci"))
        assert [listed[place]["owner"] for place in (FIRST, SECOND)] == [
            "guest alpha",
            "guest beta",
        ]
        assert domain(listed[FIRST]) and domain(listed[SECOND])
        assert domain(listed[FIRST]) != domain(listed[SECOND])
        since = house.mark()
        house.command(f"pci detach beta {SECOND}")
        house.expect(rf"^beta\| .*pulled out {times}", 30, since=since)
        assert domain(functions(house.command("pci"))[SECOND]) is None


def test_the_physical_one_is_given_to_nobody_and_the_reason_is_said(house):
    said = house.command(f"pci attach beta {PHYSICAL}")
    assert "its virtual functions are on" in said, said

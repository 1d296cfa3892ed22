# SPDX-License-Identifier: Apache-2.0
"""`pci` against what the emulator says of its machine, and groups on a bus of many shapes."""

import re

import benches
import facet
import pytest

# Root ports with and without Access Control Services, a switch without, a conventional bridge.
TOPOLOGY = """
pcie-root-port,id=apart,chassis=1,addr=0x10
e1000e,bus=apart
pcie-root-port,id=joined,chassis=2,addr=0x11,disable-acs=on
virtio-net-pci,bus=joined
pcie-root-port,id=above,chassis=3,addr=0x12
x3130-upstream,id=switch,bus=above
xio3130-downstream,id=left,bus=switch,chassis=4,slot=1
xio3130-downstream,id=right,bus=switch,chassis=5,slot=2
virtio-rng-pci,bus=left
virtio-rng-pci,bus=right
i82801b11-bridge,id=old,addr=0x13
e1000,bus=old,addr=1
e1000,bus=old,addr=2
pcie-root-port,id=virtual,chassis=6,addr=0x14
nvme-subsys,id=disks
nvme,bus=virtual,subsys=disks,serial=1,sriov_max_vfs=2,sriov_vq_flexible=4,sriov_vi_flexible=2,max_ioqpairs=6,msix_qsize=5
""".split()

# The firmware gives numbers in the order of the bridges, down before along.
BUSES = {"00:10.0": 1, "00:11.0": 2, "00:12.0": 3, "00:13.0": 7, "00:14.0": 8}

# Bochs has no monitor to ask; its chip set is the i440FX with the PIIX3.
BOCHS = {
    "00:00.0": "8086:1237",
    "00:01.0": "8086:7000",
    "00:01.1": "8086:7010",
    "00:01.2": "8086:7020",
    "00:01.3": "8086:7113",
    "00:02.0": "1234:1111",
}

LINE = re.compile(
    r"^  (?P<place>\w\w:\w\w\.\w)  (?P<ids>\w{4}:\w{4})  (?P<kind>\S.*?)  +(?P<group>\d+)"
    r"  (?P<owner>\S.*?) +(?P<reset>\w+)$"
)


def functions(answer):
    """Place: what its line says, and `notes`: the lines below it."""
    found = {}
    for line in answer.splitlines():
        assert len(line) < 80, line
        match = LINE.match(line)
        if match:
            entry = found[match["place"]] = {**match.groupdict(), "notes": ""}
        elif found:
            entry["notes"] += line
    return found


def devices(machine):
    """The same from QEMU: place -> ids and BARs."""

    def walk(listed):
        for device in listed:
            place = f"{device['bus']:02x}:{device['slot']:02x}.{device['function']}"
            ids = device["id"]
            bars = {r["bar"]: r for r in device["regions"] if r["bar"] < 6}
            yield place, (f"{ids['vendor']:04x}:{ids['device']:04x}", bars)
            yield from walk(device.get("pci_bridge", {}).get("devices", []))

    return dict(pair for bus in machine.qmp("query-pci") for pair in walk(bus["devices"]))


@pytest.fixture(scope="module")
def machine(start_shared):
    options = {}
    if benches.current().emulator == "qemu":
        options["extra"] = [word for device in TOPOLOGY for word in ("-device", device)]
    machine = start_shared(facet.conf(), files=(), **options)
    machine.prompt()
    return machine


@pytest.fixture(scope="module")
def table(machine):
    return functions(machine.command("pci"))


def groups(table, *places):
    return {table[place]["group"] for place in places}


@pytest.mark.not_on("bochs-*", reason="no monitor that tells of functions")
def test_the_table_is_what_the_monitor_says(machine, table):
    said = devices(machine)
    assert {place: f["ids"] for place, f in table.items()} == {p: d[0] for p, d in said.items()}
    for place, (_, bars) in said.items():
        shown = re.findall(r"(\d):(?:port )?([0-9a-f]+)/(\d+)([KMGT]?)", table[place]["notes"])
        assert {int(number) for number, *_ in shown} == set(bars), place
        for number, base, size, unit in shown:
            bytes_ = int(size) << 10 * " KMGT".index(unit or " ")
            bar = bars[int(number)]
            assert bytes_ == bar["size"]
            # The monitor knows the place of those only that are switched on.
            assert bar["address"] in (-1, int(base, 16)), place


@pytest.mark.not_on("qemu-*", reason="has a monitor that tells")
def test_the_table_is_the_chip_set(table):
    assert {place: f["ids"] for place, f in table.items()} == BOCHS


def test_who_has_what(table):
    assert table["00:00.0"]["owner"] == "facet"
    assert [f["owner"] for f in table.values()].count("gpu") == 1
    assert all(f["owner"] == "facet" for f in table.values() if "bridge" in f["kind"])


@pytest.mark.not_on("bochs-*", reason="no PCI Express")
def test_groups_are_what_the_iommu_can_keep_apart(table):
    def behind(bridge):
        return [place for place in table if place.startswith(f"{BUSES[bridge]:02x}:")]

    (apart,) = behind("00:10.0")
    (joined,) = behind("00:11.0")
    assert len(groups(table, "00:10.0", apart)) == 2
    assert len(groups(table, "00:11.0", joined)) == 1
    # The switch's ports have no ACS: both and all behind are one; the port above is not in it.
    below = groups(table, "04:00.0", "04:01.0", "05:00.0", "06:00.0")
    assert len(below) == 1
    assert not below & groups(table, "00:12.0", "03:00.0")
    old = behind("00:13.0")
    assert len(old) == 2 and len(groups(table, "00:13.0", *old)) == 1
    # Functions of the chip set's last device share a group, and nobody else is in it.
    chip_set = [place for place in table if place.startswith("00:1f.")]
    (group,) = groups(table, *chip_set)
    assert [p for p, f in table.items() if f["group"] == group] == chip_set


@pytest.mark.not_on("bochs-*", reason="no PCI Express")
def test_the_way_of_a_reset_is_shown(table):
    ways = {f["ids"]: f["reset"] for f in table.values()}
    assert ways["8086:10d3"] == "power"  # e1000e
    assert ways["1af4:1041"] == "FLR"  # virtio-net
    assert ways["8086:100e"] == "bus"  # e1000, with another of nobody's beside it
    assert ways["8086:2922"] == "none"  # SATA on the root bus
    assert all(f["reset"] == "none" for f in table.values() if "bridge" in f["kind"])


@pytest.mark.not_on("bochs-*", reason="no PCI Express")
def test_virtual_functions_are_counted(table):
    (nvme,) = (f for f in table.values() if f["kind"] == "NVMe controller")
    assert nvme["notes"].endswith("0 VFs of 2")


def test_one_function_alone(machine):
    assert functions(machine.command("pci 00:00.0")).keys() == {"00:00.0"}


def test_one_that_is_not_there(machine):
    assert "there is no function" in machine.command("pci 17:00.0")

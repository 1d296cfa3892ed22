# SPDX-License-Identifier: Apache-2.0
"""Disks, network cards and GPUs given whole to stock Linux, which drives them by its own drivers.

One machine has a device for each guest; each test starts its guest and stops it again.
"""

import functools
import hashlib
import http.server
import os
import random
import re
import shutil
import subprocess
import threading

import facet
import pytest

pytestmark = pytest.mark.not_on(
    "qemu-vbe",
    "qemu-virgl",
    "bochs-*",
    reason="one bench with each IOMMU is enough; Bochs has none",
)

MIB = 1 << 20
HOST = "assign-without-reset = yes\n"  # QEMU's network card, AHCI and displays offer none
FILES = (*facet.GUEST_FILES[:1], "guestdev.cpio.gz", *facet.GUEST_FILES[1:])
FILE_BYTES = 3 * MIB + 4321

# Its init says where its root is, leaves a file there, and unmounts by the usual way.
ROOT_INIT = """#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t devtmpfs dev /dev
exec </dev/console >/dev/console 2>&1
echo "guest $1: root is $(/bin/busybox grep ' / ext4 ' /proc/mounts)"
/bin/busybox sha256sum /bin/busybox | while read -r sum file; do echo "guest $1: busybox $sum"; done
echo "guest $1 was here" >/written
/bin/busybox mount -o remount,ro / && echo "guest $1: root is at rest"
while :; do /bin/busybox sleep 3600; done
"""


def pattern(size):
    return random.Random(size).randbytes(size)


def make_disk(path):
    """16 MiB to be read, room for as many."""
    with open(path, "wb") as file:
        file.write(pattern(16 * MIB))
        file.truncate(64 * MIB)


def make_root(path, folder):
    """An ext4 with busybox and an init: mke2fs fills it without root."""
    tree = os.path.join(folder, "tree")
    for name in ("bin", "proc", "dev", "sys"):
        os.makedirs(os.path.join(tree, name), exist_ok=True)
    shutil.copy(os.path.join(facet.BUILD, "guest", "busybox"), os.path.join(tree, "bin"))
    init = os.path.join(tree, "init")
    with open(init, "w", encoding="ascii") as file:
        file.write(ROOT_INIT)
    os.chmod(init, 0o755)
    subprocess.run(
        ["mke2fs", "-q", "-t", "ext4", "-d", tree, "-E", "root_owner=0:0", path, "32M"],
        check=True,
        env={**os.environ, "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin"},
    )


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format, *args):  # pylint: disable=redefined-builtin
        del format, args


class FileServer:
    """One folder by HTTP, on loopback only."""

    def __init__(self, folder):
        handler = functools.partial(Quiet, directory=folder)
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


# One that firmware does not run, and not larger than a BAR of the card's.
NET_ROM = "/usr/lib/ipxe/qemu/pxe-e1000e.rom"
VIDEO_ROM = "/usr/share/seabios/vgabios-ati.bin"

# Name, what it does, QEMU's device, further words for its kernel.
GUESTS = (
    ("nvme", "disk", "nvme,serial=facet1,drive=nvme", "facet.irq=nvme0q"),
    ("ahci", "disk", "ich9-ahci,id=sata", "facet.disk=sda facet.irq=ahci"),
    ("intx", "disk", "ich9-ahci,id=sata-intx", "pci=nomsi facet.disk=sda facet.irq=ahci"),
    ("root", "root", "nvme,serial=facet2,drive=root", ""),
    # Nothing of the host's is reached by it but one port on loopback.
    (
        "net",
        "fetch",
        f"e1000e,netdev=net,romfile={NET_ROM}",
        "facet.irq=eth0 facet.url=http://10.0.2.100/file",
    ),
    ("virtio", "draw", "virtio-gpu-pci,id=gpu-virtio,iommu_platform=on,disable-legacy=on", ""),
    ("bochs", "draw", "bochs-display,id=gpu-bochs,vgamem=16M", ""),
    ("radeon", "draw", "ati-vga,id=gpu-radeon,model=rv100", "vt.global_cursor_default=0"),
    ("rage", "draw", "ati-vga,id=gpu-rage,model=rage128p", "vt.global_cursor_default=0"),
)
FIRST_SLOT = 0x10


def device_conf(index, name, test, words):
    return facet.guest_conf(
        name,
        f"facet.test={test} {words}",
        initrd="guestdev.cpio.gz",
        gpu="",
        autostart="no",
        pci=f"00:{FIRST_SLOT + index:02x}.0",
    )


def qemu_devices(disks, port):
    words = []
    for name, path in disks.items():
        words += ["-drive", f"if=none,id={name},format=raw,file={path}"]
    words += ["-netdev", f"user,id=net,restrict=on,guestfwd=tcp:10.0.2.100:80-tcp:127.0.0.1:{port}"]
    for i, (_, _, device, _) in enumerate(GUESTS):
        words += ["-device", f"{device},addr={FIRST_SLOT + i:#x}"]
    for drive, bus in (("ahci", "sata"), ("intx", "sata-intx")):
        words += ["-device", f"ide-hd,drive={drive},bus={bus}.0"]
    return words


@pytest.fixture(scope="module")
def house(start_shared, tmp_path_factory):
    """The guests, all stopped, and a neighbour that draws on its vGPU."""
    folder = str(tmp_path_factory.mktemp("devices"))
    disks = {name: os.path.join(folder, name) for name in ("nvme", "ahci", "intx", "root")}
    for name in ("nvme", "ahci", "intx"):
        make_disk(disks[name])
    make_root(disks["root"], folder)
    os.mkdir(os.path.join(folder, "served"))
    with open(os.path.join(folder, "served", "file"), "wb") as file:
        file.write(pattern(FILE_BYTES))
    server = FileServer(os.path.join(folder, "served"))
    machine = start_shared(
        facet.conf(
            facet.guest_conf("beta", "facet.rate=5"),
            *(device_conf(i, name, test, words) for i, (name, test, _, words) in enumerate(GUESTS)),
            host=HOST,
        ),
        files=FILES,
        extra=qemu_devices(disks, server.port),
        memory=3072,  # each guest has its own, running or not
    )
    machine.disks = disks
    machine.expect_frame("beta", timeout=facet.BOOT_S + facet.GUEST_S)
    yield machine
    server.close()


@pytest.fixture
def guest(house, request):
    """Starts the guest that the test's mark names; afterwards it is stopped, with no page lost."""
    [name] = request.node.get_closest_marker("guest").args
    free = facet.figure(house.stats(), "guest_free_bytes")
    house.command(f"start {name}")
    house.expect(rf"^{name}\| .*init reached", facet.GUEST_S)
    yield house
    house.command(f"stop {name}")
    house.comes_to(name, "stopped")
    assert facet.figure(house.stats(), "guest_free_bytes") == free


def interrupts(machine, name):
    """How many came, by what /proc/interrupts calls them."""
    machine.expect(rf"^{name}\| .*guest {name}: idle", 30)
    lines = re.findall(rf"^{name}\| .*: interrupts \d+: +(\d+) .* (\S+)$", machine.text(), re.M)
    return {called: int(count) for count, called in lines}


def check_disk(machine, name, since=None):
    """What the host left there arrives, and what the guest wrote is there."""
    read = machine.expect(rf"^{name}\| .*: read ([0-9a-f]{{64}})", 60, since=since)
    assert read.group(1) == hashlib.sha256(pattern(16 * MIB)).hexdigest()
    machine.expect(rf"^{name}\| .*: written, status 0", 60, since=read.end())
    line = f"guest {name} wrote this\n".encode()
    with open(machine.disks[name], "rb") as file:
        file.seek(16 * MIB)
        written = file.read(16 * MIB)
    assert written == (line * (16 * MIB // len(line) + 1))[: 16 * MIB]


@pytest.mark.guest("nvme")
def test_an_nvme_disk_is_read_and_written_and_again_after_a_restart(guest):
    check_disk(guest, "nvme")
    came = interrupts(guest, "nvme")
    assert came["nvme0q0"] and came["nvme0q1"], came
    since = guest.mark()
    guest.command("restart nvme")
    guest.expect(r"^nvme\| .*init reached", facet.GUEST_S, since=since)
    check_disk(guest, "nvme")


@pytest.mark.guest("ahci")
def test_a_sata_disk_is_read_and_written(guest):
    check_disk(guest, "ahci")
    assert sum(interrupts(guest, "ahci").values())


@pytest.mark.guest("intx")
def test_a_sata_disk_without_messages_interrupts_by_its_line(guest):
    """The first device on the guest's bus is 05.0, and its line the 21st of the I/O APIC."""
    check_disk(guest, "intx")
    assert sum(interrupts(guest, "intx").values()) > 10
    assert re.search(r"^intx\| .*: interrupts .* IO-APIC +21-fasteoi +ahci", guest.text(), re.M)
    assert "nobody cared" not in guest.text()


@pytest.mark.guest("root")
def test_a_guest_lives_on_an_nvme_disk_of_its_own(guest):
    guest.expect(r"^root\| .*root is /dev/nvme0n1 / ext4", 60)
    with open(os.path.join(facet.BUILD, "guest", "busybox"), "rb") as file:
        busybox = hashlib.sha256(file.read()).hexdigest()
    assert guest.expect(r"^root\| .*: busybox ([0-9a-f]{64})", 60).group(1) == busybox
    guest.expect(r"^root\| .*root is at rest", 60)
    written = subprocess.run(
        ["/sbin/debugfs", "-R", "cat /written", guest.disks["root"]],
        check=True,
        capture_output=True,
        text=True,
    )
    assert written.stdout == "guest root was here\n"


def check_rom(machine, name, path):
    """The guest reads what QEMU was given, as far as the ROM's own header says."""
    said = machine.expect(rf"^{name}\| .*: rom \S+ (\d+) ([0-9a-f]{{64}})", 60)
    with open(path, "rb") as file:
        rom = file.read(int(said.group(1)))
    assert len(rom) == int(said.group(1)) > 32 << 10
    assert said.group(2) == hashlib.sha256(rom).hexdigest()


@pytest.mark.guest("net")
def test_a_file_comes_by_a_network_card_with_an_option_rom(guest):
    check_rom(guest, "net", NET_ROM)
    said = guest.expect(r"^net\| .*: fetched ([0-9a-f]{64})", 60).group(1)
    assert said == hashlib.sha256(pattern(FILE_BYTES)).hexdigest()
    assert sum(interrupts(guest, "net").values()) > 10


def check_display(machine, name, driver):
    """It draws there by itself, and the neighbour goes on where it was."""
    machine.expect(rf"^{name}\| .*gpu ready: {driver}", 60)
    machine.expect_frame(name, at_least=10)
    before = machine.stamp(0, "beta.png")
    stamp = machine.stamp(0, f"{name}.png", device=f"gpu-{name}")
    assert stamp and stamp.name == name
    machine.rest(1)
    later = machine.stamp(0, f"{name}.png", device=f"gpu-{name}")
    assert later.name == name and later.frame > stamp.frame
    after = machine.stamp(0, "beta.png")
    assert after.name == "beta" and after.frame > before.frame


@pytest.mark.guest("virtio")
def test_a_whole_virtio_gpu_shows_its_guests_picture(guest):
    check_display(guest, "virtio", "virtio-pci")


@pytest.mark.not_on("qemu-amdvi", reason="a bochs-display has no DMA: no IOMMU is asked")
@pytest.mark.guest("bochs")
def test_a_whole_bochs_display_shows_its_guests_picture(guest):
    check_display(guest, "bochs", "bochs-drm")


@pytest.mark.guest("radeon")
def test_a_whole_radeon_shows_its_guests_picture_by_radeonfb(guest):
    check_rom(guest, "radeon", VIDEO_ROM)
    check_display(guest, "radeon", "radeonfb")


@pytest.mark.guest("rage")
def test_a_whole_rage_128_shows_its_guests_picture_by_aty128fb(guest):
    check_display(guest, "rage", "aty128fb")


@pytest.mark.parametrize("gpu", ["bochs-display,vgamem=16M", "VGA,vgamem_mb=16"])
def test_the_display_that_firmware_used_becomes_a_guests(start, gpu):
    """The machine's only one: its guest finds nothing of firmware's in it, and draws there."""
    machine = start(
        facet.conf(
            facet.guest_conf(
                "boot",
                initrd="guestdev.cpio.gz",
                gpu="",
                autostart="no",
                pci="00:1e.0",
            ),
            host=HOST,
        ),
        files=FILES,
        gpu=f"{gpu},id=gpu-boot,addr=0x1e",
    )
    machine.prompt()
    assert not machine.screendump(0, "firmware.png", device="gpu-boot").is_blank()
    machine.command("start boot", until=r"guest boot: starts with", timeout=30)
    assert machine.screendump(0, "start.png", device="gpu-boot").is_blank()
    machine.expect(r"^boot\| .*gpu ready: bochs-drm", 60)
    machine.expect_frame("boot", at_least=10)
    assert machine.stamp(0, "boot.png", device="gpu-boot").name == "boot"

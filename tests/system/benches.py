# SPDX-License-Identifier: Apache-2.0
"""The benches: which computer each is, and what a test may ask of it.

BENCH=NAME in the environment chooses one. KVM=1 runs QEMU's on the host's own processor.
"""

import os
import sys
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Bench:
    """One kind of computer."""

    name: str
    emulator: str  # "qemu" or "bochs"
    vendor: str  # whose virtualization: "AMD" or "Intel"
    driver: str  # Linux's name of the driver that a guest finds for its vGPU
    outputs: int  # how many outputs the GPU has
    # Every limit of time in the harness is multiplied by this, and nothing else stretches
    # one. Bochs interprets each instruction on one thread of the host, which takes a stock
    # kernel about that much longer than QEMU's translated code.
    scale: float
    kernel: str  # the file in build/guest that becomes `vmlinuz`
    memory: str  # of a Linux guest
    gpu_memory: str
    host: str = ""  # further lines of [host]
    renders: bool = False  # its GPU has 3D
    only: tuple = ()  # the test files that it is for; empty: all
    cmdline: str = ""  # further words for a Linux guest's kernel
    options: dict = field(default_factory=dict)  # of the emulator


VIRTIO_GPU = "virtio-gpu-pci,id=gpu,iommu_platform=on,disable-legacy=on,max_outputs=4"
VIRGL = "virtio-gpu-gl-pci,id=gpu,iommu_platform=on,disable-legacy=on,max_outputs=1,xres=640,yres=480"
BOCHS_DISPLAY = "bochs-display,id=gpu,vgamem=64M"


# QEMU 7.2's software emulation: XRSTOR and FXRSTOR on any processor write, without a lock, flags
# of the first one, where VMRUN and #VMEXIT keep whether nested paging is on. That one must not
# run guests: a third processor stands in for it. docs/testing.md has the whole story.
QEMU_HOST = "guests-on-cpu0 = no\n"


# What a bench is for that differs in its IOMMU only.
IOMMU_TESTS = (
    "test_iommu.py",
    "test_assign.py",
    "test_devices.py",
    "test_faults.py",
    "test_plug.py",
    "test_vf.py",
)


def qemu(name, driver, outputs, gpu, gpu_memory, only=(), **options):
    return Bench(
        name=name,
        emulator="qemu",
        vendor="AMD",
        driver=driver,
        outputs=outputs,
        scale=1,
        kernel="vmlinuz",
        memory="256M",
        gpu_memory=gpu_memory,
        host=QEMU_HOST,
        renders=gpu == VIRGL,
        only=only,
        options={"iommu": "vtd", "gpu": gpu, **options},
    )


def bochs(name, vendor, cpu):
    return Bench(
        name=name,
        emulator="bochs",
        vendor=vendor,
        driver="bochs-drm",
        outputs=1,
        scale=4,
        # The same kernel; unpacking itself would take it longer than all the rest.
        kernel="vmlinux.flat",
        memory="96M",
        gpu_memory="4M",
        host="iommu = none\n",
        # The kernel's cryptography tests itself for as long as all the rest of the start takes;
        # and a small picture: each pixel is drawn by interpreted instructions.
        cmdline="cryptomgr.notests facet.mode=640x480",
        options={"cpu": cpu},
    )


BENCHES = {
    bench.name: bench
    for bench in (
        qemu("qemu-virtio", "virtio_gpu", 4, VIRTIO_GPU, "64M"),
        qemu("qemu-amdvi", "virtio_gpu", 4, VIRTIO_GPU, "64M", only=IOMMU_TESTS, iommu="amd"),
        qemu("qemu-vbe", "bochs-drm", 1, BOCHS_DISPLAY, "16M"),
        qemu(
            "qemu-virgl",
            "virtio_gpu",
            1,
            VIRGL,
            "192M",
            only=("test_virgl.py",),
            display="sdl,gl=on",
            memory=3072,
        ),
        bochs("bochs-vmx", "Intel", "corei7_skylake_x"),
        bochs("bochs-svm", "AMD", "ryzen"),
    )
}

ALIASES = {"qemu": "qemu-virtio", "qemu-vtd": "qemu-virtio", "bochs": "bochs-vmx"}


def current():
    """The bench that BENCH names; ends the program when there is no such bench."""
    name = os.environ.get("BENCH") or "qemu-virtio"
    name = ALIASES.get(name, name)
    if name not in BENCHES:
        sys.exit(f"no bench '{name}'; there are: {', '.join(BENCHES)}")
    return BENCHES[name]


# ---- KVM ----

NESTED = ("/sys/module/kvm_intel/parameters/nested", "/sys/module/kvm_amd/parameters/nested")


def kvm_wanted():
    return os.environ.get("KVM", "0") not in ("", "0")


def kvm_missing():
    """Why QEMU's benches cannot run under KVM here; None if they can."""
    for path in NESTED:
        try:
            with open(path, encoding="ascii") as file:
                if file.read().strip() not in ("1", "Y"):
                    return f"this host's KVM lends no nested virtualization ({path})"
            break
        except OSError:
            continue
    else:
        return "this host has no KVM (neither kvm_intel nor kvm_amd is loaded)"
    try:
        with open("/dev/kvm", "r+b"):
            return None
    except OSError as error:
        return f"/dev/kvm cannot be opened: {error.strerror}"


def main():
    """For the Makefile: names, what to build for one, or whether KVM can be used."""
    what = sys.argv[1] if len(sys.argv) == 2 else ""
    if what == "kvm":
        missing = kvm_missing()
        sys.exit(f"KVM=1: {missing}" if missing else 0)
    if what == "current":
        print(current().name)
    elif what == "programs":
        print("guest-programs", *(["guest3d-programs"] if current().renders else []))
    elif what in ("qemu", "bochs", "names"):
        print(*(b.name for b in BENCHES.values() if what in ("names", b.emulator)))
    else:
        sys.exit("benches.py names|qemu|bochs|current|programs|kvm")


if __name__ == "__main__":
    main()

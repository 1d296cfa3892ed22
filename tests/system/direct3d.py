#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A 3D guest directly on QEMU, without Facet: whether the image works, and what it reaches.

    direct3d.py [options] TEST [WORD...]

TEST and WORDs go to the guest's command line, see tests/guest/init3d:

    direct3d.py --seconds 10 glmark2 facet.scene=build,texture

It runs until the guest says "idle", leaves console.log and the pictures screen-N.png, taken
from a private X server every few seconds, in a folder, and prints what the guest said. In a
program, machine() gives a facet.Machine.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import suppress

import benches
import emulators
import facet
import pattern
import xwindow

GUEST = os.path.join(facet.BUILD, "guest")
KERNEL = os.path.join(GUEST, "vmlinuz")
INITRD = os.path.join(GUEST, "guest3d.cpio")
GPU = "virtio-gpu-gl-pci,id=gpu,max_outputs=1,xres={},yres={}"


def qemu_arguments(
    initrd,
    cmdline,
    kernel=KERNEL,
    memory=512,
    cpus=1,
    mode=(640, 480),
    iommu=None,
    show="sdl",
    extra=(),
):
    """QEMU's command line without the serial lines and the monitor.

    iommu="vtd" puts the GPU behind one, as it stands below Facet; a guest of Facet sees none.
    """
    accel, model = "tcg", "EPYC,+svm,+npt,-smap,-rdtscp"
    if benches.kvm_wanted():
        accel, model = "kvm", "host"
    argv = ["qemu-system-x86_64", "-accel", accel, "-machine", "q35", "-cpu", model]
    argv += ["-m", str(memory), "-smp", str(cpus), "-nodefaults", "-display", f"{show},gl=on"]
    gpu = GPU.format(*mode)
    if iommu:
        argv += ["-device", emulators.IOMMUS[iommu]]
        gpu += ",iommu_platform=on,disable-legacy=on"
    argv += ["-device", gpu, "-kernel", kernel, "-initrd", initrd, "-append", cmdline]
    return argv + list(extra)


class QemuDirect(emulators.Qemu):
    """One QEMU that starts a kernel itself and shows its GPU in a window on a private Xvfb.

    `stream` names a file for what comes on the second serial line.
    """

    # pylint: disable-next=super-init-not-called
    def __init__(self, initrd, folder, limit_s, cmdline, stream=None, **options):
        self.folder, self.process = folder, None
        self.qmp_folder = tempfile.mkdtemp(prefix="facet-qmp-")
        self.qmp_path = os.path.join(self.qmp_folder, "qmp")
        self.qmp_file = self.qmp_socket = None
        argv = qemu_arguments(initrd, cmdline, **options)
        argv += ["-serial", "stdio", "-qmp", f"unix:{self.qmp_path},server=on,wait=off"]
        if stream:
            argv += ["-serial", f"file:{stream}"]
        self.argv = argv
        self.xvfb = emulators.Xvfb(folder, limit_s)
        environment = {
            **os.environ,
            "DISPLAY": f":{self.xvfb.display}",
            "SDL_AUDIODRIVER": "dummy",
        }
        try:
            with open(os.path.join(folder, "qemu.log"), "wb") as errors:
                self.process = emulators.launch(
                    argv,
                    limit_s,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    env=environment,
                )
        except BaseException:
            self.xvfb.close()
            raise

    def close(self):
        # By SIGKILL: some sequences of GL commands hang QEMU so that it hears nothing else.
        super().close()
        self.xvfb.close()

    def screendump(self, head, path):
        """The monitor's own finds no picture where the GPU renders by GL."""
        if head:
            raise RuntimeError("no such output")
        server = xwindow.Server(self.xvfb.display)
        try:
            pattern.write_png(path, pattern.Picture(*server.picture(0, 0)))
        finally:
            server.close()


# Its limits of time are those of QEMU: nothing here is slower than a guest inside Facet.
BENCH = benches.Bench(
    name="direct3d",
    emulator="qemu-direct",
    vendor="AMD",
    driver="virtio_gpu",
    outputs=1,
    scale=1,
    kernel="vmlinuz",
    memory="512M",
    gpu_memory="",
)
emulators.EMULATORS[BENCH.emulator] = QemuDirect


def machine(folder, test, words="", name="direct", initrd=INITRD, quiet=True, **options):
    """A facet.Machine that is the guest itself; options as of QemuDirect and Machine."""
    cmdline = f"console=ttyS0 {'quiet ' if quiet else ''}facet.name={name} facet.test={test} {words}"
    return facet.Machine(initrd, folder=folder, bench=BENCH, cmdline=cmdline.strip(), **options)


def said(text, name="direct"):
    """The lines that the guest said, without its name."""
    return re.findall(rf"^guest {name}: (.*)\n", text, re.MULTILINE)


def picture(guest, number):
    """Takes one, if there is something to see."""
    with suppress(OSError, RuntimeError):
        shot = guest.screendump(0, f"screen-{number}.png")
        return f"screen-{number}.png {shot.width}x{shot.height}" + (
            " blank" if shot.is_blank() else ""
        )
    return f"screen-{number}.png not taken"


def parse():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("test")
    parser.add_argument("words", nargs="*")
    parser.add_argument("--seconds", type=int, default=10, help="facet.seconds; 0: for ever")
    parser.add_argument("--limit", type=int, default=300, help="for all, by SIGKILL")
    parser.add_argument("--memory", type=int, default=512, help="MiB")
    parser.add_argument("--cpus", type=int, default=1)
    parser.add_argument("--mode", default="640x480")
    parser.add_argument("--iommu", choices=["vtd", "amd"])
    parser.add_argument("--show", choices=["sdl", "gtk"], default="sdl")
    parser.add_argument("--kernel", default=KERNEL)
    parser.add_argument("--initrd", default=INITRD)
    parser.add_argument("--stream", help="file for the second serial line")
    parser.add_argument("--shots", type=int, default=5, help="seconds from picture to picture")
    parser.add_argument("--folder", default=os.path.join(facet.BUILD, "direct3d"))
    return parser.parse_args()


def main():
    args = parse()
    shutil.rmtree(args.folder, ignore_errors=True)
    words = f"facet.seconds={args.seconds} {' '.join(args.words)}"
    with machine(
        args.folder,
        args.test,
        words,
        initrd=args.initrd,
        limit_s=args.limit,
        stream=args.stream and os.path.abspath(args.stream),
        kernel=args.kernel,
        memory=args.memory,
        cpus=args.cpus,
        mode=tuple(int(n) for n in args.mode.split("x")),
        iommu=args.iommu,
        show=args.show,
    ) as guest:
        told, number, next_shot = 0, 0, None
        idle = re.compile(r"^(guest direct: idle|.*Kernel panic.*)$", re.MULTILINE)
        while True:
            over = guest.ended or idle.search(guest.text())
            lines = said(guest.text())
            now = time.monotonic() - guest.started
            for line in lines[told:]:
                print(f"{now:7.2f} {line}", flush=True)
                if next_shot is None and line.startswith("gpu ready"):
                    next_shot = now + args.shots
            told = len(lines)
            if next_shot is not None and (now >= next_shot or over) and args.shots:
                print(f"{now:7.2f} -- {picture(guest, number)}", flush=True)
                number, next_shot = number + 1, now + args.shots
            if over:
                break
            time.sleep(0.05)
        if not re.search(r"^guest direct: idle$", guest.text(), re.MULTILINE):
            sys.exit(f"direct3d: the guest did not come to its end\n{guest.tail()}")


if __name__ == "__main__":
    main()

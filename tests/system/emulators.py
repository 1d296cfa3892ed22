# SPDX-License-Identifier: Apache-2.0
"""QEMU and Bochs as processes: a serial line to read and write, and pictures.

Both classes offer the same: read(), write(), screendump(), ending(), close(), close_line(). Each
process has a group of its own and runs under timeout(1), which ends it by SIGKILL even
when nobody is left to do so here.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import suppress

import benches
import pattern
import xwindow


def firmware():
    """OVMF's code and a template of its variables, for QEMU."""
    for code, variables in (
        ("OVMF_CODE_4M.fd", "OVMF_VARS_4M.fd"),
        ("OVMF_CODE.fd", "OVMF_VARS.fd"),
    ):
        code, variables = f"/usr/share/OVMF/{code}", f"/usr/share/OVMF/{variables}"
        if os.path.exists(code) and os.path.exists(variables):
            return code, variables
    raise FileNotFoundError("OVMF: is the package ovmf installed?")


def launch(argv, limit_s, **options):
    """Starts a program with a watchdog, as a process group that kill() ends."""
    watched = ["timeout", "--signal=KILL", str(int(limit_s))] + argv
    process = subprocess.Popen(watched, start_new_session=True, **options)
    process.limit_s, process.deadline = int(limit_s), time.monotonic() + int(limit_s)
    return process


def kill(process, how=signal.SIGKILL):
    if process.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, how)


def how_it_ended(process):
    """In words, how a program ended that launch() started. To be asked soon after that."""
    with suppress(subprocess.TimeoutExpired):
        process.wait(5)
    status = process.poll()
    if status is None:
        return "closed its serial line and is still there"
    # timeout(1) ends by its program's signal, or with 128 more than it as its status.
    number = -status if status < 0 else status - 128
    if number == signal.SIGKILL and time.monotonic() >= process.deadline:
        return f"had its time limit of {process.limit_s} s"
    if number == signal.SIGKILL:
        return "was ended by SIGKILL: by a host without memory (see its kernel's log), or by hand"
    with suppress(ValueError):
        return f"was ended by {signal.Signals(number).name}"
    return f"ended with status {status}"


def last_lines(path, count=10):
    with suppress(OSError), open(path, encoding="utf-8", errors="replace") as file:
        return "".join(file.readlines()[-count:])
    return ""


# ---- QEMU ----

IOMMUS = {
    "vtd": "intel-iommu,intremap=on,aw-bits=48",
    "amd": "amd-iommu,intremap=on",
    None: None,
}


def qemu_arguments(
    image,
    variables,
    memory=2048,
    cpus=3,
    cpu=None,
    iommu="vtd",
    gpu=benches.VIRTIO_GPU,
    display="none",
    extra=(),
):
    """QEMU's command line without the serial line and the monitor."""
    code, _ = firmware()
    if benches.kvm_wanted():
        # The split chip is what interrupt remapping asks for.
        accel, machine, model = "kvm", "q35,kernel-irqchip=split", "host"
    else:
        accel, machine, model = "tcg", "q35", "EPYC,+svm,+npt,-smap,-rdtscp"
    argv = ["qemu-system-x86_64", "-accel", accel, "-machine", machine]
    argv += ["-cpu", cpu or model, "-m", str(memory), "-smp", str(cpus)]
    argv += ["-nodefaults", "-display", display]
    argv += ["-drive", f"if=pflash,format=raw,readonly=on,file={code}"]
    argv += ["-drive", f"if=pflash,format=raw,file={variables}"]
    if IOMMUS[iommu]:
        argv += ["-device", IOMMUS[iommu]]
    if gpu:
        argv += ["-device", gpu]
    argv += ["-drive", f"format=raw,file={image},snapshot=on"]
    argv += ["-device", "isa-debug-exit,iobase=0xf4,iosize=4"]
    return argv + list(extra)


class Qemu:
    """One QEMU, its serial line on pipes, its monitor on a socket.

    A GPU that renders by OpenGL wants a window: that is on a private X server, of which pictures
    are taken then, since the monitor finds none.
    """

    arguments = staticmethod(qemu_arguments)

    def __init__(self, image, folder, limit_s, picture=True, display="none", **options):
        del picture  # it can always take one
        self.folder = folder
        self.xvfb = None if display == "none" else Xvfb(folder, limit_s)
        environment = dict(os.environ)
        if self.xvfb:
            environment.update(DISPLAY=f":{self.xvfb.display}", SDL_AUDIODRIVER="dummy")
        variables = os.path.join(folder, "vars.fd")
        shutil.copyfile(firmware()[1], variables)
        # A socket's path is short by law: not in a deep test folder.
        self.qmp_folder = tempfile.mkdtemp(prefix="facet-qmp-")
        self.qmp_path = os.path.join(self.qmp_folder, "qmp")
        self.qmp_file = self.qmp_socket = None
        argv = self.arguments(image, variables, display=display, **options)
        argv += ["-serial", "stdio", "-qmp", f"unix:{self.qmp_path},server=on,wait=off"]
        with open(os.path.join(folder, "qemu.log"), "wb") as errors:
            self.process = launch(
                argv,
                limit_s,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=environment,
            )

    def close(self):
        kill(self.process)
        self.process.wait()
        if self.xvfb:
            self.xvfb.close()
        for file in (self.qmp_file, self.qmp_socket):
            with suppress(OSError, AttributeError):
                file.close()
        shutil.rmtree(self.qmp_folder, ignore_errors=True)

    def ending(self):
        """How it ended, and the end of what it said of itself."""
        return how_it_ended(self.process), last_lines(os.path.join(self.folder, "qemu.log"))

    def close_line(self):
        for pipe in (self.process.stdin, self.process.stdout):
            with suppress(OSError):
                pipe.close()

    def read(self):
        """What the serial line brought; nothing when the machine has ended."""
        return os.read(self.process.stdout.fileno(), 65536)

    def write(self, data):
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def _find_monitor(self):
        """An emulator that has just been started has yet to make its socket."""
        deadline = time.monotonic() + 10
        while True:
            try:
                return self.qmp_socket.connect(self.qmp_path)
            except (FileNotFoundError, ConnectionRefusedError):
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise
            time.sleep(0.05)

    def qmp(self, command, **args):
        if self.qmp_file is None:
            self.qmp_socket = socket.socket(socket.AF_UNIX)
            self.qmp_socket.settimeout(60)
            self._find_monitor()
            self.qmp_file = self.qmp_socket.makefile("rw", encoding="utf-8")
            self.qmp_file.readline()
            self.qmp("qmp_capabilities")
        self.qmp_file.write(json.dumps({"execute": command, "arguments": args}) + "\n")
        self.qmp_file.flush()
        while True:
            answer = json.loads(self.qmp_file.readline())
            if "error" in answer:
                raise RuntimeError(f"QMP {command}: {answer['error']['desc']}")
            if "return" in answer:
                return answer["return"]

    def screendump(self, head, path, device="gpu"):
        if not self.xvfb:
            self.qmp("screendump", filename=path, format="png", device=device, head=head)
            return
        if head:
            raise RuntimeError("QEMU's window shows output 0 only")
        server = xwindow.Server(self.xvfb.display)
        try:
            pattern.write_png(path, pattern.Picture(*server.picture(0, 0)))
        finally:
            server.close()


# ---- Bochs ----

BOCHSRC = """\
display_library: {display}
config_interface: textconfig
plugin_ctrl: unmapped=1, biosdev=1, speaker=0
cpu: model={cpu}, count={cpus}, ips=50000000, reset_on_triple_fault=0
memory: guest={memory}, host={memory}
romimage: file={firmware}
vgaromimage: file={video}
vga: extension=vbe, update_freq={pictures_hz}
pci: enabled=1, chipset=i440fx, slot1=pcivga
ata0-master: type=disk, path="{folder}/bochs.img", mode=flat
boot: disk
com1: enabled=1, mode=socket-client, dev=127.0.0.1:{port}
clock: sync=none
log: {folder}/bochs.log
panic: action=fatal
error: action=report
info: action=ignore
debug: action=ignore
port_e9_hack: enabled=1
"""

BOCHS_FIRMWARE = "/usr/share/ovmf/OVMF.fd"
BOCHS_VIDEO = "/usr/share/bochs/VGABIOS-lgpl-latest"

# Bochs's window has a bar of buttons above the picture and a line of text below it.
BAR_ABOVE, BAR_BELOW = 32, 18
PICTURES_HZ = 10


class Xvfb:
    """A private X server without a screen, on a Unix socket only."""

    def __init__(self, folder, limit_s):
        reading, writing = os.pipe()
        argv = ["Xvfb", "-displayfd", str(writing), "-screen", "0", "2048x1536x24"]
        with open(os.path.join(folder, "xvfb.log"), "wb") as errors:
            self.process = launch(
                argv + ["-nolisten", "tcp"], limit_s, pass_fds=[writing], stderr=errors
            )
        os.close(writing)
        with os.fdopen(reading) as file:
            self.display = file.readline().strip()
        if not self.display:
            self.close()
            raise RuntimeError("Xvfb does not start")

    def close(self):
        kill(self.process, signal.SIGTERM)  # so that it removes its socket
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(5)
        kill(self.process)
        self.process.wait()


class Bochs:
    """One Bochs, its serial line on a loopback connection."""

    def __init__(self, image, folder, limit_s, cpu, memory=512, cpus=2, picture=False):
        self.folder, self.line, self.xvfb, self.process = folder, None, None, None
        # Bochs locks its disk, and the lock of one that was killed stays.
        with suppress(FileNotFoundError):
            os.unlink(os.path.join(folder, "bochs.img.lock"))
        shutil.copyfile(image, os.path.join(folder, "bochs.img"))
        environment = {**os.environ, "SDL_VIDEODRIVER": "dummy", "SDL_AUDIODRIVER": "dummy"}
        try:
            if picture:
                self.xvfb = Xvfb(folder, limit_s)
                environment["DISPLAY"] = f":{self.xvfb.display}"
            with socket.create_server(("127.0.0.1", 0)) as listener:
                self._write_files(cpu, memory, cpus, listener.getsockname()[1])
                self._start(limit_s, environment)
                self._accept(listener)
        except BaseException:
            self.close()
            raise

    def _path(self, name):
        return os.path.join(self.folder, name)

    def _write_files(self, cpu, memory, cpus, port):
        text = BOCHSRC.format(
            display="x" if self.xvfb else "sdl2",
            cpu=cpu,
            cpus=cpus,
            memory=memory,
            firmware=BOCHS_FIRMWARE,
            video=BOCHS_VIDEO,
            pictures_hz=PICTURES_HZ if self.xvfb else 1,
            folder=self.folder,
            port=port,
        )
        with open(self._path("bochsrc"), "w", encoding="ascii") as file:
            file.write(text)
        # The package's Bochs has a debugger, which waits for these at the start.
        with open(self._path("bochs.rc"), "w", encoding="ascii") as file:
            file.write("c\nq\n")

    def _start(self, limit_s, environment):
        argv = ["bochs", "-q", "-f", self._path("bochsrc"), "-rc", self._path("bochs.rc")]
        with open(self._path("bochs.out"), "wb") as output:
            self.process = launch(
                argv,
                limit_s,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
            )

    def _accept(self, listener):
        listener.settimeout(1)
        for _ in range(60):
            with suppress(TimeoutError):
                self.line, _ = listener.accept()
                self.line.settimeout(None)
                return
            if self.process.poll() is not None:
                break
        raise RuntimeError(f"Bochs does not start; see {self._path('bochs.out')}")

    def close(self):
        if self.process:
            kill(self.process)
            self.process.wait()
        if self.xvfb:
            self.xvfb.close()
        for name in ("bochs.img", "bochs.img.lock"):
            with suppress(FileNotFoundError):
                os.unlink(self._path(name))

    def ending(self):
        """How it ended, and the end of what it said of itself."""
        return how_it_ended(self.process), last_lines(self._path("bochs.out"))

    def close_line(self):
        if self.line:
            self.line.close()

    def read(self):
        """What the serial line brought; nothing when the machine has ended."""
        try:
            return self.line.recv(65536)
        except OSError:
            return b""

    def write(self, data):
        self.line.sendall(data)

    def screendump(self, head, path):
        if head or not self.xvfb:
            raise RuntimeError("Bochs: no such output, or started without a picture")
        # What was drawn before now reaches the window at its next update.
        time.sleep(2 / PICTURES_HZ)
        server = xwindow.Server(self.xvfb.display)
        try:
            pattern.write_png(path, pattern.Picture(*server.picture(BAR_ABOVE, BAR_BELOW)))
        finally:
            server.close()


EMULATORS = {"qemu": Qemu, "bochs": Bochs}

# SPDX-License-Identifier: Apache-2.0
"""Runs Facet in an emulator and talks to its console.

A Machine is one emulator with the firmware, a disk image and the devices of a test bench. Its
serial line is read all the time into `console`, and kept in console.log; `expect` waits for
a line, and fails soon and with the end of the log when it cannot come any more.
"""

import json
import os
import re
import shutil
import subprocess
import tempfile
import threading
import time
from contextlib import suppress

import benches
import emulators
import pattern

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("BUILD") or os.path.join(ROOT, "build")
PROMPT = "facet> "

# Software emulation of a machine inside a machine is slow, and slower on a busy host. These
# and all other limits are multiplied by the bench's `scale`.
BOOT_S = 60
GUEST_S = 90
ANSWER_S = 20

# None of these lines can be followed by what a test waits for.
HOPELESS = re.compile(r"^facet: (panic|fatal|fault in the hypervisor)\b.*", re.MULTILINE)

# How Facet takes its prompt away to print a line above it. What stood there was not entered, so
# the line gets a mark at its end: a command's echo is a line without one.
ERASE = "\r\x1b[K"
ERASED = "\x1f"

ESCAPES = re.compile(r"\x1b\[[0-9;?=]*[A-Za-z]|[\x07\x0f]")


class ConsoleError(AssertionError):
    """What was waited for did not come."""


class Machine:
    """One emulated computer. Use it in a `with` statement: it ends with the block."""

    tap = None  # called with each piece that the serial line brings: see consoleproxy.py

    def __init__(self, image, folder=None, limit_s=600, echo=None, bench=None, **options):
        self.folder = folder or tempfile.mkdtemp(prefix="facet-")
        self.own_folder = folder is None
        os.makedirs(self.folder, exist_ok=True)
        self.console = ""
        self.at = 0  # `expect` looks from here on
        self.changed = threading.Condition()
        self.ended = False
        self.echo = echo
        self.bench = bench or benches.current()
        # The one place where a bench's factor meets the limits of time.
        self.scale = self.bench.scale

        options = {**self.bench.options, **options}
        self.log = open(os.path.join(self.folder, "console.log"), "wb")
        emulator = emulators.EMULATORS[self.bench.emulator]
        self.emulator = emulator(image, self.folder, limit_s * self.scale, **options)
        self.started = time.monotonic()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Ends the emulator at once. A test's own is never left running."""
        self.emulator.close()
        self.reader.join(5)
        self.emulator.close_line()
        self.log.close()
        if self.own_folder:
            shutil.rmtree(self.folder, ignore_errors=True)

    # ---- the serial line ----

    def _read(self):
        pending = ""
        while True:
            data = self.emulator.read()
            with self.changed:
                if not data:
                    self.ended = True
                    self.changed.notify_all()
                    return
                self.log.write(data)
                self.log.flush()
                if self.tap:
                    self.tap(data)
                pending += data.decode("utf-8", errors="replace")
                # An escape sequence may be cut in two.
                cut = pending.rfind("\x1b", max(0, len(pending) - 16))
                whole = len(pending)
                if cut >= 0 and not ESCAPES.match(pending, cut):
                    whole = cut
                if pending[:whole].endswith("\r"):
                    whole -= 1  # what follows it says what it is
                text = pending[:whole].replace(ERASE, ERASED + "\n")
                text = ESCAPES.sub("", text).replace("\r", "\n")
                text = re.sub(r"\n\n+", "\n", text)
                # A line's two ends may come one by one.
                if self.console.endswith("\n"):
                    text = text.lstrip("\n")
                pending = pending[whole:]
                self.console += text
                if self.echo:
                    self.echo(text.replace(ERASED, ""))
                self.changed.notify_all()

    def tail(self, lines=25):
        return "\n".join(self.console.splitlines()[-lines:])

    def _give_up(self, why):
        if self.ended:
            how, log = self.emulator.ending()
            why += f": the emulator {how}"
            log = f"\n---- end of the emulator's log ----\n{log.rstrip()}"
        else:
            log = ""
        raise ConsoleError(f"{why}\n---- end of the console ----\n{self.tail()}{log}")

    def expect(self, regex, timeout=ANSWER_S, since=None):
        """Waits for a match after the last one (or after `since`); returns the match.

        `^` and `$` stand for line ends. A match of more than one line is not cut by
        other lines in between: match single lines.
        """
        compiled = re.compile(regex, re.MULTILINE)
        start = self.at if since is None else since
        deadline = time.monotonic() + timeout * self.scale
        with self.changed:
            while True:
                match = compiled.search(self.console, start)
                if match:
                    self.at = match.end()
                    return match
                hopeless = HOPELESS.search(self.console, start)
                if hopeless:
                    self._give_up(f"no {regex!r}, but: {hopeless.group()}")
                if self.ended:
                    self._give_up(f"the machine ended without {regex!r}")
                left = deadline - time.monotonic()
                if left <= 0:
                    self._give_up(f"no {regex!r} in {timeout * self.scale:g} s")
                self.changed.wait(left)

    def mark(self):
        """The end of what was printed so far, for `since` and `text`."""
        with self.changed:
            return len(self.console)

    def text(self, since=0):
        with self.changed:
            return self.console[since:]

    def send(self, text):
        self.emulator.write(text.encode())

    def prompt(self, timeout=BOOT_S):
        """Waits for the operator's prompt."""
        return self.expect(re.escape(PROMPT), timeout)

    def command(self, line, until=None, timeout=ANSWER_S):
        """Types a command; waits for `until` or, without it, for the next prompt.

        Returns the match of `until`, or what was printed up to the prompt.
        """
        start = self.mark()
        self.send(line + "\r")
        # The echo first: the prompt that already stands there is no answer.
        echo = self.expect(re.escape(line) + r" *\n", timeout, since=start)
        if until:
            return self.expect(until, timeout)
        end = self.expect(r"^" + re.escape(PROMPT), timeout)
        return self.console[echo.end() : end.start()]

    def comes_to(self, guest, state, timeout=10):
        """Asks until `guests` shows that state: what a command begins ends in steps."""
        deadline = time.monotonic() + timeout * self.scale
        while not re.search(rf"^ *{guest} +{state}\b", self.command("guests"), re.MULTILINE):
            if time.monotonic() > deadline:
                self._give_up(f"{guest} is not {state} within {timeout * self.scale:g} s")
            time.sleep(0.1)

    def stats(self):
        """All counters of Facet."""
        match = self.command("stats json", until=r"^(?:facet: )?(\{.*\}) *\n")
        return json.loads(match.group(1))

    def frames(self, guest, since=0):
        """The frame numbers that a Linux guest says it drew."""
        line = rf"^(?:{guest}\| )?guest {guest}: frame (\d+)"
        return [int(n) for n in re.findall(line, self.text(since), re.MULTILINE)]

    def expect_frame(self, guest, at_least=1, timeout=GUEST_S):
        """Waits until a guest says that it drew at least so many frames."""
        deadline = time.monotonic() + timeout * self.scale
        while True:
            drawn = self.frames(guest)
            if drawn and drawn[-1] >= at_least:
                return drawn[-1]
            left = deadline - time.monotonic()
            if left <= 0:
                allowed = timeout * self.scale
                self._give_up(f"{guest} did not draw {at_least} frames in {allowed:g} s")
            self.expect(rf"guest {guest}: frame \d+", left / self.scale, since=self.mark())

    def wait(self, timeout=ANSWER_S):
        """Waits for the machine to switch itself off; returns the emulator's exit status."""
        try:
            return self.emulator.process.wait(timeout * self.scale)
        except subprocess.TimeoutExpired:
            self._give_up(f"the machine is still on after {timeout * self.scale:g} s")

    def is_on(self):
        return self.emulator.process.poll() is None

    def rest(self, seconds):
        """Lets time pass: on a slow bench longer, though not by all of a limit's reserve."""
        time.sleep(seconds * self.scale ** 0.5)

    # ---- pictures and the monitor ----

    def qmp(self, command, **args):
        """QEMU's monitor."""
        return self.emulator.qmp(command, **args)

    def screendump(self, head=0, name=None, **options):
        """The picture on one output of the GPU, also left as a file.

        `device`: of another of QEMU's GPUs than the first, by its id.
        """
        path = os.path.join(self.folder, name or f"scanout-{head}.png")
        self.emulator.screendump(head, path, **options)
        return pattern.read_png(path)

    def stamp(self, head=0, name=None, **options):
        """Who drew the picture on an output, and which frame; None if nobody did.

        A picture may be taken while it changes; then it is taken again.
        """
        for _ in range(5):
            with suppress(pattern.NoPattern):
                return pattern.decode(self.screendump(head, name, **options))
            time.sleep(0.2)
        return None

    def look(self, guest, home):
        """The stamp that a guest's output shows; the picture is left as GUEST.png.

        `home` is the guest's place in the file, which is its output. Where the GPU has only
        one, the guest is brought to the focus first.
        """
        name = f"{guest}.png"
        if self.bench.outputs > 1:
            return self.stamp(home, name)
        self.command(f"gpu focus {guest}")
        for _ in range(10):
            stamp = self.stamp(0, name)
            if stamp and stamp.name == guest:
                break
            self.rest(0.2)
        return stamp


def figure(stats, key, name=None):
    """A number out of `stats json`, wherever it stands; of the guest `name`, if given."""
    found = []

    def walk(node, owner):
        if isinstance(node, dict):
            owner = node.get("name", node.get("guest", owner))
            if key in node and (name is None or owner == name):
                found.append(node[key])
            for value in node.values():
                walk(value, owner)
        elif isinstance(node, list):
            for value in node:
                walk(value, owner)

    walk(stats, None)
    if not found:
        raise ConsoleError(f"stats json has no {key} of {name}: {json.dumps(stats)[:2000]}")
    return found[0]


# ---- disk images ----

GUEST_FILES = (
    "vmlinuz=" + os.path.join(BUILD, "guest", benches.current().kernel),
    "guest.cpio.gz",
)

HOST = """[host]
console = com1
baud = 115200
log = info
when-idle = {idle}
{further}
[gpu 0]
slice = 2ms
"""


def guest_conf(name, cmdline="", quiet=True, **keys):
    """One [guest] section. Keys with a dot are written with `__`, those with a dash with `_`."""
    bench = benches.current()
    words = "console=ttyS0 quiet" if quiet else "console=ttyS0"
    given = {
        "kernel": "vmlinuz",
        "initrd": "guest.cpio.gz",
        "cmdline": " ".join(f"{words} facet.name={name} {bench.cmdline} {cmdline}".split()),
        "memory": bench.memory,
        "cpus": "1",
        "gpu": "0",
        "gpu__weight": "100",
        "gpu__memory": bench.gpu_memory,
        "autostart": "yes",
    }
    given.update({key: str(value) for key, value in keys.items()})
    if not given["gpu"]:
        given["gpu__weight"] = given["gpu__memory"] = ""
    lines = [
        f"{key.replace('__', '.').replace('_', '-')} = {value}"
        for key, value in given.items()
        if value
    ]
    return f"\n[guest {name}]\n" + "\n".join(lines) + "\n"


GUEST3D_FILES = ("vmlinuz", "guest3d.cpio")


def guest3d_conf(name, test, words="", **keys):
    """A [guest] section for a Linux that renders: tests/guest/init3d."""
    keys = {"initrd": "guest3d.cpio", "memory": "512M", **keys}
    return guest_conf(name, f"facet.test={test} {words}", **keys)


def bare_conf(name, test, options="", **keys):
    """A [guest] section for tests/guest/bare."""
    cmdline = f"facet.name={name} facet.test={test} {options}".strip()
    given = {"kernel": "bare", "initrd": "", "cmdline": cmdline, "memory": "64M", **keys}
    return guest_conf(name, **given)


BARE_FILES = ("bare",)


def conf(*guests, idle="wait", host=""):
    """The whole file; `host`: further lines of [host]."""
    return HOST.format(idle=idle, further=benches.current().host + host) + "".join(guests)


def make_image(folder, text, files=GUEST_FILES, application="BOOTX64.EFI"):
    """A disk image with this facet.conf (None: without one) and these files.

    A file is a name in build/guest, a path, or NAME=PATH; `application`, in build, is what
    firmware starts.
    """
    os.makedirs(folder, exist_ok=True)
    image = os.path.join(folder, "disk.img")
    conf_path = "-"
    if text is not None:
        conf_path = os.path.join(folder, "facet.conf")
        with open(conf_path, "w", encoding="ascii") as file:
            file.write(text)
    paths = [f if "/" in f else os.path.join(BUILD, "guest", f) for f in files]
    subprocess.run(
        [os.path.join(ROOT, "tools/mkimage.sh"), image]
        + [os.path.join(BUILD, application), conf_path, *paths],
        check=True,
    )
    return image


# Of glmark2, one after the other for ever.
DEMO_SCENES = "facet.scene=shading:shading=phong,build,texture"


def bench_image(bench, folder):
    """The disk that `make run` and `make demo` start: two guests that draw."""
    if bench.name == "qemu-virtio":
        return os.path.join(BUILD, "facet.img")
    if bench.renders:
        guests = guest3d_conf("alpha", "kmscube"), guest3d_conf("beta", "glmark2", DEMO_SCENES)
        return make_image(folder, conf(*guests), GUEST3D_FILES)
    return make_image(folder, conf(guest_conf("alpha"), guest_conf("beta")))

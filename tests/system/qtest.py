# SPDX-License-Identifier: Apache-2.0
"""A hand inside QEMU: ports, memory and registers, past every processor of the machine.

    with qtest.Qtest() as hand:
        machine = start(conf, extra=hand.arguments)
        hand.write32(0x1000, 5)
"""

import os
import shutil
import socket
import tempfile
from contextlib import suppress

CONFIG_ADDRESS, CONFIG_DATA = 0xCF8, 0xCFC


class Qtest:
    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="facet-qtest-")  # a socket's path is short by law
        path = os.path.join(self.folder, "socket")
        self.path, self.line, self.file = path, None, None
        self.arguments = ("-qtest", f"unix:{path},server=on,wait=off", "-qtest-log", "/dev/null")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for end in (self.file, self.line):
            with suppress(OSError, AttributeError):
                end.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def ask(self, *words):
        if not self.line:
            self.line = socket.socket(socket.AF_UNIX)
            self.line.settimeout(30)
            self.line.connect(self.path)
            self.file = self.line.makefile("rw", encoding="ascii")
        text = " ".join(word if isinstance(word, str) else hex(word) for word in words)
        self.file.write(text + "\n")
        self.file.flush()
        answer = self.file.readline().split()
        assert answer and answer[0] == "OK", f"{text}: {answer}"
        return int(answer[1], 16) if len(answer) > 1 else None

    def read32(self, address):
        return self.ask("readl", address)

    def write32(self, address, value):
        self.ask("writel", address, value)

    def read64(self, address):
        return self.ask("readq", address)

    def write64(self, address, value):
        self.ask("writeq", address, value)

    def config_read(self, bdf, register):
        self.ask("outl", CONFIG_ADDRESS, 1 << 31 | bdf << 8 | register)
        return self.ask("inl", CONFIG_DATA)

    def config_write(self, bdf, register, value):
        self.ask("outl", CONFIG_ADDRESS, 1 << 31 | bdf << 8 | register)
        self.ask("outl", CONFIG_DATA, value)

    def capability(self, bdf, wanted):
        """Where the function's capability is in its configuration space."""
        at = self.config_read(bdf, 0x34) & 0xFC
        while at:
            head = self.config_read(bdf, at)
            if head & 0xFF == wanted:
                return at
            at = head >> 8 & 0xFC
        raise LookupError(f"function {bdf:#x} has no capability {wanted:#x}")

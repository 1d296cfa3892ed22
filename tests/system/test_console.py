# SPDX-License-Identifier: Apache-2.0
"""What the harness takes for a command's echo and its answer, however the bytes come."""

import io
import threading

import benches
import facet
import pytest

pytestmark = pytest.mark.not_on("qemu-vbe", "bochs-*", reason="no machine has part in it")

ERASED = "\r\x1b[K\x1b[K"  # Facet takes its prompt away, and draws it again below
REDRAWN = "\rfacet> gpu\x1b[K"


class Line:
    """A serial line that brings these pieces; a command typed is what lets the rest come."""

    def __init__(self, before, after):
        self.pieces = [before, *after]
        self.typed = threading.Event()
        self.first = True

    def read(self):
        if not self.first:
            self.typed.wait(5)
        self.first = False
        return self.pieces.pop(0) if self.pieces else b""

    def write(self, data):
        self.typed.set()


def answer(after, size):
    """What command("gpu") says when `after` comes in pieces of `size` bytes."""
    data = after.encode()
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    machine = facet.Machine.__new__(facet.Machine)
    machine.console, machine.at, machine.ended, machine.echo = "", 0, False, None
    machine.changed, machine.log = threading.Condition(), io.BytesIO()
    machine.bench = benches.current()
    machine.scale = 1
    machine.emulator = Line(b"\rfacet> \x1b[K", pieces)
    threading.Thread(target=machine._read, daemon=True).start()
    machine.prompt(5)
    return machine.command("gpu", timeout=5)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_the_answer_stands_between_echo_and_prompt(size):
    assert answer("gpu\r\nthe answer\r\n\rfacet> \x1b[K", size) == "the answer\n"


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_a_line_before_enter_does_not_end_a_command(size):
    other = f"gpu{ERASED}alpha| a line\r\n{REDRAWN}"
    assert answer(other + "\r\nthe answer\r\n\rfacet> \x1b[K", size) == "the answer\n"

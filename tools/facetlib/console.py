# SPDX-License-Identifier: Apache-2.0
"""Talks to Facet's console: a serial line, or the socket that an emulator makes of one.

The line carries everything at once: the log, the guests' lines, the prompt that is taken away and
put back around them, and the answer that is wanted. Screen makes lines of it; Console types a
command and returns the lines between its echo and the next prompt, without the others'.
"""

import codecs
import os
import re
import select
import socket
import stat
import termios
import time
import tty

PROMPT = "facet> "
TIMEOUT_S = 10

# How Facet takes its prompt away to print a line above it. What stood there was not entered, so
# the line gets a mark at its end: a command's echo is a line without one.
ERASE = "\r\x1b[K"
ERASED = "\x1f"
ESCAPES = re.compile(r"\x1b\[[0-9;?=]*[A-Za-z]|[\x07\x0f]")

# The log, and guests' lines. No answer that is wanted here begins like that.
OTHERS = re.compile(r"facet: |[A-Za-z0-9_.-]+\| ")

# To the end, and rub out all of it: what somebody has left at the prompt is not to be entered.
CLEAR_LINE = "\x05\x15"

# Of a line longer than the row the editor shows the end: at least this much.
SHOWN = 30

# A port without flow control has a queue of 16 bytes.
BURST, BURST_S = 8, 0.002


class ConsoleError(Exception):
    """There is no console there, or it does not answer as it should."""


# ---- lines ----


class Screen:
    """The text of what came, escape sequences taken out, however the bytes were cut."""

    def __init__(self):
        self.text = ""
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._pending = ""

    def feed(self, data):
        pending = self._pending + self._decoder.decode(data)
        whole = len(pending)
        cut = pending.rfind("\x1b", max(0, whole - 16))
        if cut >= 0 and not ESCAPES.match(pending, cut):
            whole = cut
        if pending[:whole].endswith("\r"):
            whole -= 1  # what follows it says what it is
        text, self._pending = pending[:whole], pending[whole:]
        text = ESCAPES.sub("", text.replace(ERASE, ERASED + "\n"))
        self.text += re.sub(r"\r\n?", "\n", text)


# ---- where it is ----


class _Socket:
    def __init__(self, connection):
        self.connection = connection

    def fileno(self):
        return self.connection.fileno()

    def read(self):
        return self.connection.recv(65536)

    def write(self, data):
        self.connection.sendall(data)

    def close(self):
        self.connection.close()


class _Port:
    """A serial port of this host, at 115200 baud."""

    def __init__(self, path):
        self.file = os.open(path, os.O_RDWR | os.O_NOCTTY)
        self.saved = termios.tcgetattr(self.file)
        tty.setraw(self.file)
        settings = termios.tcgetattr(self.file)
        settings[4] = settings[5] = termios.B115200
        settings[2] |= termios.CLOCAL | termios.CREAD
        termios.tcsetattr(self.file, termios.TCSANOW, settings)

    def fileno(self):
        return self.file

    def read(self):
        return os.read(self.file, 65536)

    def write(self, data):
        for at in range(0, len(data), BURST):
            os.write(self.file, data[at : at + BURST])
            time.sleep(BURST_S)

    def close(self):
        termios.tcsetattr(self.file, termios.TCSANOW, self.saved)
        os.close(self.file)


def connect(address):
    """The line at a path (a socket or a serial port) or at HOST:PORT."""
    try:
        if os.path.exists(address):
            mode = os.stat(address).st_mode
            if stat.S_ISSOCK(mode):
                connection = socket.socket(socket.AF_UNIX)
                connection.connect(address)
                return _Socket(connection)
            if stat.S_ISCHR(mode):
                return _Port(address)
            raise ConsoleError(f"{address} is neither a socket nor a serial port")
        host, colon, port = address.rpartition(":")
        if colon and port.isdigit():
            return _Socket(socket.create_connection((host.strip("[]"), int(port)), TIMEOUT_S))
        raise ConsoleError(f"{address}: there is no such file, and it is no HOST:PORT")
    except (OSError, termios.error) as error:
        why = getattr(error, "strerror", None) or error
        raise ConsoleError(f"{address}: {why}") from None


# ---- commands ----


class Console:
    """The operator's side of the line. Not for several threads at once."""

    def __init__(self, line, timeout_s=TIMEOUT_S):
        self.line, self.timeout_s = line, timeout_s
        self.screen = Screen()
        self._greet()

    def close(self):
        self.line.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _write(self, text):
        try:
            self.line.write(text.encode())
        except OSError as error:
            raise ConsoleError(f"the console is gone: {error.strerror}") from None

    def _read(self, left):
        if not select.select([self.line], [], [], left)[0]:
            return
        try:
            data = self.line.read()
        except OSError:
            data = b""
        if not data:
            raise ConsoleError("the console is gone: its other end has closed")
        self.screen.feed(data)

    def _expect(self, pattern, start, missing):
        """The first match behind `start`; `missing` says what is wrong when none comes."""
        compiled = re.compile(pattern, re.MULTILINE)
        deadline = time.monotonic() + self.timeout_s
        while True:
            match = compiled.search(self.screen.text, start)
            if match:
                return match
            # A long answer is not looked through again and again.
            start = max(start, len(self.screen.text) - 1000)
            size = len(self.screen.text)
            left = deadline - time.monotonic()
            if left <= 0:
                raise ConsoleError(f"{missing} within {self.timeout_s:g} s")
            self._read(left)
            if len(self.screen.text) > size and self._goes_on(size):
                deadline = time.monotonic() + self.timeout_s

    def _goes_on(self, size):
        """A dump may take longer than any answer: it is not late while its lines come."""
        return bool(re.search(r"^[A-Za-z0-9+/=]{64,}$", self.screen.text[size:], re.MULTILINE))

    def _greet(self):
        """A prompt for us: an empty line entered, which a shell of a guest does not mind either."""
        self._write(CLEAR_LINE + "\r")
        self._expect(
            "^" + re.escape(PROMPT),
            0,
            "no prompt (attached to a guest, Ctrl-] ends that; in `gpu top`, q does)",
        )

    def command(self, line):
        """Types it; returns the lines of its answer."""
        self.screen.text = self.screen.text[-1000:]
        start = len(self.screen.text)
        self._write(CLEAR_LINE + line + "\r")
        echo = re.escape(line[-SHOWN:]) + r" *\n"
        begin = self._expect(echo, start, f"no echo of `{line}`").end()
        prompt = self._expect("^" + re.escape(PROMPT), begin, f"no answer to `{line}`")
        return self.screen.text[begin : prompt.start()].split("\n")

    def answer(self, line):
        """The same without the log, the guests' lines and empty ones."""
        return [
            text for text in self.command(line) if text.strip(ERASED) and not OTHERS.match(text)
        ]


def open_console(address, timeout_s=TIMEOUT_S):
    line = connect(address)
    try:
        return Console(line, timeout_s)
    except BaseException:
        line.close()
        raise

# SPDX-License-Identifier: Apache-2.0
"""A console like Facet's on a socket: its echo, its prompt, and lines of others in between."""

import os
import socket
import threading

PROMPT = "\rfacet> \x1b[K"
HIDE = "\r\x1b[K"
ROOM = 63  # of the editor's row, for the line


class FakeConsole:
    """`answers`: a dict from command to lines, or a function. Serves one client after the other.

    `noise`: a line of the log after every so many bytes typed, and before each line of an answer.
    `size`: bytes in one piece.
    """

    def __init__(self, address, answers, noise=0, size=65536):
        self.answers, self.noise, self.size = answers, noise, size
        self.lines, self.line, self.typed = [], "", 0
        self.listener = socket.socket(
            socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        )
        self.listener.bind(address)
        self.listener.listen(1)
        self.address = self.listener.getsockname()
        self.client = None
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def close(self):
        for end in (self.listener, self.client):
            if end:
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
                end.close()
        if isinstance(self.address, str):
            os.unlink(self.address)
        self.thread.join(5)

    def _serve(self):
        while True:
            try:
                self.client, _ = self.listener.accept()
                while data := self.client.recv(4096):
                    for byte in data.decode():
                        self._key(byte)
            except OSError:
                return

    def _send(self, text):
        data = text.encode()
        for at in range(0, len(data), self.size):
            self.client.sendall(data[at : at + self.size])

    def _shown(self):
        size = len(self.line)
        return self.line[0 if size < ROOM else ((size - ROOM) // 31 + 1) * 31 :]

    def _draw(self):
        self._send(f"\rfacet> {self._shown()}\x1b[K")

    def _others(self):
        self._send(f"{HIDE}facet: guest beta: a line of the log\r\n")
        self._send("alpha| gpu set: a guest says this, at facet> too\r\n")
        self._draw()

    def _key(self, byte):
        self.typed += 1
        if self.noise and self.typed % self.noise == 0:
            self._others()
        if byte == "\x15":
            self.line = ""
            self._draw()
        elif byte == "\r":
            self._enter()
        elif byte >= " ":
            before = self._shown()
            self.line += byte
            if self._shown() == before + byte:
                self._send(byte)
            else:
                self._draw()

    def _enter(self):
        line, self.line = self.line, ""
        self._send("\r\n")
        self.lines.append(line)
        answer = self.answers(line) if callable(self.answers) else self.answers.get(line, [])
        for text in answer if line else ():
            if self.noise:
                self._send("facet: warning: between an answer's lines\r\nbeta| and this\r\n")
            self._send(text + "\r\n")
        self._send(PROMPT)

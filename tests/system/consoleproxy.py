# SPDX-License-Identifier: Apache-2.0
"""A machine's console for a second client, on a Unix socket, while the harness goes on reading."""

import os
import shutil
import socket
import tempfile
import threading
from contextlib import suppress


class ConsoleProxy:
    """Serves one client after the other. Only one side may type at a time.

    What nobody reads is lost, as on a serial line, rather than that the machine waits for it.
    """

    def __init__(self, machine):
        self.machine, self.client = machine, None
        # A socket's path is short by law: not in a deep test folder.
        self.folder = tempfile.mkdtemp(prefix="facet-console-")
        self.path = os.path.join(self.folder, "console")
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen(1)
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()
        machine.tap = self._brought

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.machine.tap = None
        for end in (self.listener, self.client):
            if end:
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
                end.close()
        self.thread.join(5)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _brought(self, data):
        client = self.client
        if client:
            with suppress(OSError):
                client.sendall(data)

    def _serve(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            client.settimeout(10)
            self.client = client
            with suppress(OSError):
                self._typed(client)
            self.client = None
            client.close()

    def _typed(self, client):
        while True:
            try:
                data = client.recv(4096)
            except TimeoutError:
                continue
            if not data:
                return
            self.machine.emulator.write(data)

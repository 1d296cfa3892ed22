# SPDX-License-Identifier: Apache-2.0
"""What QEMU's outputs show, told to it as docs/interop/vhost-user-gpu.rst describes."""

import struct
from collections import deque

from eventloop import Outbox

HEADER = struct.Struct("<III")
GET_PROTOCOL, SET_PROTOCOL, GET_INFO, SCANOUT, UPDATE = 1, 2, 3, 7, 8
COMMAND_HEADER_BYTES = 24  # QEMU's answer about the displays begins with virtio-gpu's header


def joined(a, b):
    """The rectangle around two."""
    left, top = min(a[0], b[0]), min(a[1], b[1])
    right, bottom = max(a[0] + a[2], b[0] + b[2]), max(a[1] + a[3], b[1] + b[3])
    return left, top, right - left, bottom - top


def common(a, b):
    """The rectangle in two; None if there is none."""
    left, top = max(a[0], b[0]), max(a[1], b[1])
    right, bottom = min(a[0] + a[2], b[0] + b[2]), min(a[1] + a[3], b[1] + b[3])
    return (left, top, right - left, bottom - top) if left < right and top < bottom else None


class Display:
    """The connection on which QEMU is told what its outputs show."""

    def __init__(self, loop, sock):
        self.out = Outbox(loop, sock)
        self.out.on_readable(self._readable)
        self.out.drained = self._send_pixels
        self.received = b""
        self.asking = deque()  # callbacks for each answer of QEMU's about its displays
        self.flushing = []  # callbacks for when the changed pixels are shown
        self.sizes = {}  # what QEMU was told, by output
        self.shown = {}  # (resource, which part of it), by output
        self.changed = {}  # which part of the resource QEMU does not know yet, by output
        self._message(GET_PROTOCOL)

    def close(self):
        """Returns the callbacks that will not be called any more."""
        self.out.close()
        left = [callback for callbacks in self.asking for callback in callbacks] + self.flushing
        self.asking.clear()
        self.flushing = []
        return left

    def ask(self, *callbacks):
        """Calls back with QEMU's displays: the body of virtio-gpu's answer."""
        self.asking.append(callbacks)
        self._message(GET_INFO)

    def show(self, output, resource, rect):
        """Shows this part of a resource; None: nothing."""
        self.changed.pop(output, None)
        self.shown[output] = (resource, rect) if resource else None
        size = rect[2:] if resource else (0, 0)
        if self.sizes.get(output, (0, 0)) != size:
            self.sizes[output] = size
            self._message(SCANOUT, struct.pack("<III", output, *size))

    def update(self, resource, rect, callback=None):
        """That part of a resource has changed. Calls back when it is shown, as ask() does."""
        for output, shown in self.shown.items():
            part = common(rect, shown[1]) if shown and shown[0] is resource else None
            if part:
                self.changed[output] = joined(part, self.changed.get(output, part))
        if callback:
            self.flushing.append(callback)
        self._send_pixels()

    def _message(self, request, *payload):
        size = sum(len(part) for part in payload)
        self.out.send(HEADER.pack(request, 0, size), *payload)

    def _send_pixels(self):
        """Pixels only when the last ones are gone: QEMU may be slower than the driver."""
        if not self.out.empty():
            return
        if not self.changed:
            # QEMU does one thing after another: its answer means that the pixels are there.
            if self.flushing:
                callbacks, self.flushing = self.flushing, []
                self.ask(*callbacks)
            return
        output = next(iter(self.changed))
        part = self.changed.pop(output)
        resource, rect = self.shown[output]
        x, y = part[0] - rect[0], part[1] - rect[1]
        where = struct.pack("<5I", output, x, y, part[2], part[3])
        self._message(UPDATE, where, resource.picture(part))

    def _readable(self):
        try:
            data = self.out.sock.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.close()
            return
        self.received += data
        while len(self.received) >= HEADER.size:
            request, _, size = HEADER.unpack_from(self.received)
            end = HEADER.size + size
            if len(self.received) < end:
                return
            payload, self.received = self.received[HEADER.size : end], self.received[end:]
            if request == GET_PROTOCOL:
                self._message(SET_PROTOCOL, struct.pack("<Q", 0))
            elif request == GET_INFO and self.asking:
                for callback in self.asking.popleft():
                    callback(payload[COMMAND_HEADER_BYTES:])

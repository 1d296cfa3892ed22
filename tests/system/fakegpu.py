# SPDX-License-Identifier: Apache-2.0
"""A GPU that misbehaves on command: the process behind QEMU's vhost-user-gpu-pci.

    python3 tests/system/fakegpu.py --socket PATH --control PATH [--virgl]

It draws what virtio-gpu's 2D commands say (virtio 1.2, 5.7), takes 3D commands without
rendering, and counts everything. On the control socket it is told to hang, delay, lose or reorder
fences, or to stop as a whole: one JSON object a line, one line back (see Control). Memory
that a new resource gets is full of AAh, as memory is that nobody has cleared.

A fence that does not come keeps nobody waiting but its driver: QEMU goes on.
"""

import argparse
import bisect
import itertools
import json
import os
import socket
import struct
import sys
import time
import zlib
from collections import Counter, deque
from contextlib import suppress

from eventloop import Loop, Outbox
from fences import FLAG_FENCE, ORDERS, Command, Fences, Rule
from gpudisplay import Display
from vhostuser import READ, WRITE, Backend, Fault

OUTPUTS_MAX = 16
FRESH = b"\xaa"

TYPES = {
    0x0100: "GET_DISPLAY_INFO",
    0x0101: "RESOURCE_CREATE_2D",
    0x0102: "RESOURCE_UNREF",
    0x0103: "SET_SCANOUT",
    0x0104: "RESOURCE_FLUSH",
    0x0105: "TRANSFER_TO_HOST_2D",
    0x0106: "RESOURCE_ATTACH_BACKING",
    0x0107: "RESOURCE_DETACH_BACKING",
    0x0108: "GET_CAPSET_INFO",
    0x0109: "GET_CAPSET",
    0x0200: "CTX_CREATE",
    0x0201: "CTX_DESTROY",
    0x0202: "CTX_ATTACH_RESOURCE",
    0x0203: "CTX_DETACH_RESOURCE",
    0x0204: "RESOURCE_CREATE_3D",
    0x0205: "TRANSFER_TO_HOST_3D",
    0x0206: "TRANSFER_FROM_HOST_3D",
    0x0207: "SUBMIT_3D",
    0x0300: "UPDATE_CURSOR",
    0x0301: "MOVE_CURSOR",
}

OK_NODATA, OK_DISPLAY_INFO, OK_CAPSET_INFO, OK_CAPSET = 0x1100, 0x1101, 0x1102, 0x1103
ERR_UNSPEC, ERR_OUT_OF_MEMORY, ERR_SCANOUT, ERR_RESOURCE, ERR_CONTEXT, ERR_PARAMETER = range(
    0x1200, 0x1206
)

HEADER = struct.Struct("<IIQII")
F_VIRGL = 1 << 0

# A stream that begins with this dword, or has it after the header of a NOP, misbehaves by
# itself ("FKGP"): the next two dwords are hang, lose or delay (0, 1, 2) and milliseconds.
STREAM_MAGIC = 0x50474B46
STREAM_ORDERS = ORDERS[:3]

# Where in a pixel of four bytes are blue, green, red, by virtio's number of the format (5.7.6.8).
BLUE_GREEN_RED = {
    **dict.fromkeys((1, 2), (0, 1, 2)),
    **dict.fromkeys((3, 4), (3, 2, 1)),
    **dict.fromkeys((67, 134), (2, 1, 0)),
    **dict.fromkeys((68, 121), (1, 2, 3)),
}


class Refused(Exception):
    """A command that the device answers with this error."""

    def __init__(self, answer):
        super().__init__()
        self.answer = answer


# ---- resources ----


class Resource:
    """A picture or buffer in the GPU's memory. Only the first level of detail is kept."""

    def __init__(self, number, fmt, size, pixel=4):
        self.number, self.format, self.pixel = number, fmt, pixel
        self.width, self.height, self.depth = size
        self.bytes = bytearray(FRESH) * (self.width * self.height * self.depth * pixel)
        self.attach(())
        self.contexts = set()

    def attach(self, backing):
        """Sets what memory is behind it: (address, length) of each part."""
        self.backing = list(backing)
        self.starts = [0, *itertools.accumulate(length for _, length in self.backing)]

    def holds(self, x, y, width, height, z=0, depth=1):
        return (
            x + width <= self.width and y + height <= self.height and z + depth <= self.depth
        )

    def spans(self, memory, offset, length, access):
        """Where this part of the backing is."""
        if offset + length > self.starts[-1]:
            raise Refused(ERR_PARAMETER)
        found = []
        at = bisect.bisect(self.starts, offset) - 1
        while length:
            address, size = self.backing[at]
            skipped = offset - self.starts[at]
            part = min(length, size - skipped)
            found += memory.spans(address + skipped, part, access)
            offset, length, at = offset + part, length - part, at + 1
        return found

    def rows(self, box, stride, layer, offset):
        """(place in `bytes`, place in the backing, length) of each row, whole ones joined."""
        x, y, z, width, height, depth = box
        row = self.width * self.pixel
        length = width * self.pixel
        if length == row == stride and layer == stride * self.height and depth == 1:
            yield (z * self.height + y) * row, offset, length * height
            return
        for k in range(depth):
            for j in range(height):
                place = ((z + k) * self.height + y + j) * row + x * self.pixel
                yield place, offset + k * layer + j * stride, length

    def picture(self, rect):
        """The pixels of a rectangle as QEMU takes them: blue, green, red, nothing."""
        x, y, width, height = rect
        row = self.width * 4
        view = memoryview(self.bytes)
        if width == self.width:
            data = bytes(view[y * row : (y + height) * row])
        else:
            data = b"".join(view[j * row + 4 * x :][: 4 * width] for j in range(y, y + height))
        places = BLUE_GREEN_RED.get(self.format, (0, 1, 2))
        if places == (0, 1, 2):
            return data
        out = bytearray(len(data))
        for to, place in enumerate(places):
            out[to::4] = data[place::4]
        return bytes(out)


# ---- the GPU ----


class Gpu:
    """The device: what its driver made on it and what it was told."""

    queue_count = 2

    def __init__(self, loop, virgl=False, capsets=(), memory_bytes=1 << 30):
        self.loop = loop
        self.features = F_VIRGL if virgl else 0
        self.capsets = capsets  # (id, version, bytes)
        self.memory_bytes = memory_bytes
        self.backend = None
        self.screen = None
        self.fences = Fences(loop, self._reply)
        self.started = time.monotonic()
        self.resets = 0
        self.last = deque(maxlen=64)
        self.clear_counts()
        self._empty()
        self.handlers = {
            "GET_DISPLAY_INFO": self._display_info,
            "RESOURCE_CREATE_2D": self._create_2d,
            "RESOURCE_UNREF": self._unref,
            "SET_SCANOUT": self._set_scanout,
            "RESOURCE_FLUSH": self._flush,
            "TRANSFER_TO_HOST_2D": self._transfer_2d,
            "RESOURCE_ATTACH_BACKING": self._attach_backing,
            "RESOURCE_DETACH_BACKING": self._detach_backing,
            "GET_CAPSET_INFO": self._capset_info,
            "GET_CAPSET": self._capset,
            "UPDATE_CURSOR": lambda command, body: None,
            "MOVE_CURSOR": lambda command, body: None,
        }
        if virgl:
            self.handlers |= {
                "CTX_CREATE": self._create_context,
                "CTX_DESTROY": self._destroy_context,
                "CTX_ATTACH_RESOURCE": self._attach_resource,
                "CTX_DETACH_RESOURCE": self._detach_resource,
                "RESOURCE_CREATE_3D": self._create_3d,
                "TRANSFER_TO_HOST_3D": self._transfer_3d,
                "TRANSFER_FROM_HOST_3D": self._transfer_3d,
                "SUBMIT_3D": self._submit,
            }

    def _empty(self):
        self.resources, self.contexts, self.outputs = {}, {}, {}

    def clear_counts(self):
        self.commands, self.refused = Counter(), Counter()
        self.stream_bytes = Counter()  # by context
        self.copied_bytes = 0

    # ---- what the transport wants ----

    def config(self):
        """5.7.4; the number of outputs is filled in by QEMU."""
        return struct.pack("<IIII", 0, 0, 1, len(self.capsets) if self.features & F_VIRGL else 0)

    def display(self, sock):
        left = self.screen.close() if self.screen else []
        self.screen = Display(self.loop, sock)
        for output, (resource, rect) in self.outputs.items():
            self.screen.show(output, resource, rect)
            self.screen.update(resource, rect)
        if left:
            self.screen.ask(*left)

    def reset(self):
        self.resets += 1
        self._empty()
        self.fences.reset()
        if self.backend:
            self.backend.pause(False)
        if self.screen:
            self.screen.close()
            self.screen = None

    def _reply(self, chain, data):
        if self.backend:
            self.backend.reply(chain, data)

    def take(self, queue, chain):
        """One request. A Miss leaves it to be taken again, so nothing is counted before."""
        response, data, command = OK_NODATA, b"", None
        try:
            request = chain.read()
            if len(request) < HEADER.size:
                raise Refused(ERR_UNSPEC)
            kind, flags, fence, ctx, _ = HEADER.unpack_from(request)
            body = request[HEADER.size :]
            name = TYPES.get(kind, hex(kind))
            command = Command(name, flags, fence, ctx, self._resource_named(kind, body))
            handler = self.handlers.get(command.type)
            if not handler:
                raise Refused(ERR_UNSPEC)
            result = handler(command, body)
            if result:
                response, data = result
        except Refused as refused:
            response = refused.answer
        except (Fault, struct.error):
            response = ERR_UNSPEC
        command = command or Command("cut short")
        self.commands[command.type] += 1
        if response >= ERR_UNSPEC:
            self.refused[command.type] += 1
        if callable(data):  # the answer comes from QEMU
            data(lambda late: self._finish(command, chain, response, late))
        else:
            self._finish(command, chain, response, data)

    # Where after the header a command has its resource's id.
    ID_AT = {0x0103: 20, 0x0104: 16, 0x0105: 24, 0x0205: 32, 0x0206: 32}
    WITHOUT_ID = (0x0100, 0x0108, 0x0109, 0x0200, 0x0201, 0x0207, 0x0300, 0x0301)

    def _resource_named(self, kind, body):
        at = self.ID_AT.get(kind, 0)
        if kind in self.WITHOUT_ID or len(body) < at + 4:
            return None
        return struct.unpack_from("<I", body, at)[0]

    def _finish(self, command, chain, response, data):
        fenced = command.fence is not None
        flags, fence, ctx = (FLAG_FENCE, command.fence, command.ctx) if fenced else (0, 0, 0)
        answer = (chain, HEADER.pack(response, flags, fence, ctx, 0) + data)
        if fenced:
            fate = self.fences.done(command, answer)
        else:
            self._reply(*answer)
            fate = "answered"
        self.last.append(
            {
                "type": command.type,
                "ctx": command.ctx,
                "resource": command.resource,
                "fence": command.fence,
                "response": f"{response:#x}",
                "fate": fate,
            }
        )

    # ---- 2D ----

    def _resource(self, number):
        if number not in self.resources:
            raise Refused(ERR_RESOURCE)
        return self.resources[number]

    def _display_info(self, command, body):
        if self.screen:
            return OK_DISPLAY_INFO, self.screen.ask
        one = struct.pack("<6I", 0, 0, 1280, 800, 1, 0)
        return OK_DISPLAY_INFO, one + bytes(24 * (OUTPUTS_MAX - 1))

    def _create(self, number, fmt, size, pixel=4):
        if not number or number in self.resources:
            raise Refused(ERR_RESOURCE)
        if not all(size):
            raise Refused(ERR_PARAMETER)
        held = sum(len(r.bytes) for r in self.resources.values())
        if held + size[0] * size[1] * size[2] * pixel > self.memory_bytes:
            raise Refused(ERR_OUT_OF_MEMORY)
        self.resources[number] = Resource(number, fmt, size, pixel)

    def _create_2d(self, command, body):
        number, fmt, width, height = struct.unpack_from("<4I", body)
        if fmt not in BLUE_GREEN_RED:
            raise Refused(ERR_PARAMETER)
        self._create(number, fmt, (width, height, 1))

    def _unref(self, command, body):
        resource = self._resource(command.resource)
        for output in [n for n, shown in self.outputs.items() if shown[0] is resource]:
            self._show(output, None, None)
        del self.resources[resource.number]

    def _show(self, output, resource, rect):
        if resource:
            self.outputs[output] = (resource, rect)
        else:
            self.outputs.pop(output, None)
        if self.screen:
            self.screen.show(output, resource, rect)

    def _set_scanout(self, command, body):
        *rect, output, number = struct.unpack_from("<6I", body)
        if output >= OUTPUTS_MAX:
            raise Refused(ERR_SCANOUT)
        resource = self._resource(number) if number else None
        if resource and not (rect[2] and rect[3] and resource.pixel == 4 and resource.holds(*rect)):
            raise Refused(ERR_PARAMETER)
        self._show(output, resource, tuple(rect))

    def _flush(self, command, body):
        rect = struct.unpack_from("<4I", body)
        resource = self._resource(command.resource)
        if not resource.holds(*rect):
            raise Refused(ERR_PARAMETER)
        if not self.screen:
            return None
        # Answered when QEMU shows it, or a screenshot would be older than the driver says.
        return OK_NODATA, lambda done: self.screen.update(resource, rect, lambda _: done(b""))

    def _attach_backing(self, command, body):
        resource = self._resource(command.resource)
        (count,) = struct.unpack_from("<I", body, 4)
        if resource.backing or count > 16384 or len(body) < 8 + 16 * count:
            raise Refused(ERR_UNSPEC)
        entries = struct.iter_unpack("<QII", body[8 : 8 + 16 * count])
        resource.attach((address, length) for address, length, _ in entries)

    def _detach_backing(self, command, body):
        self._resource(command.resource).attach(())

    def _copy(self, resource, rows, to_host):
        memory = self.backend.memory
        # All addresses first: a Miss on the way would leave half a picture.
        work = [
            (place, resource.spans(memory, offset, length, READ if to_host else WRITE))
            for place, offset, length in rows
        ]
        store = memoryview(resource.bytes)
        for place, spans in work:
            for view, start, end in spans:
                part = store[place : place + end - start]
                if to_host:
                    part[:] = view[start:end]
                else:
                    view[start:end] = part
                place += end - start
                self.copied_bytes += end - start

    def _transfer_2d(self, command, body):
        x, y, width, height, offset = struct.unpack_from("<4IQ", body)
        resource = self._resource(command.resource)
        if not resource.backing or not resource.holds(x, y, width, height):
            raise Refused(ERR_PARAMETER)
        stride = resource.width * 4
        box = (x, y, 0, width, height, 1)
        self._copy(resource, resource.rows(box, stride, stride * resource.height, offset), True)

    # ---- 3D: counted, not rendered ----

    def _capset_info(self, command, body):
        (index,) = struct.unpack_from("<I", body)
        if not self.features & F_VIRGL or index >= len(self.capsets):
            raise Refused(ERR_PARAMETER)
        number, version, data = self.capsets[index]
        return OK_CAPSET_INFO, struct.pack("<4I", number, version, len(data), 0)

    def _capset(self, command, body):
        wanted, _ = struct.unpack_from("<II", body)
        for number, _, data in self.capsets if self.features & F_VIRGL else ():
            if number == wanted:
                return OK_CAPSET, data
        raise Refused(ERR_PARAMETER)

    def _context(self, command):
        if command.ctx not in self.contexts:
            raise Refused(ERR_CONTEXT)
        return command.ctx

    def _create_context(self, command, body):
        if not command.ctx or command.ctx in self.contexts:
            raise Refused(ERR_CONTEXT)
        (length,) = struct.unpack_from("<I", body)
        name = body[8 : 8 + min(length, 64)].split(b"\0")[0]
        self.contexts[command.ctx] = name.decode("ascii", "replace")

    def _destroy_context(self, command, body):
        del self.contexts[self._context(command)]
        for resource in self.resources.values():
            resource.contexts.discard(command.ctx)

    def _attach_resource(self, command, body):
        self._resource(command.resource).contexts.add(self._context(command))

    def _detach_resource(self, command, body):
        self._resource(command.resource).contexts.discard(self._context(command))

    def _create_3d(self, command, body):
        number, target, fmt, _, width, height, depth, layers = struct.unpack_from("<8I", body)
        # Target 0 is a buffer, whose width is in bytes.
        self._create(number, fmt, (width, height, depth * max(1, layers)), 1 if not target else 4)

    def _transfer_3d(self, command, body):
        x, y, z, width, height, depth, offset = struct.unpack_from("<6IQ", body)
        level, stride, layer = struct.unpack_from("<3I", body, 36)
        resource = self._resource(command.resource)
        # Context 0 is the renderer's own, to which all belongs.
        if command.ctx and command.ctx not in self.contexts:
            raise Refused(ERR_CONTEXT)
        if command.ctx and command.ctx not in resource.contexts:
            raise Refused(ERR_RESOURCE)
        if level:
            return
        if not resource.backing or not resource.holds(x, y, width, height, z, depth):
            raise Refused(ERR_PARAMETER)
        stride = stride or resource.width * resource.pixel
        layer = layer or stride * resource.height
        rows = resource.rows((x, y, z, width, height, depth), stride, layer, offset)
        self._copy(resource, rows, command.type == "TRANSFER_TO_HOST_3D")

    def _submit(self, command, body):
        (size,) = struct.unpack_from("<I", body)
        stream = body[8 : 8 + size]
        if len(stream) < size or size % 4:
            raise Refused(ERR_PARAMETER)
        self.stream_bytes[self._context(command)] += size
        for at in (0, 4):
            if len(stream) >= at + 12:
                magic, what, ms = struct.unpack_from("<3I", stream, at)
                if magic == STREAM_MAGIC and what < len(STREAM_ORDERS):
                    command.order = STREAM_ORDERS[what], ms

    # ---- what tests ask ----

    def stats(self):
        backend = self.backend
        return {
            "seconds": round(time.monotonic() - self.started, 3),
            "connected": backend is not None,
            "translated": bool(backend and backend.memory.translated),
            "stopped": bool(backend and backend.paused),
            "resets": self.resets,
            "commands": dict(self.commands),
            "refused": dict(self.refused),
            "fences": {
                "seen": self.fences.seen,
                "answered": self.fences.answered,
                "lost": self.fences.lost,
                "hung": len(self.fences.hung),
            },
            "contexts": {str(n): name for n, name in self.contexts.items()},
            "resources": [
                {
                    "id": r.number,
                    "size": [r.width, r.height, r.depth],
                    "format": r.format,
                    "bytes": len(r.bytes),
                    "backed": r.starts[-1],
                    "contexts": sorted(r.contexts),
                }
                for r in self.resources.values()
            ],
            "outputs": {str(n): shown[0].number for n, shown in self.outputs.items()},
            "stream_bytes": {str(n): count for n, count in self.stream_bytes.items()},
            "copied_bytes": self.copied_bytes,
            "faults": backend.faults if backend else 0,
            "last": list(self.last),
        }


# ---- control ----


class Control:
    """A Unix socket for tests: one JSON object a line, and a line with "ok" back.

    Fences are chosen by any of "ctx", "resource", "type" (a name of TYPES), "after" (so many that
    would fit pass first) and "count" (without: all). The oldest rule that fits decides; one with
    "first": true is put before those that are there.

    {"do": "hang", ...}                     never answers them (until "normal")
    {"do": "lose", "count": 1, ...}         drops their answers for good
    {"do": "delay", "ms": 50, ...}          answers late; "serial": true: one after another
    {"do": "reorder", "count": 2, ...}      answers so many in reverse, when all are there;
                                            with "ms" at the latest so long after the first
    {"do": "stop"}                          takes nothing and answers nothing until a reset
    {"do": "normal", "release": true}       no rule any more; what hung is answered now, or lost
    {"do": "stats", "clear": false}         what was counted, and the last 64 commands
    {"do": "peek", "resource": 3}           what a resource holds: CRC-32, bytes AAh and 00h
    {"do": "quit"}
    """

    def __init__(self, loop, path, gpu):
        self.loop, self.gpu = loop, gpu
        self.listener = listen(path)
        loop.watch(self.listener, self._accept)

    def _accept(self, _):
        sock, _ = self.listener.accept()
        out = Outbox(self.loop, sock)
        pending = b""

        def readable():
            nonlocal pending
            try:
                data = sock.recv(65536)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                out.close()
                return
            *lines, pending = (pending + data).split(b"\n")
            for line in lines:
                out.send(json.dumps(self.answer(line)).encode() + b"\n")

        out.on_readable(readable)

    def answer(self, line):
        try:
            order = json.loads(line)
            return {"ok": True, **(self._obey(order) or {})}
        except (ValueError, KeyError, TypeError) as error:
            return {"ok": False, "error": f"{type(error).__name__}: {error}"}

    def _obey(self, order):
        gpu, what = self.gpu, order["do"]
        if what in ORDERS:
            if order.get("type") not in (None, *TYPES.values()):
                raise ValueError(f"no command type {order['type']}")
            rules = gpu.fences.rules
            rules.insert(0 if order.get("first") else len(rules), Rule(order))
        elif what == "stop":
            if not gpu.backend:
                raise ValueError("QEMU is not there")
            gpu.backend.pause(True)
        elif what == "normal":
            if gpu.backend:
                gpu.backend.pause(False)
            gpu.fences.normal(order.get("release", True))
        elif what == "stats":
            stats = gpu.stats()
            if order.get("clear"):
                gpu.clear_counts()
            return stats
        elif what == "peek":
            data = gpu.resources[int(order["resource"])].bytes
            return {
                "bytes": len(data),
                "crc32": f"{zlib.crc32(data):08x}",
                "fresh": data.count(FRESH),
                "zero": data.count(b"\0"),
            }
        elif what == "quit":
            self.loop.running = False
        else:
            raise ValueError(f"do what: {what}?")
        return None


def listen(path):
    with suppress(FileNotFoundError):
        os.unlink(path)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    return listener


def read_capset(path, size):
    if not path:
        return bytes(size)
    with open(path, "rb") as file:
        return file.read()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--socket", required=True, help="where QEMU connects")
    parser.add_argument("--control", required=True, help="where a test connects")
    parser.add_argument("--virgl", action="store_true", help="offer 3D")
    parser.add_argument("--capset1", help="file with the bytes of VIRGL; without: 308 zeros")
    parser.add_argument("--capset2", help="file with the bytes of VIRGL2; without: 1376 zeros")
    parser.add_argument("--memory", type=int, default=1024, help="MiB for resources")
    options = parser.parse_args()

    loop = Loop()
    capsets = (  # VIRGL and VIRGL2
        (1, 1, read_capset(options.capset1, 308)),
        (2, 2, read_capset(options.capset2, 1376)),
    )
    gpu = Gpu(loop, options.virgl, capsets, options.memory << 20)
    listener = listen(options.socket)
    Control(loop, options.control, gpu)

    def ended():
        # The machine is gone, and with it all reason to stay.
        gpu.backend = None
        loop.running = False

    def accept(_):
        connection, _ = listener.accept()
        loop.forget(listener)
        gpu.backend = Backend(loop, connection, gpu, ended)

    loop.watch(listener, accept)
    print("ready", flush=True)
    loop.run()


if __name__ == "__main__":
    sys.exit(main())

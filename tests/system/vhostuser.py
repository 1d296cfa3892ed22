# SPDX-License-Identifier: Apache-2.0
"""The back-end side of vhost-user: memory shared by QEMU, its IOMMU's translations, virtqueues.

What QEMU's docs/interop/vhost-user.rst and virtio 1.2 (2.7, split virtqueues) describe, as
far as one device needs it. Nothing here waits: QEMU's main loop stands still while it waits for
an answer of ours, and so may not have to wait for anything that needs its main loop.
"""

import array
import bisect
import mmap
import os
import socket
import struct
from collections import deque
from contextlib import suppress

from eventloop import Outbox

# ---- memory ----

PAGE = 4096
READ, WRITE = 1, 2


class Fault(Exception):
    """The device may not reach this address, or there is nothing."""


class Miss(Exception):
    """Translations that must be asked for first; then the same can be tried again."""

    def __init__(self, pages, access):
        super().__init__()
        self.pages, self.access = pages, access


class Region:
    """A part of the machine's memory."""

    def __init__(self, fd, guest, size, user, offset):
        self.guest, self.size, self.user = guest, size, user
        base = offset & ~(mmap.ALLOCATIONGRANULARITY - 1)
        mapped = mmap.mmap(fd, size + offset - base, offset=base)
        self.view = memoryview(mapped)[offset - base :]


class Memory:
    """Bus addresses to bytes: the machine's own ones, or an IOMMU's that QEMU translates."""

    MISSES = 64  # asked for at once

    def __init__(self):
        self.regions = []
        self.translated = False
        self.starts, self.ranges = [], []  # (start, end, user address, access), by start
        self.denied = set()
        self.granted = PAGE  # size of the last translation: the next ones are like it

    def set_regions(self, regions):
        self.regions = regions
        self.forget(0, 1 << 64)

    def learn(self, iova, size, user, access):
        self.forget(iova, size)
        at = bisect.bisect(self.starts, iova)
        self.starts.insert(at, iova)
        self.ranges.insert(at, (iova, iova + size, user, access))
        self.granted = max(PAGE, size & -size)

    def forget(self, iova, size):
        first = max(0, bisect.bisect(self.starts, iova) - 1)
        last = bisect.bisect_left(self.starts, iova + size)
        kept = [r for r in self.ranges[first:last] if r[1] <= iova or r[0] >= iova + size]
        self.ranges[first:last] = kept
        self.starts[first:last] = [r[0] for r in kept]
        self.denied.clear()

    def deny(self, page):
        self.denied.add(page)

    def _of_user(self, user, length):
        for region in self.regions:
            if region.user <= user < region.user + region.size:
                at = user - region.user
                return region.view, at, min(length, region.size - at)
        raise Fault(f"user address {user:#x}")

    def _of_guest(self, address, length):
        for region in self.regions:
            if region.guest <= address < region.guest + region.size:
                at = address - region.guest
                return region.view, at, min(length, region.size - at)
        raise Fault(f"address {address:#x}")

    def _of_iova(self, iova, length, access):
        """None: not known."""
        at = bisect.bisect(self.starts, iova) - 1
        if at >= 0:
            start, end, user, allowed = self.ranges[at]
            if iova < end and allowed & access == access:
                return self._of_user(user + iova - start, min(length, end - iova))
        page = iova & -PAGE
        if page in self.denied:
            self.denied.discard(page)
            raise Fault(f"I/O address {iova:#x}")
        return None

    def spans(self, address, length, access, ring=False):
        """[(view, from, to)] for these bytes. A ring's address is QEMU's own without an IOMMU."""
        found, missing = [], []
        end = address + length
        while address < end and len(missing) < self.MISSES:
            left = end - address
            if self.translated:
                hit = self._of_iova(address, left, access)
            else:
                hit = self._of_user(address, left) if ring else self._of_guest(address, left)
            if hit is None:
                missing.append(address & -PAGE)
                address = (address & -self.granted) + self.granted
                continue
            view, at, bytes_here = hit
            address += bytes_here
            if found and found[-1][0] is view and found[-1][2] == at:
                found[-1] = (view, found[-1][1], at + bytes_here)
            else:
                found.append((view, at, at + bytes_here))
        if missing:
            raise Miss(missing, access)
        return found

    def read(self, address, length):
        return b"".join(view[a:b] for view, a, b in self.spans(address, length, READ))

    def ring(self, address, length, access):
        spans = self.spans(address, length, access, ring=True)
        if len(spans) != 1:
            raise Fault(f"a ring at {address:#x} in pieces")
        view, start, end = spans[0]
        return view[start:end]


# ---- virtqueues ----

DESC_NEXT, DESC_WRITE, DESC_INDIRECT = 1, 2, 4
AVAIL_NO_INTERRUPT = 1


class Chain:
    """One request: where its bytes are and where its answer goes."""

    def __init__(self, queue, head):
        self.queue, self.head = queue, head
        self.readable, self.writable = [], []

    def read(self, limit=1 << 24):
        parts = []
        for address, length in self.readable:
            parts.append(self.queue.memory.read(address, min(length, limit)))
            limit -= len(parts[-1])
        return b"".join(parts)

    def write(self, data):
        """Writes the answer, cut to the room that there is; returns its length."""
        data = memoryview(data)
        spans = []
        for address, length in self.writable:
            spans += self.queue.memory.spans(address, min(length, len(data)), WRITE)
        done = 0
        for view, start, end in spans:
            part = data[done : done + end - start]
            view[start : start + len(part)] = part
            done += len(part)
        return done


class Queue:
    """A split virtqueue."""

    def __init__(self, memory):
        self.memory = memory
        self.size = 0
        self.addresses = None  # of descriptors, used and available ring
        self.taken = 0
        self.kick = self.call = None  # eventfds
        self.enabled = False
        self.event_idx = False

    def running(self):
        return bool(self.enabled and self.kick is not None and self.addresses and self.size)

    def _ring(self, which):
        """A ring as numbers of 16 bits, so that an index is written at once."""
        desc, used, avail = self.addresses
        if which == "avail":
            return self.memory.ring(avail, 6 + 2 * self.size, READ).cast("H")
        return self.memory.ring(used, 6 + 8 * self.size, READ | WRITE).cast("H")

    def peek(self):
        """The next request, which stays the next one until take(); None without one."""
        avail = self._ring("avail")
        if avail[1] == self.taken:
            if not self.event_idx:
                return None
            # Say from where on we want to be told; what came meanwhile is told by nobody.
            used = self._ring("used")
            used[2 + 4 * self.size] = self.taken
            if avail[1] == self.taken:
                return None
        head = avail[2 + self.taken % self.size]
        if head >= self.size:
            raise Fault(f"descriptor {head} of {self.size}")
        return self._chain(head)

    def take(self):
        self.taken = self.taken + 1 & 0xFFFF

    def _chain(self, head):
        chain = Chain(self, head)
        table = self.memory.ring(self.addresses[0], 16 * self.size, READ)
        at, left = head, self.size
        while True:
            address, length, flags, following = struct.unpack_from("<QIHH", table, 16 * at)
            if flags & DESC_INDIRECT:
                table, at = self.memory.read(address, length), 0
                left = length // 16
                continue
            (chain.writable if flags & DESC_WRITE else chain.readable).append((address, length))
            left -= 1
            if not flags & DESC_NEXT:
                return chain
            at = following
            if left <= 0 or 16 * at + 16 > len(table):
                raise Fault("an endless chain of descriptors")

    def push(self, chain, data):
        """Answers a request. After a Miss nothing has happened that the driver sees."""
        used, avail = self._ring("used"), self._ring("avail")
        written = chain.write(data)
        index = used[1]
        at = 2 + 4 * (index % self.size)
        used[at], used[at + 1] = chain.head, 0
        used[at + 2], used[at + 3] = written & 0xFFFF, written >> 16
        used[1] = index + 1 & 0xFFFF
        if self.event_idx:
            wanted = avail[2 + self.size] == index
        else:
            wanted = not avail[0] & AVAIL_NO_INTERRUPT
        if wanted and self.call is not None:
            os.eventfd_write(self.call, 1)

    def stop(self):
        for fd in (self.kick, self.call):
            if fd is not None:
                os.close(fd)
        self.kick = self.call = self.addresses = None
        self.enabled = False


# ---- the protocol ----

VERSION, REPLY, NEED_REPLY = 1, 4, 8
HEADER = struct.Struct("<III")
IOTLB = struct.Struct("<QQQBB6x")
MISS, UPDATE, INVALIDATE = 1, 2, 3

F_INDIRECT, F_EVENT_IDX, F_PROTOCOL = 1 << 28, 1 << 29, 1 << 30
F_VERSION_1, F_ACCESS_PLATFORM = 1 << 32, 1 << 33
# Replies to whatever wants one, requests of ours (translations), the device's configuration.
PROTOCOL_FEATURES = 1 << 3 | 1 << 5 | 1 << 9

NO_FD = 0x100


class Backend:
    """One device behind one connection of QEMU's.

    The device has `features`, `config()` and `queue_count`, and is told:
    take(queue_index, chain), which answers by reply(); display(socket); reset().
    """

    TURN = 64  # requests before others have a turn

    def __init__(self, loop, connection, device, on_end):
        self.loop, self.connection, self.device, self.on_end = loop, connection, device, on_end
        self.memory = Memory()
        self.queues = [Queue(self.memory) for _ in range(device.queue_count)]
        self.requests = None  # Outbox of the channel for requests of ours
        self.asked = deque()  # pages, in the order in which QEMU will reply
        self.unsent = deque()  # answers: (chain, bytes)
        self.paused = False
        self.faults = 0
        self.handlers = {
            1: self._get_features,
            2: self._set_features,
            5: self._set_memory,
            8: self._set_size,
            9: self._set_addresses,
            10: self._set_base,
            11: self._get_base,
            12: self._set_kick,
            13: self._set_call,
            15: lambda payload, fds: struct.pack("<Q", PROTOCOL_FEATURES),
            17: lambda payload, fds: struct.pack("<Q", len(self.queues)),
            18: self._set_enable,
            21: self._set_requests,
            22: self._translation,
            24: self._get_config,
            33: self._set_display,
        }
        loop.watch(connection, self._readable)

    # ---- messages ----

    def _receive(self, size):
        data, ancillary, _, _ = self.connection.recvmsg(
            size, socket.CMSG_SPACE(8 * 4), socket.MSG_WAITALL | socket.MSG_CMSG_CLOEXEC
        )
        fds = array.array("i")
        for level, kind, content in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                fds.frombytes(content[: len(content) // 4 * 4])
        return data, list(fds)

    def _readable(self, _):
        try:
            header, fds = self._receive(HEADER.size)
            if len(header) < HEADER.size:
                raise ConnectionError
            request, flags, size = HEADER.unpack(header)
            payload = self._receive(size)[0] if size else b""
        except OSError:
            self.close()
            return
        handler = self.handlers.get(request)
        answer = handler(payload, fds) if handler else None
        if answer is None and flags & NEED_REPLY:
            answer = struct.pack("<Q", 0)
        if answer is not None:
            # Small, and QEMU is waiting for it: this does not block.
            with suppress(OSError):
                reply = HEADER.pack(request, VERSION | REPLY, len(answer)) + answer
                self.connection.sendall(reply)
        self.loop.after(0, self.serve)

    def close(self):
        self.loop.forget(self.connection)
        self.connection.close()
        for queue in self.queues:
            self._stop(queue)
        if self.requests:
            self.requests.close()
        self.device.reset()
        self.on_end()

    def _get_features(self, payload, fds):
        offered = F_INDIRECT | F_EVENT_IDX | F_PROTOCOL | F_VERSION_1 | F_ACCESS_PLATFORM
        return struct.pack("<Q", offered | self.device.features)

    def _set_features(self, payload, fds):
        (features,) = struct.unpack("<Q", payload)
        self.memory.translated = bool(features & F_ACCESS_PLATFORM)
        for queue in self.queues:
            queue.event_idx = bool(features & F_EVENT_IDX)

    def _set_memory(self, payload, fds):
        count = struct.unpack_from("<I", payload)[0]
        regions = []
        for i, fd in zip(range(count), fds):
            guest, size, user, offset = struct.unpack_from("<QQQQ", payload, 8 + 32 * i)
            regions.append(Region(fd, guest, size, user, offset))
        for fd in fds:
            os.close(fd)
        self.memory.set_regions(regions)

    def _queue(self, payload):
        index, value = struct.unpack_from("<II", payload)
        return self.queues[index], value

    def _set_size(self, payload, fds):
        queue, queue.size = self._queue(payload)

    def _set_addresses(self, payload, fds):
        index, _, desc, used, avail, _ = struct.unpack("<IIQQQQ", payload)
        self.queues[index].addresses = (desc, used, avail)

    def _set_base(self, payload, fds):
        queue, queue.taken = self._queue(payload)

    def _get_base(self, payload, fds):
        """QEMU stops the queue: the driver has reset the device."""
        queue, _ = self._queue(payload)
        was_used = queue.addresses is not None
        self._stop(queue)
        if queue is self.queues[0] and was_used:
            self.memory.forget(0, 1 << 64)
            self.device.reset()
        return payload[:4] + struct.pack("<I", queue.taken)

    def _stop(self, queue):
        if queue.kick is not None:
            self.loop.forget(queue.kick)
        queue.stop()
        self.unsent = deque(x for x in self.unsent if x[0].queue is not queue)

    def _event(self, payload, fds):
        (value,) = struct.unpack("<Q", payload)
        return self.queues[value & 0xFF], None if value & NO_FD or not fds else fds[0]

    def _set_kick(self, payload, fds):
        queue, fd = self._event(payload, fds)
        if queue.kick is not None:
            self.loop.forget(queue.kick)
            os.close(queue.kick)
        queue.kick = fd
        if fd is not None:
            os.set_blocking(fd, False)
            self.loop.watch(fd, lambda _: self._kicked(fd))

    def _kicked(self, fd):
        with suppress(BlockingIOError):
            os.eventfd_read(fd)
        self.serve()

    def _set_call(self, payload, fds):
        queue, fd = self._event(payload, fds)
        if queue.call is not None:
            os.close(queue.call)
        queue.call = fd

    def _set_enable(self, payload, fds):
        queue, value = self._queue(payload)
        queue.enabled = bool(value)

    def _get_config(self, payload, fds):
        offset, size, flags = struct.unpack_from("<III", payload)
        config = self.device.config()[offset : offset + size]
        return struct.pack("<III", offset, size, flags) + config.ljust(size, b"\0")

    def _set_display(self, payload, fds):
        self.device.display(socket.socket(fileno=fds[0]))

    # ---- translations ----

    def _set_requests(self, payload, fds):
        if self.requests:
            self.requests.close()
        self.requests = Outbox(self.loop, socket.socket(fileno=fds[0]))
        self.requests.on_readable(self._replied)
        self.asked.clear()

    def _ask(self, miss):
        for page in miss.pages:
            if page in self.asked or not self.requests:
                continue
            self.asked.append(page)
            message = IOTLB.pack(page, 0, 0, miss.access, MISS)
            self.requests.send(HEADER.pack(1, VERSION | NEED_REPLY, len(message)), message)

    def _replied(self):
        """QEMU has sent a translation, or there is none."""
        try:
            # A reply is small and sent at once, so the whole of it is there.
            reply = self.requests.sock.recv(HEADER.size + 8)
        except BlockingIOError:
            return
        except OSError:
            reply = b""
        if len(reply) < HEADER.size + 8:
            self.requests.close()
            self.requests = None
            return
        page = self.asked.popleft()
        if struct.unpack_from("<Q", reply, HEADER.size)[0]:
            self.memory.deny(page)
        self.serve()

    def _translation(self, payload, fds):
        iova, size, user, access, kind = IOTLB.unpack(payload)
        if kind == UPDATE:
            self.memory.learn(iova, size, user, access)
        elif kind == INVALIDATE:
            self.memory.forget(iova, size)
        return struct.pack("<Q", 0)

    # ---- requests and answers ----

    def reply(self, chain, data):
        """Answers a request, now or when QEMU has told where the answer goes."""
        self.unsent.append((chain, data))
        if not self.paused:
            self._send()

    def _send(self):
        while self.unsent:
            chain, data = self.unsent[0]
            try:
                if chain.queue.running():
                    chain.queue.push(chain, data)
            except Miss as miss:
                self._ask(miss)
                return
            except Fault:
                self.faults += 1
            self.unsent.popleft()

    def pause(self, paused):
        """Takes nothing and answers nothing, as if the whole device hung."""
        self.paused = paused
        self.loop.after(0, self.serve)

    def serve(self):
        if self.paused:
            return
        self._send()
        for index, queue in enumerate(self.queues):
            try:
                self._serve(index, queue)
            except Miss as miss:
                self._ask(miss)
            except Fault:
                # As a device does that meets nonsense in its rings: it needs a reset.
                self.faults += 1
                queue.enabled = False

    def _serve(self, index, queue):
        for _ in range(self.TURN):
            if not queue.running() or self.paused:
                return
            chain = queue.peek()
            if chain is None:
                return
            self.device.take(index, chain)
            queue.take()
        self.loop.after(0, self.serve)

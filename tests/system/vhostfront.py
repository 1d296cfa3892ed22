# SPDX-License-Identifier: Apache-2.0
"""The other end of vhost-user, for tests of a back end without QEMU: memory, driver, IOMMU."""

import array
import mmap
import os
import select
import socket
import struct
import time

from vhostuser import HEADER, INVALIDATE, IOTLB, MISS, NEED_REPLY, REPLY, UPDATE, VERSION
from vhostuser import F_ACCESS_PLATFORM, F_EVENT_IDX, F_INDIRECT, F_PROTOCOL, F_VERSION_1

QUEUE_SIZE = 64
BYTES = 64 << 20
USER = 0x7F0000000000  # where this process is said to have the memory
IOVA = 0x200000000000  # where the device sees it behind an IOMMU
RINGS = 0x1000  # three pages a queue: descriptors, available and used ring
SLOTS, SLOT_BYTES, ANSWER_AT, TABLE_AT = 0x100000, 0x8000, 0x6000, 0x7000
DATA = 0x400000  # free for tests
PAGE = 4096


class Front:
    """A machine with this device, and its driver."""

    def __init__(self, path, translated=False, event_idx=False, indirect=True):
        self.translated, self.indirect = translated, indirect
        self.base = IOVA if translated else 0
        self.blocked = set()  # pages that the IOMMU does not let the device reach
        self.missed = []  # pages that the device asked for
        self.fd = os.memfd_create("ram")
        os.truncate(self.fd, BYTES)
        self.memory = mmap.mmap(self.fd, BYTES)
        self.main = socket.socket(socket.AF_UNIX)
        self.main.settimeout(10)
        self.main.connect(path)
        self.requests, theirs = socket.socketpair()
        self.requests.settimeout(10)
        self.ask(3)
        self.offered = struct.unpack("<Q", self.ask(1, answered=True))[0]
        self.ask(16, self.ask(15, answered=True))
        self.ask(21, fds=[theirs.fileno()], answered=True)
        theirs.close()
        self.features = F_VERSION_1 | F_PROTOCOL | (F_INDIRECT if indirect else 0)
        self.features |= F_ACCESS_PLATFORM if translated else 0
        self.features |= F_EVENT_IDX if event_idx else 0
        self.kicks = [os.eventfd(0), os.eventfd(0)]
        self.calls = [os.eventfd(0, os.EFD_NONBLOCK), os.eventfd(0, os.EFD_NONBLOCK)]
        self.start()

    def close(self):
        self.main.close()
        self.requests.close()
        for fd in (self.fd, *self.kicks, *self.calls):
            os.close(fd)

    def ask(self, request, payload=b"", fds=(), answered=False):
        flags = VERSION | (NEED_REPLY if answered else 0)
        message = HEADER.pack(request, flags, len(payload)) + payload
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        self.main.sendmsg([message], rights)
        if not answered:
            return None
        header = self.main.recv(HEADER.size, socket.MSG_WAITALL)
        number, flags, size = HEADER.unpack(header)
        assert (number, flags) == (request, VERSION | REPLY)
        return self.main.recv(size, socket.MSG_WAITALL)

    # ---- start and reset ----

    def start(self):
        self.memory[RINGS:DATA] = bytes(DATA - RINGS)
        self.published, self.seen = [0, 0], [0, 0]
        self.answers = {}
        self.free = list(range(QUEUE_SIZE))
        self.ask(2, struct.pack("<Q", self.features))
        region = struct.pack("<II4Q", 1, 0, 0, BYTES, USER, 0)
        assert self.ask(5, region, [self.fd], answered=True) == bytes(8)
        for index in range(2):
            base = (self.base or USER) + self.rings(index)
            self.ask(8, struct.pack("<II", index, QUEUE_SIZE))
            self.ask(10, struct.pack("<II", index, 0))
            addresses = (base, base + 2 * PAGE, base + PAGE, 0)
            self.ask(9, struct.pack("<II4Q", index, 0, *addresses))
            self.ask(12, struct.pack("<Q", index), [self.kicks[index]])
            self.ask(13, struct.pack("<Q", index), [self.calls[index]])
        for index in range(2):
            self.ask(18, struct.pack("<II", index, 1))

    def stop(self):
        """What QEMU does when the driver resets the device."""
        for index in range(2):
            self.ask(18, struct.pack("<II", index, 0))
        for index in range(2):
            self.ask(11, struct.pack("<II", index, 0), answered=True)

    def reset(self):
        self.stop()
        self.start()

    # ---- the driver ----

    @staticmethod
    def rings(index):
        return RINGS + 3 * PAGE * index

    def _describe(self, table, first, parts):
        """Descriptors from the number `first` on: (address, length, flags)."""
        for i, (address, length, flags) in enumerate(parts, first):
            flags |= 1 if i - first + 1 < len(parts) else 0
            descriptor = struct.pack("<QIHH", self.base + address, length, flags, i + 1)
            self.memory[table + 16 * i : table + 16 * i + 16] = descriptor

    def send(self, command, room=24, queue=0):
        """Hands a command to the device; returns its number, for wait()."""
        number = self.free.pop(0)
        slot = SLOTS + number * SLOT_BYTES
        self.memory[slot : slot + len(command)] = command
        parts = [(slot, len(command), 0)] + ([(slot + ANSWER_AT, room, 2)] if room else [])
        rings = self.rings(queue)
        if self.indirect:
            self._describe(slot + TABLE_AT, 0, parts)
            table = self.base + slot + TABLE_AT
            one = struct.pack("<QIHH", table, 16 * len(parts), 4, 0)
            self.memory[rings + 16 * number : rings + 16 * number + 16] = one
        else:
            # Two descriptors in a row: so the number is even.
            assert number % 2 == 0
            self.free.remove(number + 1)
            self._describe(rings, number, parts)
        avail = rings + PAGE
        at = self.published[queue]
        struct.pack_into("<H", self.memory, avail + 4 + 2 * (at % QUEUE_SIZE), number)
        self.published[queue] = at + 1 & 0xFFFF
        struct.pack_into("<H", self.memory, avail + 2, self.published[queue])
        os.eventfd_write(self.kicks[queue], 1)
        return number

    def _look(self, queue):
        used = self.rings(queue) + 2 * PAGE
        while self.seen[queue] != struct.unpack_from("<H", self.memory, used + 2)[0]:
            at = used + 4 + 8 * (self.seen[queue] % QUEUE_SIZE)
            head, written = struct.unpack_from("<II", self.memory, at)
            slot = SLOTS + head * SLOT_BYTES + ANSWER_AT
            self.answers[head] = bytes(self.memory[slot : slot + written])
            self.free.append(head)
            if not self.indirect:
                self.free.append(head + 1)
            self.seen[queue] = self.seen[queue] + 1 & 0xFFFF
            # The next one, too, is to be told (used_event).
            avail = self.rings(queue) + PAGE
            struct.pack_into("<H", self.memory, avail + 4 + 2 * QUEUE_SIZE, self.seen[queue])

    def turn(self, seconds):
        """Lets the device work so long, or until it has something to say."""
        ready, _, _ = select.select([*self.calls, self.requests], [], [], seconds)
        for index, call in enumerate(self.calls):
            if call in ready:
                os.eventfd_read(call)
                self._look(index)
        if self.requests in ready:
            self._translate()
        return bool(ready)

    def wait(self, number, seconds=5):
        """The answer to a command."""
        end = time.monotonic() + seconds
        while number not in self.answers:
            left = end - time.monotonic()
            assert left > 0, f"command {number} is not answered"
            self.turn(left)
        return self.answers.pop(number)

    def rest(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.turn(end - time.monotonic())

    # ---- the IOMMU ----

    def _translate(self):
        """As QEMU's main loop does: it waits for the device to take the translation."""
        number, flags, size = HEADER.unpack(self.requests.recv(HEADER.size, socket.MSG_WAITALL))
        payload = self.requests.recv(size, socket.MSG_WAITALL)
        iova, _, _, access, kind = IOTLB.unpack(payload)
        assert (number, flags, kind) == (1, VERSION | NEED_REPLY, MISS)
        page = iova - self.base & -PAGE
        self.missed.append(page)
        fails = page in self.blocked or not 0 <= page < BYTES
        if not fails:
            self.tell(UPDATE, page, PAGE, 3)
        self.requests.sendall(
            HEADER.pack(number, VERSION | REPLY, 8) + struct.pack("<Q", int(fails))
        )

    def tell(self, kind, page, size, access=0):
        message = IOTLB.pack(self.base + page, size, USER + page, access, kind)
        assert self.ask(22, message, answered=True) == bytes(8)

    def invalidate(self, page, size):
        self.tell(INVALIDATE, page, size)

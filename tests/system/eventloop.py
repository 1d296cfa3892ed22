# SPDX-License-Identifier: Apache-2.0
"""The only loop of a process that serves several connections and may wait for none."""

import heapq
import itertools
import selectors
import time
from collections import deque
from contextlib import suppress


class Loop:
    """Calls back when a file can be read or written, and when a time has come."""

    def __init__(self):
        self.selector = selectors.DefaultSelector()
        self.timers = []
        self.numbers = itertools.count()
        self.running = True

    def watch(self, file, callback, events=selectors.EVENT_READ):
        with suppress(KeyError):
            self.selector.unregister(file)
        self.selector.register(file, events, callback)

    def forget(self, file):
        with suppress(KeyError, ValueError):
            self.selector.unregister(file)

    def after(self, seconds, callback):
        heapq.heappush(self.timers, (time.monotonic() + seconds, next(self.numbers), callback))

    def run(self):
        while self.running:
            wait = max(0.0, self.timers[0][0] - time.monotonic()) if self.timers else None
            for key, events in self.selector.select(wait):
                # An earlier callback of this round may have forgotten it.
                if self.selector.get_map().get(key.fd) is key:
                    key.data(events)
            while self.timers and self.timers[0][0] <= time.monotonic():
                heapq.heappop(self.timers)[2]()


class Outbox:
    """Sends in the background: whoever reads may be waiting for us."""

    def __init__(self, loop, sock):
        self.loop, self.sock = loop, sock
        self.parts = deque()
        self.drained = None  # called when all is sent
        self.readable = None
        sock.setblocking(False)

    def on_readable(self, callback):
        self.readable = callback
        self._watch()

    def send(self, *parts):
        self.parts.extend(memoryview(part).cast("B") for part in parts)
        self._push()

    def empty(self):
        return not self.parts

    def close(self):
        self.loop.forget(self.sock)
        self.sock.close()
        self.parts.clear()

    def _watch(self):
        events = selectors.EVENT_READ if self.readable else 0
        events |= selectors.EVENT_WRITE if self.parts else 0
        if events:
            self.loop.watch(self.sock, self._ready, events)
        else:
            self.loop.forget(self.sock)

    def _ready(self, events):
        if events & selectors.EVENT_WRITE:
            self._push()
        if events & selectors.EVENT_READ and self.readable:
            self.readable()

    def _push(self):
        try:
            while self.parts:
                sent = self.sock.send(self.parts[0])
                if sent == len(self.parts[0]):
                    self.parts.popleft()
                else:
                    self.parts[0] = self.parts[0][sent:]
        except BlockingIOError:
            pass
        except OSError:
            self.parts.clear()  # nobody reads any more
        if self.sock.fileno() < 0:
            return
        self._watch()
        if not self.parts and self.drained:
            self.drained()

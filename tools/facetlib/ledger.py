# SPDX-License-Identifier: Apache-2.0
"""The ledger of a GPU: who had its engine, minute by minute, as a chain of hashes.

Each record is a line; its SHA-256 stands in the next one, and is printed when the record is
closed. Whoever holds a later head finds out an edit of any record before it.
"""

import hashlib
import re
from dataclasses import dataclass

RECORD = re.compile(
    r"ledger gpu (?P<gpu>\d+) minute (?P<minute>\d+) start (?P<start>\d+) end (?P<end>\d+)"
    r" busy (?P<busy>\d+)(?P<guests>(?: \S+ \d+)*) prev (?P<prev>[0-9a-f]{64})$"
)
HEAD = re.compile(r"ledger head ([0-9a-f]{64})$")
END = re.compile(r"ledger end gpu (\d+) records (\d+)$")
NONE = "0" * 64


class LedgerError(ValueError):
    """The ledger is not what it was, or not whole."""


@dataclass
class Entry:
    gpu: int
    minute: int
    start: int
    end: int
    busy: int
    guests: list  # (name, ns)
    prev: str
    head: str  # as computed here
    text: str


def _entry(line):
    match = RECORD.match(line)
    if not match:
        raise LedgerError(f"no record: {line}")
    words = match["guests"].split()
    numbers = {key: int(match[key]) for key in ("gpu", "minute", "start", "end", "busy")}
    return Entry(
        guests=list(zip(words[::2], map(int, words[1::2]))),
        prev=match["prev"],
        head=hashlib.sha256(line.encode()).hexdigest(),
        text=line,
        **numbers,
    )


def _check(entry, before, printed):
    where = f"gpu {entry.gpu}, minute {entry.minute}"
    if entry.head != printed:
        raise LedgerError(f"{where}: its hash is {entry.head}, printed is {printed}")
    if sum(ns for _, ns in entry.guests) != entry.busy:
        raise LedgerError(f"{where}: the guests' times do not add up to {entry.busy} ns")
    if entry.end < entry.start:
        raise LedgerError(f"{where}: it ends before it begins")
    if before is None:
        return
    if entry.prev != before.head:
        raise LedgerError(f"{where}: the record before it is another: {entry.prev}")
    if entry.start != before.end or entry.minute < before.minute:
        raise LedgerError(f"{where}: it does not begin where the one before it ends")


def read(lines):
    """Checks the answer of `gpu ledger`; returns the entries of each GPU, by number."""
    chains, open_gpu, waiting = {}, [], None
    for line in lines:
        if not line.startswith("ledger "):
            continue
        head, end = HEAD.match(line), END.match(line)
        if head:
            if waiting is None:
                raise LedgerError("a head without a record")
            _check(waiting, open_gpu[-1] if open_gpu else None, head[1])
            open_gpu.append(waiting)
            waiting = None
        elif end:
            gpu, count = int(end[1]), int(end[2])
            if waiting is not None or count != len(open_gpu):
                raise LedgerError(f"gpu {gpu}: {count} records, {len(open_gpu)} have arrived")
            if any(entry.gpu != gpu for entry in open_gpu):
                raise LedgerError(f"gpu {gpu}: a record is another GPU's")
            chains[gpu], open_gpu = open_gpu, []
        elif waiting is not None:
            raise LedgerError(f"gpu {waiting.gpu}, minute {waiting.minute}: no head")
        else:
            waiting = _entry(line)
    if waiting is not None or open_gpu:
        raise LedgerError("the ledger has no end")
    return chains


def since(chains, head):
    """The entries behind the one with this hash; LedgerError if nobody has it."""
    for gpu, entries in chains.items():
        if entries and head == entries[0].prev != NONE:
            return {gpu: entries}
        for at, entry in enumerate(entries):
            if entry.head == head:
                return {gpu: entries[at + 1 :]}
    raise LedgerError(f"no record has the hash {head}: it is older, or the ledger was changed")

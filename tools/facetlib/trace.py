# SPDX-License-Identifier: Apache-2.0
"""The trace of a GPU's scheduler: records of 32 bytes, and the text that carries them.

docs/facetctl.md has the format. `parse` finds each dump in what a console printed, whatever
stands between its lines, and believes it only when count and checksum are right.
"""

import base64
import binascii
import re
import struct
import zlib
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple


class Kind(IntEnum):
    ENQUEUE = 1
    PICK = 2
    SUBMIT = 3
    COMPLETE = 4
    CHARGE = 5
    DROP = 6
    PARAMS = 7
    POLICY = 8
    HOLD = 9
    REMOVE = 10
    STATE = 11


class Class(IntEnum):
    """On what ground a job was picked."""

    WEIGHT = 0
    RESERVE = 1
    SLOT = 2


class End(IntEnum):
    """How a job ended, as whoever gives jobs to the device says."""

    UNSAID = 0
    GIVEN_BACK = 1
    NOT_SENT = 2
    TIMED_OUT = 3
    TAKEN_BACK = 4


class Policy(IntEnum):
    FAIR = 0
    EQUAL = 1
    FIXED = 2


GPU = 0xFFFF  # in the place of a vGPU's number: the whole GPU
RECORD = struct.Struct("<QQQIHBB")
LINE_RECORDS = 3


class Record(NamedTuple):
    """One event; what `value` and `aux` are depends on the kind."""

    time_ns: int
    value: int
    aux: int
    job: int
    vgpu: int
    kind: int
    in_flight: int


class TraceError(ValueError):
    """The text is no whole, undamaged trace."""


@dataclass
class Dump:
    """What one `trace dump` gave of one GPU."""

    gpu: int
    lost: int
    records: list

    def has_beginning(self):
        """Whether the records begin with how things stood: nothing was lost before them.

        When it begins the scheduler notes its policy, and of each vGPU what it has been given
        and its state. A change of policy in the middle is not followed by that.
        """
        if not self.lost:
            return bool(self.records) and self.records[0].kind == Kind.POLICY
        begin = [r.kind for r in self.records[:4]]
        return begin[:2] == [Kind.POLICY, Kind.PARAMS] and Kind.STATE in begin[2:]


HEAD = re.compile(r"trace gpu (\d+) version (\d+) records (\d+) lost (\d+)$")
END = re.compile(r"trace end(?: crc32 ([0-9a-f]{8})$|(, cut short))")
DATA = re.compile(r"[A-Za-z0-9+/]+={0,2}$")


def _decode(gpu, count, chunks, crc):
    try:
        data = b"".join(base64.b64decode(chunk, validate=True) for chunk in chunks)
    except binascii.Error as error:
        raise TraceError(f"gpu {gpu}: a line is no base64: {error}") from None
    if len(data) != count * RECORD.size:
        raise TraceError(
            f"gpu {gpu}: {len(data)} bytes arrived, {count} records have {count * RECORD.size}"
        )
    if zlib.crc32(data) != int(crc, 16):
        raise TraceError(f"gpu {gpu}: the checksum is {zlib.crc32(data):08x}, not {crc}")
    return [Record(*fields) for fields in RECORD.iter_unpack(data)]


def parse(text):
    """All dumps in `text`, in their order; TraceError where one is cut or damaged."""
    dumps, head, chunks = [], None, []
    for line in re.split(r"[\r\n]+", text):
        line = line.strip()
        begin, end = HEAD.match(line), END.match(line)
        if begin:
            if head:
                raise TraceError(f"gpu {head[0]}: the dump has no end")
            head, chunks = [int(n) for n in begin.groups()], []
            if head[1] != 1:
                raise TraceError(f"gpu {head[0]}: version {head[1]} is not known, only 1")
        elif head and end:
            if not end.group(1):
                raise TraceError(f"gpu {head[0]}: the dump was cut short")
            gpu, _, count, lost = head
            dumps.append(Dump(gpu, lost, _decode(gpu, count, chunks, end.group(1))))
            head = None
        elif head and DATA.match(line):
            chunks.append(line)
    if head:
        raise TraceError(f"gpu {head[0]}: the dump has no end")
    if not dumps:
        raise TraceError("there is no trace")
    return dumps


def pack(records):
    return b"".join(RECORD.pack(*record) for record in records)


def write(dump):
    """The text of a dump, as the console prints it."""
    data = pack(dump.records)
    step = LINE_RECORDS * RECORD.size
    lines = [f"trace gpu {dump.gpu} version 1 records {len(dump.records)} lost {dump.lost}"]
    for at in range(0, len(data), step):
        lines.append(base64.b64encode(data[at : at + step]).decode())
    lines.append(f"trace end crc32 {zlib.crc32(data):08x}")
    return "\n".join(lines) + "\n"

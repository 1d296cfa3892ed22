#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Takes the ELF kernel out of a Linux bzImage and keeps what is loaded of it.

    tools/vmlinux.py BZIMAGE OUT

The payload is where the setup header says (boot protocol 2.08, payload_offset and
payload_length). Runs of zeroes are left out of the segments: the loader clears memory.
"""

import struct
import subprocess
import sys

SECTOR = 512
ZEROES = bytes(256 * 1024)  # a run worth two segments instead of one
PT_LOAD = 1
HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
SEGMENT = struct.Struct("<IIQQQQQQ")

# First bytes; how to unpack; bytes behind the stream (the unpacked size, if not its own).
FORMATS = (
    (b"\x1f\x8b", ("gzip", "-dc"), 0),
    (b"\xfd7zXZ\0", ("xz", "-dc"), 4),
    (b"\x28\xb5\x2f\xfd", ("zstd", "-qdc"), 4),
    (b"\x02\x21\x4c\x18", ("lz4", "-dc"), 4),
    (b"BZh", ("bzip2", "-dc"), 4),
    (b"\x5d\0\0", ("xz", "-dc", "--format=lzma"), 4),
    (b"\x89LZO", ("lzop", "-dc"), 4),
    (b"\x7fELF", ("cat",), 0),
)


def payload(image):
    if image[0x202:0x206] != b"HdrS":
        sys.exit("vmlinux: this is no bzImage")
    offset, length = struct.unpack_from("<II", image, 0x248)
    start = ((image[0x1F1] or 4) + 1) * SECTOR + offset
    packed = image[start : start + length]
    for magic, command, behind in FORMATS:
        if packed.startswith(magic):
            packed = packed[: len(packed) - behind]
            return subprocess.run(command, input=packed, stdout=subprocess.PIPE, check=True).stdout
    sys.exit(f"vmlinux: the kernel is packed in an unknown way: {packed[:8].hex()}")


def pieces(data):
    """Offsets and contents of what is left of a segment without its long runs of zeroes."""
    step = len(ZEROES)
    begin = None
    for at in range(0, len(data) + step, step):
        empty = at >= len(data) or data[at : at + step] == ZEROES[: len(data) - at]
        if not empty and begin is None:
            begin = at
        if empty and begin is not None:
            yield begin, data[begin:at].rstrip(b"\0")
            begin = None


def slim(elf):
    """The same program with nothing but its loaded segments."""
    head = list(HEADER.unpack_from(elf))
    parts = []
    for i in range(head[10]):
        kind, flags, offset, vaddr, paddr, size, memory, _ = SEGMENT.unpack_from(
            elf, head[5] + i * head[9]
        )
        if kind != PT_LOAD:
            continue
        cut = list(pieces(elf[offset : offset + size])) or [(0, b"")]
        if cut[0][0]:
            cut.insert(0, (0, b""))
        ends = [at for at, _ in cut[1:]] + [memory]
        parts += [
            (flags, vaddr + at, paddr + at, data, end - at)
            for (at, data), end in zip(cut, ends)
        ]
    at = HEADER.size + len(parts) * SEGMENT.size
    head[5], head[6] = HEADER.size, 0
    head[10:] = [len(parts), 0, 0, 0]
    out = [HEADER.pack(*head)]
    for flags, vaddr, paddr, data, memory in parts:
        out.append(SEGMENT.pack(PT_LOAD, flags, at, vaddr, paddr, len(data), memory, 1))
        at += len(data)
    return b"".join(out + [part[3] for part in parts])


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    with open(sys.argv[1], "rb") as f:
        kernel = slim(payload(f.read()))
    with open(sys.argv[2], "wb") as f:
        f.write(kernel)


if __name__ == "__main__":
    main()

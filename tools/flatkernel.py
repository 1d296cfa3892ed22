#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Put a distribution's kernel, as it is, into a bzImage that need not be decompressed.

flatkernel.py VMLINUZ OUT

An emulator that interprets each instruction spends minutes in the kernel's own
decompressor. OUT has the setup header of VMLINUZ; its protected-mode part is one page with
a jump at the 64-bit entry, and behind it the kernel as its ELF file places it. It is loaded
so that the kernel lies where it is linked. Linux, Documentation/arch/x86/boot.rst.
"""

import lzma
import struct
import subprocess
import sys
import zlib

PAGE = 4096
SECTOR = 512
ENTRY_64 = 0x200
PT_LOAD = 1


def decompress(data):
    if data.startswith(b"\xfd7zXZ"):
        return lzma.LZMADecompressor(lzma.FORMAT_XZ).decompress(data)
    if data.startswith(b"\x1f\x8b"):
        return zlib.decompressobj(31).decompress(data)
    if data.startswith(b"\x28\xb5\x2f\xfd"):
        # Four bytes with the size follow the stream; zstd complains of them at its end.
        done = subprocess.run(["zstd", "-dcq"], input=data, capture_output=True, check=False)
        return done.stdout
    sys.exit(f"flatkernel: a payload that begins with {data[:4].hex()} is not known")


def flatten(elf):
    """The kernel's memory from its first byte on, and where that and its end lie."""
    if elf[:5] != b"\x7fELF\x02":
        sys.exit("flatkernel: the payload is no 64-bit ELF file")
    entry, headers = struct.unpack_from("<QQ", elf, 24)
    size, count = struct.unpack_from("<HH", elf, 54)
    loads = []
    for i in range(count):
        kind, _, offset, _, where, in_file, in_memory = struct.unpack_from(
            "<IIQQQQQ", elf, headers + i * size
        )
        if kind == PT_LOAD:
            loads.append((where, elf[offset : offset + in_file], in_memory))
    start = min(where for where, _, _ in loads)
    if entry != start:
        sys.exit(f"flatkernel: the kernel starts at {entry:#x}, not at its first byte")
    memory = bytearray(max(where + len(data) for where, data, _ in loads) - start)
    for where, data, _ in loads:
        memory[where - start : where - start + len(data)] = data
    return memory.rstrip(b"\0"), start, max(where + size for where, _, size in loads)


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    with open(sys.argv[1], "rb") as file:
        image = file.read()
    setup_bytes = (image[0x1F1] + 1) * SECTOR
    offset, length = struct.unpack_from("<II", image, 0x248)
    payload = image[setup_bytes + offset : setup_bytes + offset + length]
    kernel, start, end = flatten(decompress(payload))

    setup = bytearray(image[: 2 * SECTOR])
    setup[0x1F1] = 1
    struct.pack_into("<II", setup, 0x248, 0, 0)  # no payload any more
    struct.pack_into("<Q", setup, 0x258, start - PAGE)  # pref_address
    struct.pack_into("<I", setup, 0x260, end - start + PAGE)  # init_size
    struct.pack_into("<I", setup, 0x264, 0)  # no EFI entry either
    jump = bytearray(PAGE)
    struct.pack_into("<Bi", jump, ENTRY_64, 0xE9, PAGE - ENTRY_64 - 5)
    with open(sys.argv[2], "wb") as file:
        file.write(setup + jump + kernel)


main()

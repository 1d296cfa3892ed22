#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Make the symbol table that back traces are printed from, or check that it is true.

symbols.py table  NM-OUTPUT            writes assembly with the table to stdout
symbols.py verify NM-OUTPUT NM-OUTPUT  fails if a function moved between two links

The table: `symbol_table`, pairs of 32-bit numbers (function's offset from the start
of the image, name's offset in `symbol_names`) in rising order; `symbol_count`; and
`symbol_names`, the names with a NUL after each. The image's start is IMAGE_BASE.
"""

import sys

IMAGE_BASE = 0xFFFFFFFF80000000
TABLE_NAMES = {"symbol_table", "symbol_count", "symbol_names"}


def functions(path):
    """Functions in rising order of address, one name for each address."""
    found = {}
    with open(path, encoding="ascii") as file:
        for line in file:
            fields = line.split()
            if len(fields) != 3 or fields[1] not in "tTwW":
                continue
            address, name = int(fields[0], 16), fields[2]
            if address < IMAGE_BASE or name in TABLE_NAMES or name.startswith("."):
                continue
            # A global name is better than a local one at the same place.
            if address not in found or fields[1] in "TW":
                found[address] = name
    return sorted(found.items())


def table(path):
    symbols = functions(path)
    out = [
        "/* Made by tools/symbols.py: functions by address, for back traces. */",
        '\t.section .note.GNU-stack, "", @progbits',
        '\t.section .rodata.symbols, "a", @progbits',
        "\t.balign 8",
        "\t.globl symbol_count, symbol_table, symbol_names",
        "symbol_count:",
        f"\t.quad {len(symbols)}",
        "symbol_table:",
    ]
    offset = 0
    for address, name in symbols:
        out.append(f"\t.long {address - IMAGE_BASE:#x}, {offset}")
        offset += len(name) + 1
    out.append("symbol_names:")
    out += [f'\t.asciz "{name}"' for _, name in symbols]
    # An empty table still has an end to read up to.
    out.append("\t.byte 0")
    print("\n".join(out))


def verify(before, after):
    if functions(before) != functions(after):
        sys.exit("symbols: functions moved between the two links; the table must be linked last")


def main():
    match sys.argv[1:]:
        case ["table", path]:
            table(path)
        case ["verify", before, after]:
            verify(before, after)
        case _:
            sys.exit(__doc__)


main()

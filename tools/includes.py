#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Prove the order of the rooms from the #include lines.

A room may use the rooms below it, never those above; docs/architecture.md says why.
core/main.c, which starts them all, is the one exception. The UEFI application shares one
header with the rest, and nothing in a room knows of the tests.
"""

import os
import re
import sys

# From the top to the bottom.
ROOMS = ["boot", "guest", "gpu", "drivers", "core", "arch/x86", "core/lib"]
KNOWS_EVERY_ROOM = {"core/main.c"}
HANDOVER = "core/handover.h"
# Of the rest of the tree, an UEFI application may use what has no state and no machine.
BOOT_MAY_USE = {HANDOVER, "core/lib/types.h", "core/lib/error.h"}

INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"')


def room_of(path):
    """The room with the longest name that the path lies in."""
    fitting = [room for room in ROOMS if path.startswith(room + "/")]
    return max(fitting, key=len) if fitting else None


def sources():
    for top in sorted({room.split("/")[0] for room in ROOMS}):
        for folder, _, names in os.walk(top):
            for name in sorted(names):
                if name.endswith((".c", ".h", ".S")):
                    yield os.path.join(folder, name)


def complaint(path, included):
    """What is wrong with this include, or None."""
    if included.startswith("tests/"):
        return "nothing in a room knows of the tests"
    there = room_of(included)
    if there is None:
        return None if os.path.dirname(included) == "" else f"'{included}' is in no room"
    here = room_of(path)
    if here == "boot":
        if there != "boot" and included not in BOOT_MAY_USE:
            return f"the UEFI application shares only {HANDOVER} with the rest"
        return None
    if there == "boot":
        return "the UEFI application is nobody's library"
    if path not in KNOWS_EVERY_ROOM and ROOMS.index(there) < ROOMS.index(here):
        return f"upward: {here} may not use {there}"
    return None


def main():
    bad = 0
    for path in sources():
        with open(path, encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                match = INCLUDE.match(line)
                reason = match and complaint(path, match.group(1))
                if reason:
                    print(f"{path}:{number}: {match.group(1)}: {reason}")
                    bad += 1
    sys.exit(bad != 0)


main()

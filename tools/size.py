#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Count the lines of C code of each room, and fail where the hypervisor grows too large.

A line of code is a line of a .c file that is neither blank nor comment alone. The bound is
for the hypervisor without its GPU code: what has to be trusted whatever devices there are.
"""

import os
import re
import sys

BOUND = 15000
BOUNDED = ["boot", "core", "arch", "drivers", "guest"]
APART = ["gpu"]

# A string or a character constant is kept, a comment leaves its line ends.
TOKEN = re.compile(
    r'"(?:\\.|[^"\\\n])*"' r"|'(?:\\.|[^'\\\n])*'" r"|//[^\n]*" r"|/\*.*?\*/", re.DOTALL
)


def without_comments(text):
    def keep(match):
        token = match.group(0)
        return token if token[0] in "\"'" else "\n" * token.count("\n")

    return TOKEN.sub(keep, text)


def code_lines(path):
    with open(path, encoding="utf-8") as file:
        return sum(1 for line in without_comments(file.read()).split("\n") if line.strip())


def lines_of_room(room):
    return sum(
        code_lines(os.path.join(folder, name))
        for folder, _, names in os.walk(room)
        for name in names
        if name.endswith(".c")
    )


def main():
    os.chdir(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    lines = {room: lines_of_room(room) for room in BOUNDED + APART}
    total = sum(lines[room] for room in BOUNDED)
    print("size: " + ", ".join(f"{room} {lines[room]}" for room in BOUNDED + APART))
    print(f"size: {total} lines of C without gpu, {BOUND} at the most")
    return total > BOUND


if __name__ == "__main__":
    sys.exit(main())

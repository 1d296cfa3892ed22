#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Show, unattended, that two guests draw on one GPU; leave the proof in build/demo.

BENCH chooses the machine. It waits until both guests have drawn FRAMES frames, takes a picture
of each one's output, reads in the pictures who drew them, and switches Facet off. The exit status is 0 only when
all of that came true.
"""

import os
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../tests/system"))
import benches  # pylint: disable=wrong-import-position
import facet  # pylint: disable=wrong-import-position

FRAMES = 100
GUESTS = ["alpha", "beta"]


def show(machine):
    machine.prompt()
    for guest in GUESTS:
        machine.expect_frame(guest, at_least=FRAMES)
    for home, guest in enumerate(GUESTS):
        stamp = machine.look(guest, home)
        if stamp is None or stamp.name != guest:
            raise facet.ConsoleError(f"{guest}.png should show {guest}, shows {stamp}")
        print(f"demo: {guest}.png shows {stamp.name}, frame {stamp.frame}")
    machine.command("gpu", timeout=60)
    machine.send("poweroff\r")
    machine.wait(60)


def main():
    folder = os.path.join(facet.BUILD, "demo")
    shutil.rmtree(folder, ignore_errors=True)

    def echo(text):
        sys.stdout.write(text)
        sys.stdout.flush()

    bench = benches.current()
    image = facet.bench_image(bench, folder)
    with facet.Machine(image, folder=folder, limit_s=300, echo=echo, picture=True) as machine:
        try:
            show(machine)
        except (facet.ConsoleError, OSError, RuntimeError) as problem:
            print(f"\ndemo: failed: {problem}", file=sys.stderr)
            sys.exit(1)
    print(f"demo: done; see {os.path.relpath(folder)}")


main()

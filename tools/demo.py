#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Show, unattended, that two guests draw on one GPU; leave the proof in build/demo.

BENCH chooses the machine. It waits until both guests have drawn FRAMES frames, takes a picture
of each one's output, reads in the pictures who drew them, and switches Facet off. Where the GPU
renders (qemu-virgl), one guest runs kmscube and the other scenes of glmark2 at the same time: both
have to say frames, and their pictures must move and differ. The exit status is 0 only when all of
that came true.
"""

import os
import re
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


RENDERS = {
    "alpha": r"^alpha\| .*Rendered (\d+) frames in .* \((\S+) fps\)",
    "beta": r"^beta\| .*\[\w+\] .*FPS: (\d+) ",
}


def show_3d(machine):
    machine.prompt()
    for guest in GUESTS:
        said = machine.expect(RENDERS[guest], facet.BOOT_S + facet.GUEST_S, since=0)
        if not int(said.group(1)):
            raise facet.ConsoleError(f"{guest} renders nothing")
    seen = set()
    for number in (1, 2):
        machine.command("gpu", timeout=60)
        for guest in GUESTS:
            name = f"{guest}-{number}.png"
            machine.command(f"gpu focus {guest}")
            machine.rest(2)
            picture = machine.screendump(0, name)
            if picture.is_blank() or picture.crc32() in seen:
                raise facet.ConsoleError(f"{name} is blank or as one before")
            seen.add(picture.crc32())
            print(f"demo: {name} shows {guest}, {picture.width}x{picture.height}")
    if re.search(r"^facet: .*refused", machine.text(), re.MULTILINE):
        raise facet.ConsoleError("a guest's command was refused")


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
            (show_3d if bench.renders else show)(machine)
            machine.send("poweroff\r")
            machine.wait(60)
        except (facet.ConsoleError, OSError, RuntimeError) as problem:
            print(f"\ndemo: failed: {problem}", file=sys.stderr)
            sys.exit(1)
    print(f"demo: done; see {os.path.relpath(folder)}")


main()

#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Start a disk image in an emulator, with Facet's console in this terminal.

run.py IMAGE       SHOW=gtk or SHOW=sdl in the environment opens a window for the screens
"""

import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../tests/system"))
import facet  # pylint: disable=wrong-import-position

WELCOME = """
  Facet in QEMU ({accel}). Two Linux guests, alpha and beta, draw on one GPU.

  help            what the console can do
  guests, gpu     what runs, and who has how much of the GPU
  attach alpha    that guest's own console; Ctrl-] comes back
  poweroff        ends all this (or Ctrl-A x, at once)
{screens}
"""


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    image = sys.argv[1]
    variables = os.path.join(os.path.dirname(image), "run-vars.fd")
    shutil.copyfile(facet.firmware()[1], variables)
    argv = facet.arguments(image, variables, cpus=max(2, min(4, os.cpu_count() or 2)))
    show = os.environ.get("SHOW")
    if show:
        argv[argv.index("-display") + 1] = show
    # Ctrl-C goes to Facet like any key; Ctrl-A is QEMU's.
    argv += ["-chardev", "stdio,id=console,mux=on,signal=off"]
    argv += ["-serial", "chardev:console", "-mon", "chardev=console,mode=readline"]
    screens = "" if show else "\n  The screens: `make demo` takes pictures, SHOW=gtk opens a window."
    accel = "KVM" if facet.nested_kvm() else "software emulation: the start takes half a minute"
    print(WELCOME.format(accel=accel, screens=screens), flush=True)
    with open(os.path.join(os.path.dirname(image), "run-qemu.log"), "wb") as errors:
        status = subprocess.call(argv, stderr=errors)
    if status:
        print(f"QEMU ended with status {status}; see {errors.name}", file=sys.stderr)
    sys.exit(status)


main()

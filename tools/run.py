#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Start Facet in an emulator, with its console in this terminal.

run.py      BENCH chooses the machine; SHOW=gtk or SHOW=sdl opens a window for QEMU's screens
"""

import os
import shutil
import subprocess
import sys
import termios
import threading
import tty

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../tests/system"))
import benches  # pylint: disable=wrong-import-position
import emulators  # pylint: disable=wrong-import-position
import facet  # pylint: disable=wrong-import-position

WELCOME = """
  Facet on {bench}: {how}. Two Linux guests, alpha and beta, {what} on one GPU.

  help            what the console can do
  guests, gpu     what runs, and who has how much of the GPU
  attach alpha    that guest's own console; Ctrl-] comes back
  poweroff        ends all this (or Ctrl-A x, at once)
{screens}
"""
PICTURES = "\n  The screens: `make demo` takes pictures{or_window}."
CTRL_A = b"\x01"
DAY_S = 24 * 3600


def qemu(bench, image, folder):
    variables = os.path.join(folder, "vars.fd")
    shutil.copyfile(emulators.firmware()[1], variables)
    cpus = max(3, min(4, os.cpu_count() or 2))
    argv = emulators.qemu_arguments(image, variables, cpus=cpus, **bench.options)
    show = os.environ.get("SHOW")
    environment, hidden = dict(os.environ), None
    if show:
        argv[argv.index("-display") + 1] = f"{show},gl=on" if bench.renders else show
    elif bench.renders:
        # It renders in a window only; nobody sees this one.
        hidden = emulators.Xvfb(folder, DAY_S)
        environment["DISPLAY"] = f":{hidden.display}"
    # Ctrl-C goes to Facet like any key; Ctrl-A is QEMU's.
    argv += ["-chardev", "stdio,id=console,mux=on,signal=off"]
    argv += ["-serial", "chardev:console", "-mon", "chardev=console,mode=readline"]
    try:
        with open(os.path.join(folder, "qemu.log"), "wb") as errors:
            status = subprocess.call(argv, stderr=errors, env=environment)
    finally:
        if hidden:
            hidden.close()
    if status:
        print(f"QEMU ended with status {status}; see {errors.name}", file=sys.stderr)
    return status


def type_into(machine):
    """Keys go to the machine; Ctrl-A x ends it, Ctrl-A Ctrl-A is one Ctrl-A, as in QEMU."""
    after_ctrl_a = False
    while True:
        key = os.read(0, 1)
        if not key:
            return
        if after_ctrl_a and key in b"xX":
            emulators.kill(machine.process)
            return
        after_ctrl_a = key == CTRL_A and not after_ctrl_a
        if not after_ctrl_a:
            try:
                machine.write(key)
            except OSError:
                return


def bochs(bench, image, folder):
    machine = emulators.Bochs(image, folder, DAY_S, **bench.options)
    saved = termios.tcgetattr(0) if os.isatty(0) else None
    try:
        if saved:
            tty.setraw(0)
        threading.Thread(target=type_into, args=(machine,), daemon=True).start()
        while True:
            data = machine.read()
            if not data:
                break
            os.write(1, data)
    except KeyboardInterrupt:
        pass
    finally:
        machine.close()
        if saved:
            termios.tcsetattr(0, termios.TCSADRAIN, saved)
    print(f"\nBochs has ended; its log is {os.path.relpath(folder)}/bochs.log")
    return 0


def main():
    if len(sys.argv) != 1:
        sys.exit(__doc__)
    bench = benches.current()
    folder = os.path.join(facet.BUILD, "run", bench.name)
    os.makedirs(folder, exist_ok=True)
    image = facet.bench_image(bench, folder)
    screens = ""
    if bench.emulator == "bochs":
        how = "Bochs interprets each instruction: the start takes minutes"
        screens = PICTURES.format(or_window="")
    else:
        if benches.kvm_wanted() and benches.kvm_missing():
            sys.exit(f"KVM=1: {benches.kvm_missing()}")
        how = "QEMU with software emulation: the start takes half a minute"
        if benches.kvm_wanted():
            how = "QEMU with KVM"
        if not os.environ.get("SHOW"):
            screens = PICTURES.format(or_window=", SHOW=gtk opens a window")
    what = "render kmscube and scenes of glmark2" if bench.renders else "draw"
    print(WELCOME.format(bench=bench.name, how=how, what=what, screens=screens), flush=True)
    sys.exit((bochs if bench.emulator == "bochs" else qemu)(bench, image, folder))


main()

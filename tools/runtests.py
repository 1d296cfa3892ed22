#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Run test programs of this host, a few at a time, and count their tests.

runtests.py --results DIR [--jobs N] [--seconds S] unit|model|fuzz PROGRAM...

`unit` programs are cmocka's and report each test; a `model` program is one test, and
so is a fuzzer, which runs for S seconds from its seeds: those in tests/fuzz/corpus/SUBJECT
and those that the build made in seeds/SUBJECT beside the program.
A program that was not built counts as one failure. What a failing one printed is shown.
"""

import argparse
import concurrent.futures
import json
import os
import re
import subprocess
import sys
import time

# No program may hang the run: the longest of these are simulations of a minute or two.
LIMIT_S = 600


def command(kind, program, seconds):
    if kind != "fuzz":
        return [program]
    subject = os.path.basename(program).removeprefix("fuzz_")
    found = os.path.join(os.path.dirname(program), "found", subject)
    os.makedirs(found, exist_ok=True)
    seeds = [
        os.path.join("tests/fuzz/corpus", subject),
        os.path.join(os.path.dirname(program), "seeds", subject),
    ]
    # libFuzzer writes what it finds into the first folder: never into the seeds.
    grown = os.path.join(os.path.dirname(program), "corpus", os.path.basename(program))
    os.makedirs(grown, exist_ok=True)
    return [
        program,
        f"-max_total_time={seconds}",
        "-print_final_stats=0",
        "-verbosity=1",
        "-timeout=20",
        f"-artifact_prefix={found}/",
        grown,
    ] + [folder for folder in seeds if os.path.isdir(folder)]


def run(kind, program, seconds):
    """Returns (passed, failed, skipped, seconds taken, output, last line)."""
    if not os.path.exists(program):
        return 0, 1, 0, 0.0, f"{program} was not built\n", ""
    start = time.monotonic()
    try:
        done = subprocess.run(
            command(kind, program, seconds),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=LIMIT_S + seconds,
            check=False,
        )
        output, status = done.stdout.decode(errors="replace"), done.returncode
    except subprocess.TimeoutExpired as late:
        output = (late.stdout or b"").decode(errors="replace") + "\ntook too long\n"
        status = 1
    taken = time.monotonic() - start
    last = next((l for l in reversed(output.splitlines()) if l.strip()), "")
    if kind != "unit":
        return int(status == 0), int(status != 0), 0, taken, output, last

    def count(word):
        return sum(int(n) for n in re.findall(rf"\[  {word}  \] (\d+) test", output))

    passed, failed, skipped = count("PASSED"), count("FAILED"), count("SKIPPED")
    if status != 0 and failed == 0:
        failed = 1  # it crashed, or a sanitizer ended it
    return passed, failed, skipped, taken, output, last


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--results", required=True)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("kind", choices=["unit", "model", "fuzz"])
    parser.add_argument("programs", nargs="*")
    args = parser.parse_args()

    total = {"passed": 0, "failed": 0, "skipped": 0}
    with concurrent.futures.ThreadPoolExecutor(max(1, args.jobs)) as pool:
        results = pool.map(lambda p: (p, run(args.kind, p, args.seconds)), args.programs)
        for program, (passed, failed, skipped, taken, output, last) in results:
            if failed:
                sys.stdout.write("".join(output.splitlines(True)[-60:]))
            word = "FAIL" if failed else "ok"
            name = os.path.basename(program)
            note = f"{passed} tests" if args.kind == "unit" else last[:100]
            if args.kind == "fuzz" and not failed:
                note = ""
            print(f"  {word:4} {args.kind}/{name} ({taken:.1f} s) {note}", flush=True)
            total["passed"] += passed
            total["failed"] += failed
            total["skipped"] += skipped

    os.makedirs(args.results, exist_ok=True)
    with open(os.path.join(args.results, args.kind + ".json"), "w", encoding="ascii") as file:
        json.dump(total, file)
    print(f"{args.kind}: {total['passed']} passed, {total['failed']} failed")
    sys.exit(total["failed"] != 0)


main()

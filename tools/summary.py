#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Count what the parts of `make check` left in a folder; print `N passed, N failed`.

summary.py DIR

A part that left nothing, because it could not even be built, counts as one failure.
"""

import json
import os
import sys
import xml.etree.ElementTree

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../tests/system"))
import benches  # pylint: disable=wrong-import-position

PARTS = ["unit.json", "tools.xml", "model.json", "fuzz.json"]
PARTS += [f"system-{bench}.xml" for bench in benches.BENCHES]


def junit(path):
    passed = failed = skipped = 0
    for case in xml.etree.ElementTree.parse(path).iter("testcase"):
        kinds = {child.tag for child in case}
        if kinds & {"failure", "error"}:
            failed += 1
        elif "skipped" in kinds:
            skipped += 1
        else:
            passed += 1
    return passed, failed, skipped


def part(path):
    try:
        if path.endswith(".xml"):
            return junit(path)
        with open(path, encoding="ascii") as file:
            counts = json.load(file)
        return counts["passed"], counts["failed"], counts["skipped"]
    except (OSError, ValueError, KeyError, xml.etree.ElementTree.ParseError) as error:
        print(f"no result: {error}")
        return 0, 1, 0


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    passed, failed, skipped = map(
        sum, zip(*(part(os.path.join(sys.argv[1], name)) for name in PARTS))
    )
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))


main()

# SPDX-License-Identifier: Apache-2.0
"""The scheduler's trace, taken from a machine's console and held against what is promised."""

import os
import sys

import facet

sys.path.insert(0, os.path.join(facet.ROOT, "tools"))
from facetlib import check, trace  # pylint: disable=wrong-import-position

# Emulated processors of a busy host: one may not run for a while, and the hand-over takes as long.
SLACK_NS = 200_000_000


def begin(machine, records=65536):
    machine.command(f"trace gpu on {records}")


def take(machine):
    """What was recorded of the one GPU since it began; no more is."""
    machine.command("trace gpu off")
    since = machine.mark()
    machine.command("trace dump", until=r"^trace end.*\n", timeout=60)
    [dump] = trace.parse(machine.text(since))
    with open(os.path.join(machine.folder, "last.trace"), "w", encoding="ascii") as file:
        file.write(trace.write(dump))
    assert dump.lost == 0
    return dump


def judge(dump, *names, but=()):
    """Every promise but some holds, and these have been looked at; returns the rules by name."""
    verdict = check.check(dump, SLACK_NS)
    said = "\n".join(verdict.lines())
    rules = {rule.name: rule for rule in verdict.rules}
    assert not any(rule.failed for rule in verdict.rules if rule.name not in but), said
    assert all(rules[name].checked and not rules[name].skipped for name in names), said
    return rules

# SPDX-License-Identifier: Apache-2.0
"""One invariant: how often it was checked, how near its bound it came, where it was broken."""

SHOWN = 5  # of the places where a rule is broken


def duration(ns):
    """Nanoseconds for people."""
    for unit, size in (("s", 10**9), ("ms", 10**6), ("us", 10**3)):
        if abs(ns) >= size:
            return f"{ns / size:.3f} {unit}"
    return f"{ns:.0f} ns"


class Rule:
    """What is to hold. Rules that follow the schedule have `before` and `after`, see check.py."""

    def __init__(self, name, says, unit=duration):
        self.name, self.says, self.unit = name, says, unit
        self.checked = self.failed = 0
        self.worst = None  # (part of the bound, value, bound)
        self.broken = []
        self.skipped = None  # why it could not be judged, or not everywhere

    def fail(self, at_ns, text):
        self.failed += 1
        if len(self.broken) < SHOWN:
            self.broken.append(f"{at_ns} ns: {text}")

    def holds(self, ok, at_ns, text):
        """`text` is a function: it is only wanted where the rule is broken."""
        self.checked += 1
        if not ok:
            self.fail(at_ns, text())

    def within(self, value, bound, at_ns, text):
        """`value` is at most `bound`; both are ns unless the rule has another unit."""
        self.checked += 1
        part = value / bound if bound > 0 else float(value > 0)
        if self.worst is None or part > self.worst[0]:
            self.worst = (part, value, bound)
        if value > bound:
            self.fail(at_ns, f"{text()}: {self.unit(value)}, allowed {self.unit(bound)}")

    def line(self):
        if self.failed:
            verdict = f"VIOLATED {self.failed} times"
        elif self.checked:
            verdict = "ok"
        else:
            verdict = "not judged"
        line = f"{self.name:<11} {self.checked:>8} checked  "
        if self.worst:
            _, value, bound = self.worst
            line += f"worst {self.unit(value)} of {self.unit(bound)}  "
        line += verdict
        return line + (f" ({self.skipped})" if self.skipped else "")

    def before(self, event, order):
        """The event has not yet reached `order`."""

    def after(self, event, order):
        """It has."""

    def end(self, replay, order):
        """No more events."""

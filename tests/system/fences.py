# SPDX-License-Identifier: Apache-2.0
"""When a fence of the test GPU is answered, if ever: what tests order, in rules."""

import time

FLAG_FENCE = 1
ORDERS = ("hang", "lose", "delay", "reorder")


class Command:
    """What is known about a command when its fence's fate is decided."""

    def __init__(self, kind, flags=0, fence=0, ctx=0, resource=None):
        self.type, self.ctx, self.resource = kind, ctx, resource
        self.fence = fence if flags & FLAG_FENCE else None
        self.order = None  # the command's own: (one of ORDERS, milliseconds)


class Rule:
    """What happens to some fences: those that fit, after `after` of them, `count` of them."""

    def __init__(self, order):
        self.what = order["do"]
        self.ctx, self.resource = order.get("ctx"), order.get("resource")
        self.type = order.get("type")
        self.after = int(order.get("after", 0))
        self.count = order.get("count")  # None: all of them
        self.seconds = float(order.get("ms", 0)) / 1000
        self.serial = bool(order.get("serial"))
        self.busy_until = 0.0  # of an engine that does one after another
        self.collected = []
        if self.what == "reorder" and not self.count:
            raise ValueError("reorder needs a count")

    def takes(self, command):
        """Whether this command is the rule's; counts it."""
        if self.ctx not in (None, command.ctx) or self.type not in (None, command.type):
            return False
        if self.resource not in (None, command.resource):
            return False
        if self.after:
            self.after -= 1
            return False
        if self.count is not None:
            self.count -= 1
        return True

    def spent(self):
        return self.count is not None and self.count <= 0

    def delay(self):
        if not self.serial:
            return self.seconds
        now = time.monotonic()
        self.busy_until = max(now, self.busy_until) + self.seconds
        return self.busy_until - now


class Fences:
    """Decides when the answer to a fenced command goes out."""

    def __init__(self, loop, send):
        self.loop, self.send = loop, send
        self.rules = []
        self.hung = []  # answers that wait for nothing
        self.generation = 0  # of the device: a reset makes what is under way void
        self.seen = self.answered = self.lost = 0

    def reset(self):
        """The device is as new: nothing of before is answered, nothing hangs any more."""
        self.generation += 1
        self.hung.clear()
        for rule in self.rules:
            rule.collected.clear()
        self.rules = [rule for rule in self.rules if rule.what in ("delay", "lose")]

    def normal(self, release):
        """Forgets all rules. What hung is answered now, or never."""
        held = self.hung + [answer for rule in self.rules for answer in rule.collected]
        for rule in self.rules:
            rule.collected = []
        self.hung, self.rules = [], []
        if release:
            self._answer_all(held)
        else:
            self.lost += len(held)

    def done(self, command, answer):
        """A fenced command's work is done. Returns what becomes of its fence, for the records."""
        self.seen += 1
        if command.order:
            what, ms = command.order
            return self._apply(what, ms / 1000, answer)
        rule = next((rule for rule in self.rules if rule.takes(command)), None)
        if not rule:
            self._answer_all([answer])
            return "answered"
        if rule.spent():
            self.rules.remove(rule)
        if rule.what == "reorder":
            return self._collect(rule, answer)
        return self._apply(rule.what, rule.delay(), answer)

    def _collect(self, rule, answer):
        rule.collected.insert(0, answer)
        if rule.spent():
            self._let_go(rule)
        elif len(rule.collected) == 1 and rule.seconds:
            self.loop.after(rule.seconds, lambda: self._let_go(rule))
        return "reordered"

    def _let_go(self, rule):
        """Answers what was collected, the last one first; nothing after a reset."""
        answers, rule.collected = rule.collected, []
        self._answer_all(answers)

    def _apply(self, what, seconds, answer):
        if what == "lose":
            self.lost += 1
            return "lost"
        if what == "hang":
            self.hung.append(answer)
            return "hung"
        generation = self.generation

        def due():
            if generation == self.generation:
                self._answer_all([answer])

        self.loop.after(seconds, due)
        return "delayed"

    def _answer_all(self, answers):
        for answer in answers:
            self.answered += 1
            self.send(*answer)

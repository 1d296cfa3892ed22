# SPDX-License-Identifier: Apache-2.0
"""A counter of the scheduler that a trace may not show exactly: it is known to lie in a range.

The scheduler adds ns * times / divisor and carries the remainder. So the pair of number and
remainder, as one number `whole * divisor + rest`, grows by ns * times and loses nothing, and a
range of such numbers stays one. Where a trace shows a vGPU from its first moment, both ends are
the same and all that follows is exact.
"""

FAR = 1 << 80  # beyond all that 64 bits hold


class Level:
    __slots__ = ("divisor", "lo", "hi")

    def __init__(self, divisor):
        self.put(0, 0, divisor)

    def put(self, lo, hi, divisor):
        """Whole numbers from lo to hi without a remainder."""
        self.divisor = max(divisor, 1)
        self.lo, self.hi = lo * self.divisor, hi * self.divisor

    def guess(self, lo, hi, divisor):
        """Whole numbers from lo to hi with any remainder."""
        self.put(lo, hi, divisor)
        self.hi += self.divisor - 1

    def low(self):
        return self.lo // self.divisor

    def high(self):
        return self.hi // self.divisor

    def is_exact(self):
        return self.lo == self.hi

    def grow(self, lo, hi=None):
        """By amounts that have been multiplied already."""
        self.lo += lo
        self.hi += lo if hi is None else hi

    def raise_to(self, lo, hi):
        """To the larger of itself and a number from lo to hi; the remainder stays."""
        if self.is_exact() and lo == hi:
            if self.low() < lo:
                self.lo = self.hi = lo * self.divisor + self.lo % self.divisor
            return
        if self.low() < hi:  # what is raised keeps its remainder, whatever that is
            self.hi = max(self.hi, hi * self.divisor + self.divisor - 1)
        if self.low() < lo:
            self.lo = lo * self.divisor

    def narrow(self, lo, hi):
        """It is said to lie between these whole numbers; believed as far as it can be true."""
        lo, hi = max(self.lo, lo * self.divisor), min(self.hi, (hi + 1) * self.divisor - 1)
        if lo <= hi:
            self.lo, self.hi = lo, hi

    def move(self, function, divisor):
        """Both ends by a function that never falls; no remainder is left."""
        self.put(function(self.low()), function(self.high()), divisor)

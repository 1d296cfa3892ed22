# SPDX-License-Identifier: Apache-2.0
"""A trace as a picture: for each vGPU what waits, what is in flight, and when it has the engine.

Plain SVG without scripts; the same trace gives the same bytes.
"""

from dataclasses import dataclass, field
from html import escape

from facetlib.replay import Replay
from facetlib.rule import duration
from facetlib.trace import Kind

WIDTH, LEFT, RIGHT, TOP = 1300, 290, 20, 64
LANE, GAP, QUEUE, BAR = 58, 10, 26, 22
LABEL, AXIS = 16, 44
TICKS = 12

# Told apart in print and by people who do not see all colours; from the ninth on they repeat.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f6000", "#555555")
WAITING = "#999"
STYLE = (
    "text{font:12px sans-serif;fill:#222}.small{font-size:10px;fill:#555}"
    ".grid{stroke:#ddd;stroke-width:1}.axis{stroke:#888;stroke-width:1}"
    ".held{fill:#000;fill-opacity:.08}"
)


@dataclass
class Lane:
    """One vGPU, in ns of the trace."""

    number: int
    params: tuple | None = None
    depths: list = field(default_factory=list)  # (when, jobs queued from then on)
    flights: list = field(default_factory=list)  # (pick, completion)
    engine: list = field(default_factory=list)  # (from, to)
    held: list = field(default_factory=list)
    held_since: int | None = None
    engine_ns: int = 0


def lanes(dump):
    """What the picture shows, and the replay at its end."""
    replay, found = Replay(dump), {}
    for index, record in enumerate(replay.records):
        event = replay.apply(index)
        if event is None or event.vgpu is None:
            continue
        lane = found.setdefault(record.vgpu, Lane(record.vgpu))
        lane.params = event.vgpu.params or lane.params
        waiting = len(event.vgpu.queue)
        if not lane.depths or lane.depths[-1][1] != waiting:
            lane.depths.append((event.now, waiting))
        if event.kind == Kind.CHARGE:
            job = event.job
            start = replay.records[0].time_ns if job.picked_ns is None else job.picked_ns
            lane.flights.append((start, event.now))
            lane.engine.append((max(start, job.end_ns - record.value), job.end_ns))
            lane.engine_ns += record.value
        elif event.kind in (Kind.HOLD, Kind.REMOVE):
            _hold(lane, event)
    for job in replay.flight:
        found[job.vgpu].flights.append((job.picked_ns, replay.last_ns))
    for lane in found.values():
        if lane.held_since is not None:
            lane.held.append((lane.held_since, replay.last_ns))
    return [found[number] for number in sorted(found)], replay


def _hold(lane, event):
    if event.kind == Kind.HOLD and event.record.value:
        lane.held_since = event.now
    elif lane.held_since is not None:
        lane.held.append((lane.held_since, event.now))
        lane.held_since = None


def step_ns(span_ns):
    """Between marks of the axis: 1, 2 or 5 of some power of ten."""
    size = 1
    while True:
        for factor in (1, 2, 5):
            if size * factor * TICKS >= span_ns:
                return size * factor
        size *= 10


class Scale:
    """From ns to the picture's x; what lies outside is cut off."""

    def __init__(self, begin, end):
        self.begin, self.end = begin, max(end, begin + 1)

    def x(self, ns):
        part = (min(max(ns, self.begin), self.end) - self.begin) / (self.end - self.begin)
        return LEFT + part * (WIDTH - LEFT - RIGHT)

    def spans(self, spans):
        """Those that are in the picture, joined where no gap could be seen between them."""
        drawn = []
        for begin, end in sorted(spans):
            if end < self.begin or begin > self.end:
                continue
            left, right = self.x(begin), max(self.x(end), self.x(begin) + 0.05)
            if drawn and left - drawn[-1][1] < 0.05:
                drawn[-1][1] = max(drawn[-1][1], right)
            else:
                drawn.append([left, right])
        return drawn


def _boxes(spans, y, height):
    return "".join(f"M{a:.2f} {y}h{b - a:.2f}v{height}h{a - b:.2f}z" for a, b in spans)


def _steps(lane, scale, y, most):
    """The number of waiting jobs as an area over the line y."""
    points = [
        f"H{scale.x(when):.2f}V{y - QUEUE * after / most:.2f}"
        for when, after in lane.depths
        if scale.begin <= when <= scale.end
    ]
    first = next((d for w, d in reversed(lane.depths) if w < scale.begin), 0)
    start = f"M{LEFT} {y}V{y - QUEUE * first / most:.2f}"
    return start + "".join(points) + f"H{scale.x(scale.end):.2f}V{y}z"


def _given(params):
    if not params:
        return ""
    weight, reserve, cap, latency = params
    words = [f"weight {weight}"]
    if reserve:
        words.append(f"reserve {reserve / 10:g} %")
    if cap < 1000:
        words.append(f"cap {cap / 10:g} %")
    if latency:
        words.append(f"within {duration(latency)}")
    return ", ".join(words)


def _lane(lane, at, scale, name, most):
    colour = COLOURS[at % len(COLOURS)]
    top = TOP + at * (LANE + GAP)
    middle = top + QUEUE + 4
    inside = sum(max(0, min(b, scale.end) - max(a, scale.begin)) for a, b in lane.engine)
    share = 100 * inside / (scale.end - scale.begin)
    yield f'<text x="8" y="{top + 16}">{escape(name)}</text>'
    yield f'<text class="small" x="8" y="{top + 30}">{_given(lane.params)}</text>'
    yield f'<text class="small" x="8" y="{top + 43}">{share:.1f} % of the engine</text>'
    for a, b in scale.spans(lane.held):
        yield f'<rect class="held" x="{a:.2f}" y="{top}" width="{b - a:.2f}" height="{LANE}"/>'
    if most:
        area = _steps(lane, scale, top + QUEUE, most)
        yield f'<path fill="{WAITING}" fill-opacity=".5" d="{area}"/>'
    for spans, opacity, inset in ((lane.flights, ".3", 0), (lane.engine, "1", 3)):
        boxes = _boxes(scale.spans(spans), middle + inset, BAR - 2 * inset)
        if boxes:
            yield f'<path fill="{colour}" fill-opacity="{opacity}" d="{boxes}"/>'
    yield f'<path class="grid" d="M{LEFT} {top + LANE}H{WIDTH - RIGHT}"/>'


def _axis(scale, first, bottom):
    """Marks in ms after the first record, whatever part of the trace is drawn."""
    step = step_ns(scale.end - scale.begin)
    digits = max(0, 7 - len(str(step)))
    for at in range(-(-(scale.begin - first) // step) * step, scale.end - first + 1, step):
        x = f"{scale.x(first + at):.2f}"
        yield f'<path class="grid" d="M{x} {TOP - 8}V{bottom}"/>'
        yield (
            f'<text class="small" text-anchor="middle" x="{x}" y="{bottom + LABEL}">'
            f"{at / 1e6:.{digits}f}</text>"
        )
    yield f'<path class="axis" d="M{LEFT} {bottom}H{WIDTH - RIGHT}"/>'
    yield f'<text class="small" x="{LEFT}" y="{bottom + 2 * LABEL}">ms after {first} ns</text>'


def _legend(most):
    x = LEFT
    for text, colour, opacity, width in (
        (f"waiting (full height: {most} jobs)", WAITING, ".5", 190),
        ("in flight", COLOURS[0], ".3", 90),
        ("has the engine", COLOURS[0], "1", 120),
    ):
        box = f'x="{x}" y="34" width="14" height="12"'
        yield f'<rect {box} fill="{colour}" fill-opacity="{opacity}"/>'
        yield f'<text class="small" x="{x + 19}" y="44">{text}</text>'
        x += width + 19
    yield f'<rect class="held" x="{x}" y="34" width="14" height="12"/>'
    yield f'<text class="small" x="{x + 19}" y="44">held</text>'


def draw(dump, names=None, begin_ms=None, end_ms=None):
    """The SVG of a dump. `names` by number of vGPU; begin and end in ms after its first record."""
    shown, replay = lanes(dump)
    first = replay.records[0].time_ns if replay.records else 0
    begin = first if begin_ms is None else first + int(begin_ms * 1e6)
    end = replay.last_ns if end_ms is None else first + int(end_ms * 1e6)
    scale = Scale(begin, end)
    most = max((depth for lane in shown for _, depth in lane.depths), default=0)
    bottom = TOP + len(shown) * (LANE + GAP)
    policy = replay.policy.name.lower() if replay.policy is not None else "policy not known"
    title = f"GPU {dump.gpu}: {policy}"
    if replay.slice_ns:
        title += f", slice {duration(replay.slice_ns)}, {replay.depth} in flight"
    if dump.lost:
        title += f"; {dump.lost} records lost"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{bottom + AXIS}" '
        f'viewBox="0 0 {WIDTH} {bottom + AXIS}">',
        f"<title>{title}</title><style>{STYLE}</style>",
        f'<rect width="{WIDTH}" height="{bottom + AXIS}" fill="#fff"/>',
        f'<text x="8" y="20">{title}</text>',
        *_legend(most),
        *_axis(scale, first, bottom),
    ]
    for at, lane in enumerate(shown):
        name = (names or {}).get(lane.number, f"vGPU {lane.number}")
        parts += _lane(lane, at, scale, name, most)
    return "\n".join(parts) + "\n</svg>\n"

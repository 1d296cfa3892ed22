# SPDX-License-Identifier: Apache-2.0
"""Who had how much while all wanted the engine: by weight, whatever they want otherwise."""

import pytest
from facetlib import shares
from facetlib.trace import Class, Dump, Kind
from story import MS, Fair, Story, begun_at

WEIGHTS = {0: 300, 1: 100}
LENGTHS = {0: MS, 1: MS * 3 // 4}


def two():
    story = Story()
    for vgpu, weight in WEIGHTS.items():
        story.give(vgpu, weight=weight)
    return story


def busy(story, ms):
    story.run(Fair(WEIGHTS, len(story.records)), LENGTHS.get, story.now + ms * MS)


def ratio(dump):
    found = shares.contest(dump, (0, 1))
    return found.paid_ns(0) / found.paid_ns(1)


def test_two_that_want_it_have_it_by_their_weights():
    story = two()
    busy(story, 200)
    dump = story.dump()
    found = shares.contest(dump, (0, 1))
    assert ratio(dump) == pytest.approx(3, rel=0.001)
    assert found.stretches == 1 and found.ns == pytest.approx(200 * MS, rel=0.02)
    assert sum(found.engine_ns.values()) == pytest.approx(200 * MS, rel=0.02)


def test_what_nobody_asked_for_does_not_count():
    """For half of the time one has nothing queued, and the other has it all."""
    story = two()
    for _ in range(4):
        busy(story, 100)
        story.note(Kind.DROP, 0, len(story.queues[0]))
        story.queues[0].clear()
        for _ in range(100):
            story.enqueue(1)
            story.pick(1)
            story.wait(MS)
            story.complete()
    dump = story.dump()
    found = shares.contest(dump, (0, 1))
    assert found.stretches >= 4 and found.ns < 0.55 * (story.now - 10 * MS)
    assert ratio(dump) == pytest.approx(3, rel=0.03)


def test_a_long_job_at_the_end_does_not_count():
    story = two()
    busy(story, 200)
    story.wait(50 * MS)
    story.complete()
    assert ratio(story.dump()) == pytest.approx(3, rel=0.05)


@pytest.mark.parametrize("last", (0, 1))
def test_shares_that_are_not_kept_show(last):
    story = two()
    turn = iter(range(last, 10**6))
    story.run(lambda _: (next(turn) % 2, Class.WEIGHT), lambda _: MS, 300 * MS)
    assert ratio(story.dump()) == pytest.approx(1, rel=0.05)


def test_a_trace_may_begin_in_the_middle():
    story = two()
    busy(story, 200)
    assert ratio(begun_at(story.dump(), 41)) == pytest.approx(3, rel=0.005)


def test_other_parameters_begin_anew():
    story = two()
    busy(story, 100)
    story.give(0, weight=300)
    busy(story, 100)
    assert shares.contest(story.dump(), (0, 1)).stretches == 2


def test_without_its_beginning_a_trace_tells_nothing():
    story = two()
    busy(story, 20)
    assert shares.contest(Dump(0, 9, story.dump().records[9:]), (0, 1)) is None

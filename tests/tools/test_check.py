# SPDX-License-Identifier: Apache-2.0
"""The checker: right traces pass, and for each rule there is a trace that breaks it."""

import pytest
from facetlib import check
from facetlib.trace import Class, Dump, End, Kind, Policy
from story import MS, Fair, Story, begun_at


def verdict(dump, slack_ns=MS):
    return check.check(dump, slack_ns)


def failed(dump, slack_ns=MS):
    """Names of the rules that are broken."""
    return {rule.name for rule in verdict(dump, slack_ns).rules if rule.failed}


def judged(dump, name):
    return next(rule.checked for rule in verdict(dump).rules if rule.name == name)


def two(weights=(100, 300), **options):
    story = Story(**options)
    for vgpu, weight in enumerate(weights):
        story.give(vgpu, weight=weight)
    return story


def fair(until=60 * MS):
    story = two()
    story.run(Fair({0: 100, 1: 300}), lambda vgpu: MS - 50_000 * vgpu, until)
    return story


def changed(dump, at, **fields):
    records = list(dump.records)
    records[at] = records[at]._replace(**fields)
    return Dump(dump.gpu, dump.lost, records)


def places(dump, kind):
    return [at for at, record in enumerate(dump.records) if record.kind == kind]


# ---- what is right ----


def test_a_fair_schedule_keeps_every_promise():
    dump = fair().dump()
    assert failed(dump) == set()
    for name in ("records", "jobs", "fifo", "depth", "charge", "order", "lag", "debt"):
        assert judged(dump, name) > 0, name


def test_it_says_one_line_for_each_rule():
    lines = list(verdict(fair().dump()).lines())
    assert sum(line.endswith(" ok") for line in lines) >= 9
    assert any(line.startswith("lag") and "worst" in line for line in lines)


def test_an_empty_machine_is_nothing_to_complain_of():
    assert failed(two().dump()) == set()


def test_a_trace_without_its_beginning_is_judged_as_far_as_that_goes():
    dump = fair().dump()
    lost = Dump(0, 40, dump.records[40:])
    found = verdict(lost)
    assert found.ok()
    assert judged(lost, "order") == 0 and judged(lost, "jobs") > 0
    assert "the beginning of the trace is lost" in "\n".join(found.lines())


@pytest.mark.parametrize("at", [10, 41, 100, 173])
def test_a_trace_may_begin_in_the_middle(at):
    whole = fair().dump()
    part = begun_at(whole, at)
    assert failed(part) == set()
    for name in ("order", "lag", "charge", "debt"):
        assert judged(part, name) > 0, name


def test_begun_in_the_middle_a_wrong_pick_is_found_all_the_same():
    story = fair()
    story.run(lambda _: (0, Class.WEIGHT), lambda _: MS, 70 * MS)
    assert "order" in failed(begun_at(story.dump(), 100))


# ---- records and jobs ----


def test_time_must_not_fall():
    dump = fair().dump()
    assert "records" in failed(changed(dump, 50, time_ns=1))


def test_an_unknown_kind_is_found():
    assert "records" in failed(changed(fair().dump(), 50, kind=99))


def test_a_wrong_count_of_jobs_in_flight_is_found():
    dump = fair().dump()
    assert "records" in failed(changed(dump, 50, in_flight=dump.records[50].in_flight + 1))


def test_a_wrong_length_of_a_queue_is_found():
    dump = fair().dump()
    at = places(dump, Kind.ENQUEUE)[7]
    assert "records" in failed(changed(dump, at, aux=99))


@pytest.mark.parametrize("kind", [Kind.COMPLETE, Kind.CHARGE, Kind.PICK])
def test_a_job_that_misses_a_step_is_found(kind):
    dump = fair().dump()
    del dump.records[places(dump, kind)[5]]
    assert "jobs" in failed(dump)


def test_a_job_that_is_charged_twice_is_found():
    dump = fair().dump()
    at = places(dump, Kind.CHARGE)[5]
    dump.records.insert(at, dump.records[at])
    assert "jobs" in failed(dump)


def test_a_wait_that_is_no_wait_is_found():
    dump = fair().dump()
    at = places(dump, Kind.PICK)[5]
    assert "jobs" in failed(changed(dump, at, value=dump.records[at].value + 1))


def test_an_older_job_must_not_be_left_behind():
    story = two()
    story.enqueue(0, 3)
    story.pick(0, at=1)
    assert failed(story.dump()) == {"fifo"}


def test_one_job_too_many_in_flight_is_found():
    story = two()
    story.enqueue(0, 3)
    for _ in range(3):
        story.pick(0)
    assert "depth" in failed(story.dump())


def test_one_nanosecond_too_much_is_found():
    dump = fair().dump()
    at = places(dump, Kind.CHARGE)[9]
    assert "charge" in failed(changed(dump, at, value=dump.records[at].value + 1))


def test_jobs_that_overtake_are_charged_exactly():
    story = two()
    story.enqueue(0)
    story.enqueue(1)
    story.pick(0)
    story.wait(MS)
    story.pick(1)
    story.wait(MS)
    story.complete(at=1)  # charged one ms; the other one has had one before, and what follows
    story.wait(MS)
    story.complete()
    last = story.records[-1]
    assert last.value == 2 * MS and failed(story.dump()) == set()
    story.records[-1] = last._replace(value=2 * MS + 1)
    assert "charge" in failed(story.dump())


# ---- who is next ----


def test_a_greater_tag_must_not_be_picked():
    story = two()
    story.enqueue(0, 3)
    story.enqueue(1, 3)
    story.pick(0)
    story.wait(MS)
    story.complete()
    story.pick(0)
    assert "order" in failed(story.dump())


def test_equal_tags_are_served_in_turn():
    story = two()
    story.enqueue(1)
    story.enqueue(0)
    story.pick(0)
    assert "order" in failed(story.dump())


def test_what_is_held_must_not_be_picked():
    story = two()
    story.enqueue(0)
    story.hold(0)
    story.pick(0)
    assert "order" in failed(story.dump())


def test_the_second_place_is_for_short_jobs():
    story = two()
    story.enqueue(0, 3)
    story.pick(0)
    story.wait(3 * MS)
    story.complete()
    story.pick(0)
    assert failed(story.dump()) == set()
    story.enqueue(0)
    story.pick(0)
    assert failed(story.dump()) == {"order"}


def test_a_reserve_that_is_due_comes_first():
    story = Story()
    story.give(0, reserve=500)
    story.give(1)
    story.enqueue(0)
    story.enqueue(1)
    story.wait(1)
    story.pick(1)
    assert "order" in failed(story.dump())


def test_a_reserve_must_not_be_served_ahead_of_its_account():
    story = Story()
    story.give(0, reserve=100)
    story.enqueue(0, 3)
    story.pick(0, Class.RESERVE)
    story.wait(MS)
    story.complete()
    story.pick(0, Class.RESERVE)
    assert failed(story.dump()) == {"order"}


def test_the_earliest_deadline_is_first():
    story = Story()
    story.give(0, reserve=100, latency_ns=50 * MS)
    story.give(1, reserve=100, latency_ns=40 * MS)
    story.enqueue(0)
    story.enqueue(1)
    story.pick(0, Class.RESERVE)
    assert failed(story.dump()) == {"order"}


def test_a_wrong_deadline_is_found():
    story = Story()
    story.give(0, reserve=100, latency_ns=50 * MS)
    story.enqueue(0)
    story.pick(0, Class.RESERVE)
    dump = story.dump()
    assert failed(dump) == set()
    wrong = changed(dump, -1, aux=dump.records[-1].aux + (1 << 8))
    assert failed(wrong) == {"order"}


# ---- shares and waits ----


def test_weights_that_are_not_kept_are_found():
    story = two()
    turn = iter(range(10**6))
    story.run(lambda _: (next(turn) % 2, Class.WEIGHT), lambda _: MS, 100 * MS)
    assert "lag" in failed(story.dump())


def test_a_newcomer_waits_for_one_job_of_each_other():
    story = two()
    story.enqueue(0, 9)
    story.pick(0)
    story.pick(0)
    story.enqueue(1)
    for _ in range(3):
        story.wait(MS)
        story.complete()
        story.pick(0)
    assert "newcomer" in failed(story.dump())


def test_a_newcomer_that_waits_too_long_is_found():
    story = two()
    story.enqueue(0, 9)
    story.pick(0)
    story.enqueue(1)
    story.wait(MS)
    story.complete()
    for _ in range(3):  # by its reserve, which it does not have
        story.pick(0)
        story.wait(MS)
        story.complete()
    story.pick(1)
    assert "newcomer" in failed(story.dump())


def test_a_wait_for_more_than_is_owed_is_found():
    story = two((100, 100))
    story.enqueue(1)
    story.pick(1)
    story.wait(MS)
    story.complete()
    story.enqueue(0, 2)
    story.enqueue(1)
    for _ in range(20):
        story.pick(0)
        story.wait(MS)
        story.complete()
        story.enqueue(0)
    story.pick(1)
    assert "wait" in failed(story.dump())


# ---- limits ----


def latency(late):
    story = Story()
    story.give(0, reserve=100, latency_ns=20 * MS)
    story.give(1)
    story.enqueue(1, 40)
    story.pick(1)
    story.enqueue(0)
    for _ in range(late):
        story.wait(MS)
        story.complete()
        story.pick(1)
    story.wait(MS)
    story.complete()
    story.pick(0, Class.RESERVE)
    return story.dump()


def test_a_bound_on_queueing_is_held():
    assert "latency" not in failed(latency(10))
    assert judged(latency(10), "latency") == 1


def test_a_bound_that_is_broken_is_found():
    assert "latency" in failed(latency(30))


def test_a_reserve_that_is_not_served_is_found():
    story = Story()
    story.give(0, reserve=500)
    story.give(1)
    story.enqueue(0)
    story.run(lambda _: (1, Class.WEIGHT), lambda _: MS, 40 * MS)
    assert "reserve" in failed(story.dump())


def test_a_cap_is_kept():
    story = Story()
    story.give(0, cap=100)
    story.enqueue(0, 9)
    for _ in range(5):
        story.pick(0)
        story.wait(MS)
        story.complete()
        story.wait(9 * MS)
    assert failed(story.dump()) == set()
    assert judged(story.dump(), "cap") == 5


def test_a_cap_that_is_not_kept_is_found():
    story = Story()
    story.give(0, cap=100)
    story.enqueue(0, 9)
    for _ in range(5):
        story.pick(0)
        story.wait(MS)
        story.complete()
    assert failed(story.dump()) >= {"cap", "order"}


def test_a_debt_that_is_forgiven_is_found():
    dump = fair().dump()
    at = next(at for at in places(dump, Kind.CHARGE) if dump.records[at].aux > 0)
    assert failed(changed(dump, at, aux=0)) == {"debt"}


# ---- the idle engine ----


def idle(ns):
    story = two()
    story.enqueue(0, 2)
    story.pick(0)
    story.wait(MS)
    story.complete()
    story.wait(ns)
    story.pick(0)
    return story


def test_an_engine_that_idles_is_found():
    assert failed(idle(MS).dump()) == set()
    assert failed(idle(MS + 1).dump()) == {"conserving"}


def test_it_is_found_where_nobody_is_ever_picked():
    story = idle(0)
    story.wait(MS)
    story.complete()
    story.enqueue(0)
    story.wait(2 * MS)
    story.note(Kind.SUBMIT, 0)
    story.records[-1] = story.records[-2]._replace(time_ns=story.now, job=99, aux=2)
    assert "conserving" in failed(story.dump())


def test_what_is_held_may_wait():
    story = two()
    story.enqueue(0)
    story.hold(0)
    story.wait(50 * MS)
    story.hold(0, False)
    story.pick(0)
    assert failed(story.dump()) == set()


# ---- slots ----


def fixed():
    story = Story(policy=Policy.FIXED, slice_ns=MS, slots=2, now=10 * MS)
    story.give(0)
    story.give(1)
    story.enqueue(0, 9)
    story.enqueue(1, 9)
    return story


def test_slots_are_kept():
    story = fixed()
    for turn in range(6):
        story.pick(turn % 2, Class.SLOT)
        story.wait(MS // 2)
        story.complete()
        story.wait(MS // 2)
    assert failed(story.dump()) == set()
    assert judged(story.dump(), "slots") == 12


def test_a_slot_of_another_is_not_for_it():
    story = fixed()
    story.pick(1, Class.SLOT)
    assert failed(story.dump()) == {"slots"}


def test_a_job_that_does_not_fit_its_slot_is_found():
    story = fixed()
    story.pick(0, Class.SLOT)
    story.wait(MS * 3 // 4)
    story.complete()
    story.pick(0, Class.SLOT)  # it is expected to take three quarters again
    assert failed(story.dump()) == {"slots"}


def test_what_ran_past_a_slot_is_forfeited():
    story = fixed()
    story.pick(0, Class.SLOT)
    story.wait(MS + 100_000)
    story.complete()
    story.wait(MS - 100_000)
    story.pick(0, Class.SLOT)  # it owes a tenth of this slot
    assert failed(story.dump()) == {"slots"}


def test_a_forgiven_overrun_is_found():
    story = fixed()
    story.pick(0, Class.SLOT)
    story.wait(MS + 100_000)
    story.complete()
    dump = story.dump()
    assert dump.records[-1].aux == 100_000
    assert failed(changed(dump, -1, aux=0)) == {"slots"}


def test_a_job_on_a_wrong_ground_is_found():
    story = fixed()
    story.pick(0, Class.WEIGHT)
    assert "order" in failed(story.dump())


# ---- a guest that hangs ----

TIMEOUT = 1000 * MS
LOOK = TIMEOUT // 4


def serve(story, vgpu, ns=MS):
    """One job of its, all by itself."""
    story.pick(vgpu)
    story.submit()
    story.wait(ns)
    story.complete(at=len(story.flight) - 1)


def hang(story, after=TIMEOUT + LOOK, beside=0):
    """vGPU 0 has a job that hangs for so long; beside it one of vGPU 1 every so many ns."""
    story.enqueue(0)
    story.enqueue(1, 3)
    story.pick(0)
    story.submit()
    until = story.now + after
    while beside and story.now + beside + MS < until:
        story.wait(beside)
        serve(story, 1)
        story.enqueue(1)
    story.wait(until - story.now)


def give_up(story, at=0):
    story.complete(at, End.TIMED_OUT, TIMEOUT)


@pytest.mark.parametrize("after", (TIMEOUT + 1, TIMEOUT + LOOK))
@pytest.mark.parametrize("beside", (0, 40 * MS))
def test_a_hung_guest_is_given_up_and_the_others_go_on(after, beside):
    story = two()
    hang(story, after, beside)
    give_up(story)
    for _ in range(3):
        serve(story, 1)
    dump = story.dump()
    assert failed(dump) == set()
    for name in ("timeout", "fences", "recovery"):
        assert judged(dump, name) > 0, name


def test_all_that_the_hung_guest_has_is_given_up_together():
    story = two()
    story.enqueue(0, 2)
    story.pick(0)
    story.pick(0)
    story.enqueue(1)
    story.wait(TIMEOUT + 1)
    give_up(story)
    give_up(story)
    serve(story, 1)
    assert failed(story.dump()) == set()


def test_a_time_out_before_its_time_is_found():
    story = two()
    hang(story, TIMEOUT)
    give_up(story)
    serve(story, 1)
    assert failed(story.dump()) == {"timeout"}


def test_a_hang_that_is_looked_at_too_late_is_found():
    story = two()
    hang(story, TIMEOUT + LOOK + MS + 1)
    give_up(story)
    serve(story, 1)
    assert failed(story.dump()) == {"timeout"}  # the others' bound has one job more
    late = two()
    hang(late, TIMEOUT + LOOK + 2 * MS + 1)
    give_up(late)
    serve(late, 1)
    assert failed(late.dump()) == {"timeout", "recovery"}


def test_a_hung_guest_that_keeps_a_job_in_flight_is_found():
    story = two()
    story.enqueue(0, 2)
    story.pick(0)
    story.pick(0)
    story.wait(TIMEOUT + 1)
    give_up(story)
    story.wait(TIMEOUT + 1)
    give_up(story)
    assert failed(story.dump()) == {"timeout"}


def test_one_that_is_not_the_oldest_must_not_be_given_up():
    story = two()
    story.enqueue(1)
    story.enqueue(0)
    story.pick(1)
    story.pick(0)
    story.wait(TIMEOUT + 1)
    give_up(story, at=1)
    assert failed(story.dump()) == {"timeout"}


def test_others_that_wait_on_after_a_hang_are_found():
    """The engine is busy all the while, with what the hung guest's end leaves to do."""
    story = two()
    hang(story)
    give_up(story)
    story.enqueue(0, 5)
    for _ in range(5):
        serve(story, 0)
    serve(story, 1)
    assert "recovery" in failed(story.dump())


def test_what_a_freeze_keeps_does_not_count():
    story = two()
    hang(story)
    story.hold(1)
    give_up(story)
    story.wait(3 * TIMEOUT)
    story.hold(1, False)
    serve(story, 1)
    assert failed(story.dump()) == set()


def test_another_guests_job_that_is_lost_in_a_hang_is_found():
    story = two()
    hang(story)
    story.pick(1)
    give_up(story)
    give_up(story)
    assert failed(story.dump()) == {"fences"}


def test_another_guests_queue_that_is_lost_in_a_hang_is_found():
    story = two()
    hang(story)
    give_up(story)
    story.note(Kind.DROP, 1, 3)
    story.queues[1].clear()
    assert failed(story.dump()) == {"fences"}
    own = two()
    hang(own)
    own.enqueue(0, 2)
    give_up(own)
    own.note(Kind.DROP, 0, 2)
    own.queues[0].clear()
    serve(own, 1)
    assert failed(own.dump()) == set()


def test_a_job_that_never_comes_back_is_found():
    story = two()
    hang(story)
    give_up(story)
    story.pick(1)
    story.submit()
    for _ in range(3):
        serve(story, 1)
        story.enqueue(1)
        story.wait(TIMEOUT)
    assert failed(story.dump()) == {"fences"}


def test_a_job_that_ends_before_the_device_has_it_is_found():
    story = two()
    hang(story)
    give_up(story)
    story.pick(1)
    story.wait(MS)
    story.complete()
    assert failed(story.dump()) == {"fences"}


@pytest.mark.parametrize("end, rule", ((End.UNSAID, "fences"), (9, "records")))
def test_a_job_that_ends_in_no_known_way_is_found(end, rule):
    """Without anybody's word, or by a number that the format does not have."""
    story = two()
    story.enqueue(1)
    story.pick(1)
    story.wait(MS)
    story.complete(end=end)
    assert failed(story.dump()) == {rule}


def test_a_reset_of_the_device_loses_nothing_and_is_not_judged():
    """The others' jobs are repeated, under new numbers."""
    story = two()
    hang(story)
    story.pick(1)
    give_up(story)
    story.wait(TIMEOUT + 1)
    story.complete(end=End.TAKEN_BACK)
    story.wait(MS)
    story.enqueue(1)
    serve(story, 1)
    assert "fences" not in failed(story.dump())

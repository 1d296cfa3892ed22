# SPDX-License-Identifier: Apache-2.0
"""3D for several guests on one GPU: stock Mesa renders, hostile streams harm nobody, shares hold.

Guests are made of tests/guest/init3d. QEMU's own trace of what reached its device is the witness
for what Facet and the guests count: contexts carry numbers of which each vGPU has a range
(VIRGL_CONTEXTS_MAX).
"""

import os
import random
import re
import time

import facet
import light3d
import pytest

pytestmark = pytest.mark.not_on(
    "qemu-virtio", "qemu-vbe", "bochs-*", reason="its GPU has no 3D; qemu-virgl's has"
)

START_S = facet.BOOT_S + facet.GUEST_S
HOSTILE_S = int(os.environ.get("SOAK_SECONDS", "60"))

# What render3d's frames 0 to 3 look like when nobody else is there (Mesa's llvmpipe).
CHECKSUMS = ["b2abe4a2", "e0510d45", "d49b3629", "0057823a"]

EVENTS = [
    f"virtio_gpu_cmd_{what}"
    for what in "ctx_create ctx_destroy ctx_submit res_create_2d res_create_3d res_unref".split()
]
TRACE = [word for event in EVENTS for word in ("-trace", event)]
CONTEXTS = 64


def said(machine, name, line, since=0):
    """All matches of `line` in what a guest's programs said."""
    return re.findall(rf"^{name}\| guest {name}: {line}", machine.text(since), re.MULTILINE)


def expect(machine, name, line, timeout, since=None):
    return machine.expect(rf"^{name}\| guest {name}: {line}", timeout, since=since)


def vgpu(machine, name):
    """One vGPU's counters."""
    return next(v for v in machine.stats()["gpus"][0]["vgpus"] if v["name"] == name)


def traced(machine, what):
    """The numbers that QEMU's trace says with an event, in their order."""
    path = os.path.join(machine.folder, "qemu.log")
    with open(path, encoding="utf-8", errors="replace") as log:
        found = re.findall(rf"virtio_gpu_cmd_{what} (?:ctx|res) 0x([0-9a-f]+)", log.read())
    return [int(number, 16) for number in found]


def left_over(machine, made, ended):
    """How many of a kind the device still has."""
    left = {}
    for number in (number for kind in made for number in traced(machine, kind)):
        left[number] = left.get(number, 0) + 1
    for number in traced(machine, ended):
        left[number] = left.get(number, 0) - 1
    for number, count in left.items():
        assert count in (0, 1), f"{made} {number}: {count} more begun than ended"
    return sum(left.values())


def contexts_left(machine):
    return left_over(machine, ["ctx_create"], "ctx_destroy")


def resources_left(machine):
    return left_over(machine, ["res_create_2d", "res_create_3d"], "res_unref")


# ---- several guests at work ----


@pytest.fixture(scope="module")
def house(start_shared):
    """kmscube and a scene of glmark2 at the same time; the others wait to be started."""
    machine = start_shared(
        facet.conf(
            facet.guest3d_conf("alpha", "kmscube"),
            facet.guest3d_conf("beta", "glmark2", "facet.scene=build"),
            facet.guest_conf("gamma", "facet.rate=10", autostart="no", gpu__memory="16M"),
            facet.guest3d_conf("delta", "info", autostart="no", quiet=False),
            facet.guest3d_conf(
                "epsilon",
                "quota",
                "facet.mib=128 facet.seconds=20",
                autostart="no",
                gpu__memory="64M",
            ),
        ),
        files=facet.GUEST_FILES + facet.GUEST3D_FILES[1:],
        extra=TRACE,
    )
    expect(machine, "alpha", r"Rendered \d+ frames", START_S, since=0)
    expect(machine, "beta", r"\[build\].* FPS: \d+", START_S, since=0)
    return machine


def rendered(machine, since=0):
    """kmscube's own count of frames."""
    counts = said(machine, "alpha", r"Rendered (\d+) frames", since)
    return int(counts[-1]) if counts else 0


def take_picture(machine, name, number):
    machine.command(f"gpu focus {name}")
    machine.rest(1.5)
    return machine.screendump(0, f"{name}-{number}.png")


def test_both_render_at_once(house):
    assert said(house, "alpha", r"  renderer: \"(virgl) ")
    assert said(house, "beta", r"    GL_RENDERER: +(virgl) ")
    start = house.mark()
    expect(house, "alpha", r"Rendered \d+ frames", 30, since=start)
    fps = expect(house, "beta", r"\[build\].* FPS: (\d+)", 30, since=start).group(1)
    assert rendered(house) > 50 and int(fps) > 0


def test_each_ones_picture_is_shown_and_moves(house):
    pictures = [
        take_picture(house, name, number) for number in (1, 2) for name in ("alpha", "beta")
    ]
    assert not any(picture.is_blank() for picture in pictures)
    assert len({picture.crc32() for picture in pictures}) == 4


def test_nothing_of_theirs_is_refused(house):
    for name in ("alpha", "beta"):
        counters = vgpu(house, name)
        assert counters["streams_refused"] == counters["refused"] == 0
        assert counters["streams"] > 50 and counters["stream_bytes"] > 50 * 100
    refused = re.findall(r"^facet: .*refused.*", house.text(), re.MULTILINE)
    assert not refused
    assert not re.search(r"\*ERROR\*", house.text())


def test_the_table_of_vgpus_has_a_line_for_3d(house):
    text = house.command("gpu")
    for name in ("alpha", "beta"):
        counts = re.search(
            rf"^{name} .*\n +3D: (\d+) contexts, (\d+) streams of (\d+) KiB, \d+ split, "
            r"(\d+) refused, largest job (\d+)% of its budget",
            text,
            re.MULTILINE,
        )
        assert counts, text
        contexts, streams, kib, refused, _ = (int(n) for n in counts.groups())
        assert contexts >= 1 and streams > 50 and kib > 0 and refused == 0


def test_a_guest_sees_the_renderer_and_its_capability_sets(house):
    house.command("start delta")
    house.expect(r"^delta\| .*\[drm\] features: \+virgl", START_S, since=0)
    house.expect(r"^delta\| .*cap set 0: id 1, ", START_S, since=0)
    house.expect(r"^delta\| .*cap set 1: id 2, ", START_S, since=0)
    expect(house, "delta", r"renderer virgl \(", START_S)
    house.command("stop delta")
    house.comes_to("delta", "stopped")


def test_a_2d_guest_draws_beside_them(house):
    house.command("start gamma")
    house.expect_frame("gamma", at_least=5, timeout=facet.GUEST_S)
    first = house.look("gamma", 0)
    house.rest(2)
    second = house.look("gamma", 0)
    assert first.name == second.name == "gamma" and second.frame > first.frame
    house.command("stop gamma")
    house.comes_to("gamma", "stopped")


def test_memory_beyond_the_quota_is_refused_and_the_rest_works_on(house):
    """64 MiB are allowed, of which a program renders already; another asks for 128."""
    house.command("start epsilon")
    expect(house, "epsilon", r"render frame 3 crc32", START_S, since=0)
    house.expect(r"^facet: .*guest epsilon: .*0x204 refused: gpu.memory is used up", 60)
    house.expect(r"^epsilon\| .*response 0x1201 \(command 0x204\)", 60, since=0)
    there = int(expect(house, "epsilon", r"quota: 32 textures .*, (\d+) there", 60).group(1))
    start = house.mark()
    assert 4 <= there < 16
    counters = vgpu(house, "epsilon")
    assert there * 4 << 20 <= counters["memory_used"] <= counters["memory_allowed"] == 64 << 20
    expect(house, "epsilon", rf"quota: {there} of {there} hold what they held", 60, since=start)
    expect(house, "epsilon", rf"render frame 3 crc32 {CHECKSUMS[3]}$", 60, since=start)
    expect(house, "epsilon", r"render: 0 frames differ", 60, since=start)
    house.command("stop epsilon")
    house.comes_to("epsilon", "stopped")


def test_a_restarted_guest_renders_again_and_the_other_goes_on(house):
    house.command("gpu focus beta")
    before, start = vgpu(house, "beta")["streams"], house.mark()
    house.command("restart alpha")
    # The old run may go on drawing, and saying so, until here.
    new = house.expect(r"^facet: guest alpha: starts with", START_S, since=start).end()
    expect(house, "beta", r"\[build\].* FPS: [1-9]", 60, since=new)
    expect(house, "alpha", r"gpu ready", START_S, since=new)
    expect(house, "alpha", r"Rendered \d+ frames", START_S, since=new)
    assert vgpu(house, "beta")["streams"] > before + 50
    assert vgpu(house, "alpha")["streams_refused"] == 0


def test_a_stopped_guest_leaves_nothing_on_the_device(house):
    """Last of this file's users of `house`: in the end nobody has anything there."""
    house.command("stop alpha")
    house.comes_to("alpha", "stopped")
    alpha = vgpu(house, "alpha")
    assert alpha["contexts"] == alpha["resources"] == alpha["memory_used"] == 0
    house.command("pause beta")
    house.rest(1)
    beta = vgpu(house, "beta")
    assert beta["queued"] == beta["in_flight"] == 0
    assert contexts_left(house) == beta["contexts"] >= 1
    assert resources_left(house) == beta["resources"] >= 1
    house.command("stop beta")
    house.comes_to("beta", "stopped")
    assert contexts_left(house) == resources_left(house) == 0


# ---- a hostile neighbour ----


def checksums(machine, since=0):
    """(frame, checksum) of what alpha rendered."""
    found = said(machine, "alpha", r"render frame (\d+) crc32 ([0-9a-f]{8})", since)
    return [(int(frame), crc) for frame, crc in found]


def test_hostile_streams_harm_only_their_own_guest(start):
    """SOAK_SECONDS=N: for how long; SEED=N: with which chances."""
    seed = int(os.environ.get("SEED", random.SystemRandom().randrange(1, 1 << 31)))
    print(f"mutate: SEED={seed}, {HOSTILE_S} s")
    try:
        send_hostile_streams(start, seed)
    except AssertionError as error:
        # First of all: a long message may be cut where it is shown.
        raise AssertionError(f"SEED={seed}: {error}") from error


def send_hostile_streams(start, seed):
    machine = start(
        facet.conf(
            facet.guest3d_conf("alpha", "render", "facet.frames=4"),
            facet.guest3d_conf("beta", "mutate", f"facet.seed={seed} facet.seconds={HOSTILE_S}"),
            facet.guest3d_conf("gamma", "zero", autostart="no"),
        ),
        files=facet.GUEST3D_FILES,
        limit_s=2 * START_S + HOSTILE_S + 120,
    )
    expect(machine, "alpha", r"render frame 3 crc32", START_S, since=0)
    streams, well = expect(
        machine, "beta", r"mutate: (\d+) streams as recorded, (\d+) went well", START_S, since=0
    ).groups()
    assert streams == well, "what is mutated should be good otherwise"
    start_at, refused = machine.mark(), vgpu(machine, "beta")["streams_refused"]
    ended = expect(
        machine,
        "beta",
        r"mutate ended: seed \d+: (\d+) rounds, (\d+) mutants, (\d+) of them lost their context; "
        r"fresh: (\d+) bytes, (\d+) not read, (\d+) not zero",
        HOSTILE_S + 60,
        since=start_at,
    )
    rounds, mutants, lost, fresh, unread, not_zero = (int(n) for n in ended.groups())
    assert rounds > HOSTILE_S / 2 and mutants > HOSTILE_S / 2 and lost > HOSTILE_S / 4
    assert fresh > 1 << 20 and unread == not_zero == 0
    assert not said(machine, "beta", r".*LEAK")

    beta = vgpu(machine, "beta")
    assert beta["streams_refused"] - refused > HOSTILE_S / 4
    lines = re.findall(
        r"^facet: .*guest beta: virgl .+ at dword \d+ refused: .*", machine.text(start_at), re.M
    )
    assert lines, "no line says what was refused"

    meanwhile = checksums(machine, start_at)
    assert len(meanwhile) > 2 * HOSTILE_S
    assert not [frame for frame in meanwhile if frame[1] != CHECKSUMS[frame[0]]]
    assert vgpu(machine, "alpha")["refused"] == 0

    # Both still answer, and a third one finds nothing of theirs.
    expect(machine, "beta", r"idle", 20, since=start_at)
    now = machine.mark()
    machine.command("start gamma")
    zero = expect(machine, "gamma", r"zero pass 1: (\d+) bytes read, (\d+) not zero", START_S)
    assert int(zero.group(1)) > 1 << 20 and int(zero.group(2)) == 0
    expect(machine, "alpha", r"render frame 3 crc32", 20, since=now)
    machine.command("restart beta")
    expect(machine, "beta", r"mutate: \d+ streams as recorded, \d+ went well", START_S, since=now)


# ---- shares ----

WINDOW_S = 10
# Much work for the GPU and little for the processors: so the queues of all are never empty.
LOAD = "facet.work=200 facet.depth=4 facet.tell=5"


WEIGHTS = {"one": 100, "same": 100, "double": 200, "triple": 300}


def counts(machine, name):
    """(frames by the guest, streams by Facet, submissions by QEMU) since its start.

    The guest is paused for it, so that all are of the same time.
    """
    machine.command(f"pause {name}")
    machine.rest(1)
    frames = int(said(machine, name, r"load frame (\d+)")[-1])
    counters = vgpu(machine, name)
    assert counters["queued"] == counters["in_flight"] == 0
    # The guests were started in the order of the file.
    number = list(WEIGHTS).index(name)
    submits = sum((context - 1) // CONTEXTS == number for context in traced(machine, "ctx_submit"))
    machine.command(f"resume {name}")
    return frames, counters["streams"], submits


def check_shares(machine, *names):
    """Engine time over WINDOW_S against weights; only these guests run."""
    for name in WEIGHTS:
        machine.command(f"{'resume' if name in names else 'pause'} {name}")
    machine.rest(1)

    def used():
        stats = machine.stats()
        return {name: facet.figure(stats, "engine_ns", name) for name in names}

    before = used()
    machine.rest(WINDOW_S)
    after = used()
    had = {name: after[name] - before[name] for name in names}
    told = ", ".join(f"{name} {100 * had[name] / sum(had.values()):.1f}%" for name in names)
    print(f"shares {':'.join(str(WEIGHTS[name]) for name in names)}: {told}")
    for name in names:
        asked = WEIGHTS[name] / sum(WEIGHTS[other] for other in names)
        assert abs(had[name] / sum(had.values()) - asked) <= 0.03 * asked, told


def test_engine_time_follows_weight_and_all_counts_agree(start):
    machine = start(
        facet.conf(
            *(facet.guest3d_conf(name, "load", LOAD, gpu__weight=weight) for name, weight in WEIGHTS.items())
        ),
        files=facet.GUEST3D_FILES,
        extra=TRACE,
    )
    for name in WEIGHTS:
        expect(machine, name, r"load frame \d+", START_S, since=0)
        machine.command(f"pause {name}")
    check_shares(machine, "one", "same")
    for name in ("one", "same"):
        frames, streams, submits = counts(machine, name)
        print(f"{name}: {frames} frames, {streams} streams, {submits} submissions")
        assert frames > 100
        assert abs(streams - frames) <= 0.02 * frames + 5
        assert abs(submits - frames) <= 0.02 * frames + 5
    check_shares(machine, "triple", "one")
    check_shares(machine, "one", "same", "double")


def test_a_light_guest_waits_for_one_heavy_job_and_a_slice(start):
    machine = start(facet.conf(*light3d.guests()), files=facet.GUEST3D_FILES)
    got = light3d.measure(machine)
    print(got)
    assert got["heavy.p50"] > 2 * got["latency.alone.p50"], "the heavy guest's jobs are not heavy"
    # Each wait in the queue against its formula, with the jobs' actual lengths. What the host
    # adds by letting processors wait is not in the queue: p99 is for `make bench-3d`.
    assert not got["broken"], got
    above = got["latency.beside.p50"] - got["latency.alone.p50"]
    assert above <= got["heavy.longest"] + got["slice"], got

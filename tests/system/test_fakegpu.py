# SPDX-License-Identifier: Apache-2.0
"""The test GPU is a true one as long as nothing is ordered, and misbehaves as ordered.

First without QEMU, then as the GPU of a Linux guest, then below Facet.
"""

import itertools
import os
import re
import struct
import time
import zlib

import facet
import fakebench
import pytest
from vhostfront import DATA, PAGE, Front

pytestmark = pytest.mark.not_on(
    "qemu-vbe",
    "qemu-virgl",
    "bochs-*",
    reason="the GPU is this file's own on each bench: once is enough",
)

# Types of virtio 1.2, 5.7.6.7.
DISPLAY_INFO, CREATE_2D, UNREF, SET_SCANOUT, FLUSH, TRANSFER_2D, ATTACH = range(0x100, 0x107)
CAPSET_INFO, CAPSET = 0x108, 0x109
CTX_CREATE, CTX_DESTROY, CTX_ATTACH, CTX_DETACH = range(0x200, 0x204)
CREATE_3D, TO_HOST_3D, FROM_HOST_3D, SUBMIT = range(0x204, 0x208)
OK, OK_DISPLAY, OK_CAPSET_INFO, OK_CAPSET = range(0x1100, 0x1104)
UNSPEC, NO_MEMORY, _, BAD_RESOURCE, BAD_CONTEXT, BAD_PARAMETER = range(0x1200, 0x1206)

numbers = itertools.count(1)


def command(kind, *words, fenced=False, ctx=0, more=b""):
    fence = next(numbers) if fenced else 0
    header = struct.pack("<IIQII", kind, int(fenced), fence, ctx, 0)
    return header + struct.pack(f"<{len(words)}I", *words) + more


def fenced(ctx=0, kind=CTX_ATTACH):
    """A command whose answer waits for its fence; that it is refused does not matter."""
    return command(kind, 99, 0, fenced=True, ctx=ctx)


def kind_of(answer):
    return struct.unpack_from("<I", answer)[0]


def fence_of(request):
    return struct.unpack_from("<Q", request, 8)[0]


class Pair:
    """The test GPU and a driver without a machine."""

    def __init__(self, folder, **options):
        self.gpu = fakebench.FakeGpu(folder, "--virgl")
        self.front = Front(self.gpu.socket_path, **options)

    def close(self):
        self.front.close()
        self.gpu.close()

    def do(self, kind, *words, room=24, **more):
        """A command that is answered at once; its answer's type."""
        return kind_of(self.ask(kind, *words, room=room, **more))

    def ask(self, kind, *words, room=24, **more):
        return self.front.wait(self.front.send(command(kind, *words, **more), room))

    def attach(self, resource, *parts):
        entries = b"".join(
            struct.pack("<QII", self.front.base + at, length, 0) for at, length in parts
        )
        assert self.do(ATTACH, resource, len(parts), more=entries) == OK

    def contexts(self, *contexts):
        for ctx in contexts:
            assert self.do(CTX_CREATE, 4, 0, ctx=ctx, more=b"test".ljust(64, b"\0")) == OK

    def answered(self, sent, seconds=0.2):
        """Which of these commands are answered after so long, in that order."""
        self.front.rest(seconds)
        done = [number for number in self.front.answers if number in sent]
        for number in done:
            del self.front.answers[number]
        return [sent.index(number) for number in done]

    def send(self, *commands):
        return [self.front.send(one) for one in commands]


@pytest.fixture
def make_pair(tmp_path):
    pairs = []

    def make(**options):
        pairs.append(Pair(str(tmp_path), **options))
        return pairs[-1]

    yield make
    for pair in pairs:
        pair.close()


@pytest.fixture
def pair(make_pair):
    return make_pair()


# ---- a true device ----


@pytest.mark.parametrize("indirect", (True, False))
@pytest.mark.parametrize("event_idx", (True, False))
@pytest.mark.parametrize("translated", (True, False))
def test_many_commands_over_all_kinds_of_rings(make_pair, indirect, event_idx, translated):
    pair = make_pair(indirect=indirect, event_idx=event_idx, translated=translated)
    for _ in range(200):
        assert pair.do(CREATE_2D, 7, 1, 16, 16) == OK
        assert pair.do(UNREF, 7, 0) == OK
    assert pair.gpu.stats()["commands"] == {"RESOURCE_CREATE_2D": 200, "RESOURCE_UNREF": 200}


def test_displays_and_capability_sets(pair):
    answer = pair.ask(DISPLAY_INFO, room=408)
    assert kind_of(answer) == OK_DISPLAY and len(answer) == 408
    for index, (number, size) in enumerate(((1, 308), (2, 1376))):
        answer = pair.ask(CAPSET_INFO, index, 0, room=40)
        assert kind_of(answer) == OK_CAPSET_INFO
        assert struct.unpack_from("<I4xI", answer, 24) == (number, size)
        answer = pair.ask(CAPSET, number, 1, room=24 + size)
        assert kind_of(answer) == OK_CAPSET and len(answer) == 24 + size
    assert pair.do(CAPSET_INFO, 2, 0, room=40) == BAD_PARAMETER


def test_new_memory_is_full_of_aah(pair):
    assert pair.do(CREATE_2D, 1, 1, 64, 8) == OK
    assert pair.gpu.order(do="peek", resource=1)["fresh"] == 64 * 8 * 4
    # A buffer of 100 bytes, and what of it a context can read.
    pair.contexts(1)
    assert pair.do(CREATE_3D, 2, 0, 1, 0, 100, 1, 1, 1, 0, 0, 0, 0) == OK
    assert pair.do(CTX_ATTACH, 2, 0, ctx=1) == OK
    pair.attach(2, (DATA, 100))
    assert pair.do(FROM_HOST_3D, 0, 0, 0, 100, 1, 1, 0, 0, 2, 0, 0, 0, ctx=1) == OK
    assert pair.front.memory[DATA : DATA + 101] == b"\xaa" * 100 + b"\0"


def test_pixels_arrive_from_scattered_memory(make_pair):
    for translated in (False, True):
        pair = make_pair(translated=translated)
        picture = os.urandom(16 * 8 * 4)
        pair.front.memory[DATA : DATA + 200] = picture[:200]
        pair.front.memory[DATA + 3 * PAGE - 100 : DATA + 3 * PAGE + 212] = picture[200:]
        assert pair.do(CREATE_2D, 1, 1, 16, 8) == OK
        pair.attach(1, (DATA, 200), (DATA + 3 * PAGE - 100, 312))
        assert pair.do(TRANSFER_2D, 0, 0, 16, 8, 0, 0, 1, 0) == OK
        crc = pair.gpu.order(do="peek", resource=1)["crc32"]
        assert int(crc, 16) == zlib.crc32(picture)


def test_a_rectangle_changes_nothing_else(pair):
    assert pair.do(CREATE_2D, 1, 1, 16, 8) == OK
    pair.attach(1, (DATA, 512))
    offset = (2 * 16 + 3) * 4
    assert pair.do(TRANSFER_2D, 3, 2, 5, 4, offset, 0, 1, 0) == OK
    peek = pair.gpu.order(do="peek", resource=1)
    assert (peek["zero"], peek["fresh"]) == (5 * 4 * 4, 512 - 5 * 4 * 4)
    assert pair.do(TRANSFER_2D, 12, 0, 5, 1, 0, 0, 1, 0) == BAD_PARAMETER


def test_what_is_wrong_is_refused(pair):
    assert pair.do(CREATE_2D, 0, 1, 4, 4) == BAD_RESOURCE
    assert pair.do(CREATE_2D, 1, 1, 40000, 40000) == NO_MEMORY
    assert pair.do(UNREF, 5, 0) == BAD_RESOURCE
    assert pair.do(SUBMIT, 0, 0, ctx=4) == BAD_CONTEXT
    assert pair.do(0x777) == UNSPEC
    assert kind_of(pair.front.wait(pair.front.send(b"short"))) == UNSPEC
    assert sum(pair.gpu.stats()["refused"].values()) == 6


def test_a_context_reaches_only_resources_attached_to_it(pair):
    pair.contexts(1, 2)
    assert pair.do(CREATE_3D, 3, 2, 1, 0, 4, 4, 1, 1, 0, 0, 0, 0) == OK
    pair.attach(3, (DATA, 64))
    assert pair.do(CTX_ATTACH, 3, 0, ctx=1) == OK
    box = (0, 0, 0, 4, 4, 1, 0, 0, 3, 0, 0, 0)
    assert pair.do(TO_HOST_3D, *box, ctx=1) == OK
    assert pair.do(TO_HOST_3D, *box, ctx=2) == BAD_RESOURCE


# ---- behind an IOMMU ----


def test_what_the_iommu_blocks_is_an_error_and_counted(make_pair):
    pair = make_pair(translated=True)
    assert pair.do(CREATE_2D, 1, 1, 64, 64) == OK
    pair.attach(1, (DATA, 4 * PAGE))
    pair.front.blocked.add(DATA + 2 * PAGE)
    assert pair.do(TRANSFER_2D, 0, 0, 64, 64, 0, 0, 1, 0) == UNSPEC
    pair.front.blocked.clear()
    assert pair.do(TRANSFER_2D, 0, 0, 64, 64, 0, 0, 1, 0) == OK


def test_a_translation_is_kept_until_it_is_invalidated(make_pair):
    pair = make_pair(translated=True)
    assert pair.do(CREATE_2D, 1, 1, 64, 64) == OK
    pair.attach(1, (DATA, 4 * PAGE))
    transfer = (TRANSFER_2D, 0, 0, 64, 64, 0, 0, 1, 0)
    assert pair.do(*transfer) == OK
    pair.front.blocked.add(DATA + PAGE)
    assert pair.do(*transfer) == OK
    assert pair.front.missed.count(DATA + PAGE) == 1
    pair.front.invalidate(DATA + PAGE, PAGE)
    assert pair.do(*transfer) == UNSPEC


# ---- misbehaviour ----


def test_a_context_hangs_and_the_others_do_not(pair):
    pair.gpu.order(do="hang", ctx=2)
    sent = pair.send(fenced(1), fenced(2), fenced(1), fenced(2))
    assert pair.answered(sent) == [0, 2]
    assert pair.gpu.stats()["fences"] == {"seen": 4, "answered": 2, "lost": 0, "hung": 2}
    pair.gpu.order(do="normal")
    assert pair.answered(sent) == [1, 3]


def test_what_hung_can_stay_away_for_good(pair):
    pair.gpu.order(do="hang")
    sent = pair.send(fenced(1), fenced(2))
    assert pair.answered(sent) == []
    pair.gpu.order(do="normal", release=False)
    assert pair.answered(sent) == []
    assert pair.gpu.stats()["fences"]["lost"] == 2


def test_fences_are_lost_by_count_type_and_place(pair):
    pair.gpu.order(do="lose", count=1, type="CTX_DETACH_RESOURCE", after=1)
    kinds = (CTX_DETACH, CTX_ATTACH, CTX_DETACH, CTX_DETACH)
    sent = pair.send(*(fenced(1, kind) for kind in kinds))
    assert pair.answered(sent) == [0, 1, 3]
    fates = [one["fate"] for one in pair.gpu.stats()["last"]]
    assert fates == ["answered", "answered", "lost", "answered"]


def test_a_rule_can_come_before_older_ones(pair):
    pair.gpu.order(do="delay", ms=50)
    pair.gpu.order(do="lose", count=1)
    pair.gpu.order(do="hang", count=1, first=True)
    sent = pair.send(fenced(1), fenced(2))
    assert pair.answered(sent) == [1]
    assert pair.gpu.stats()["fences"] == {"seen": 2, "answered": 1, "lost": 0, "hung": 1}


def test_an_answer_names_its_fence(pair):
    request = fenced(5)
    answer = pair.front.wait(pair.front.send(request))
    assert struct.unpack_from("<IQI", answer, 4) == (1, fence_of(request), 5)


def test_a_late_fence_is_late_and_holds_up_nobody(pair):
    pair.gpu.order(do="delay", ms=300, ctx=1)
    start = time.monotonic()
    late, prompt = pair.send(fenced(1), fenced(2))
    pair.front.wait(prompt)
    assert late not in pair.front.answers
    pair.front.wait(late)
    assert time.monotonic() - start >= 0.3


def test_an_engine_does_one_after_another(pair):
    pair.gpu.order(do="delay", ms=50, serial=True)
    start = time.monotonic()
    for number in pair.send(*(fenced(ctx) for ctx in (1, 2, 1, 2))):
        pair.front.wait(number)
    assert time.monotonic() - start >= 0.2


def test_fences_come_in_reverse(pair):
    pair.gpu.order(do="reorder", count=3)
    sent = pair.send(*(fenced(ctx) for ctx in (1, 2, 3, 4)))
    # The fourth is no longer meant, and the third is what lets the others go.
    assert pair.answered(sent) == [2, 1, 0, 3]


def test_reordering_does_not_wait_for_ever(pair):
    pair.gpu.order(do="reorder", count=3, ms=50)
    sent = pair.send(fenced(1), fenced(2))
    assert pair.answered(sent) == [1, 0]


def test_a_stream_can_order_its_own_fate(pair):
    pair.contexts(1)
    magic = struct.unpack("<I", b"FKGP")[0]
    lose = command(SUBMIT, 12, 0, magic, 1, 0, fenced=True, ctx=1)
    nop_then_lose = command(SUBMIT, 16, 0, 3 << 16, magic, 1, 0, fenced=True, ctx=1)
    plain = command(SUBMIT, 12, 0, 1, 2, 3, fenced=True, ctx=1)
    sent = pair.send(lose, nop_then_lose, plain)
    assert pair.answered(sent) == [2]
    assert pair.gpu.stats()["stream_bytes"] == {"1": 40}


def test_a_stopped_device_does_nothing_until_a_reset(pair):
    pair.contexts(1)
    assert pair.do(CREATE_2D, 1, 1, 4, 4) == OK
    pair.gpu.order(do="delay", ms=100)
    sent = pair.send(fenced(1))
    pair.front.rest(0.05)
    pair.gpu.order(do="stop")
    sent += pair.send(command(DISPLAY_INFO), fenced(1))
    assert pair.answered(sent, 0.3) == []
    # QEMU itself never waits: here it reads the configuration.
    start = time.monotonic()
    assert len(pair.front.ask(24, struct.pack("<III16x", 0, 16, 0), answered=True)) == 28
    assert time.monotonic() - start < 1
    pair.front.reset()
    pair.gpu.order(do="normal")
    assert pair.do(CREATE_2D, 1, 1, 4, 4) == OK
    stats = pair.gpu.stats()
    assert stats["resets"] == 1 and stats["contexts"] == {} and len(stats["resources"]) == 1


def test_a_reset_makes_what_is_under_way_void(pair):
    pair.gpu.order(do="delay", ms=100)
    pair.gpu.order(do="hang", ctx=2)
    pair.send(fenced(1), fenced(2))
    pair.front.rest(0.05)
    pair.front.reset()
    sent = pair.send(fenced(2))
    assert pair.answered(sent, 0.3) == [0]
    assert pair.gpu.stats()["fences"] == {"seen": 3, "answered": 1, "lost": 0, "hung": 0}


def test_a_wrong_order_is_refused(pair):
    for order in ({"do": "dance"}, {"do": "reorder"}, {"do": "lose", "type": "DRAW"}, {"no": 1}):
        with pytest.raises(ValueError):
            pair.gpu.order(**order)


# ---- with QEMU and Linux, without Facet ----

STILL = r"holding frame (\d+), picture (\d+)x(\d+) crc32 ([0-9a-f]{8})"


@pytest.fixture
def make_gpu(tmp_path):
    gpus = []

    def make(*arguments):
        gpus.append(fakebench.FakeGpu(str(tmp_path), *arguments))
        return gpus[-1]

    yield make
    for gpu in gpus:
        gpu.close()


def shows(machine, said):
    """Whether the output comes to show what a guest said: Linux says so before it is done."""
    width, height, crc = int(said.group(2)), int(said.group(3)), int(said.group(4), 16)
    for _ in range(20):
        picture = machine.screendump(0)
        if (picture.width, picture.height, picture.crc32()) == (width, height, crc):
            return True
        machine.rest(0.25)
    return False


def linux(folder, words):
    """QEMU's arguments for a Linux guest without a disk, and an empty disk for the harness."""
    disk = os.path.join(folder, "empty.img")
    with open(disk, "wb") as file:
        file.truncate(1 << 20)
    guest = os.path.join(facet.BUILD, "guest")
    # On a busy host the kernel's test of the timer fails.
    words += " no_timer_check"
    kernel = ["-kernel", f"{guest}/vmlinuz", "-initrd", f"{guest}/guest.cpio.gz"]
    return disk, [*kernel, "-append", f"console=ttyS0 quiet facet.name=alpha {words}"]


# Unmapped pages must be told by page: QEMU 7 does not reliably tell a vhost device that translations
# of a whole domain are void, which is how Linux does it when it need not be strict.
@pytest.mark.parametrize("iommu, words", ((None, ""), ("vtd", "iommu.strict=1")))
def test_linux_finds_a_true_gpu(make_gpu, tmp_path, iommu, words):
    gpu = make_gpu("--virgl")
    disk, arguments = linux(str(tmp_path), f"facet.test=still {words}")
    options = gpu.options(iommu=iommu, memory=512, extra=arguments)
    with facet.Machine(disk, folder=str(tmp_path / "qemu"), limit_s=200, **options) as machine:
        assert shows(machine, machine.expect(STILL, facet.GUEST_S))
        assert not re.search(r"\[drm\].*ERROR", machine.text())
        stats = gpu.stats()
    assert stats["translated"] == bool(iommu) and stats["refused"] == {}
    assert stats["commands"]["GET_CAPSET_INFO"] == 2


# ---- below Facet ----


def two_guests(start, gpu, iommu="vtd"):
    # No test is about the time-out: a GPU that a test stops is not reset before it goes on.
    text = facet.conf(*(facet.guest_conf(name, gpu__timeout="60s") for name in ("alpha", "beta")))
    if not iommu:
        text = text.replace("[host]\n", "[host]\niommu = none\n")
    machine = start(text, **gpu.options(iommu=iommu))
    for name in ("alpha", "beta"):
        machine.expect_frame(name, at_least=10, timeout=facet.BOOT_S + facet.GUEST_S)
    return machine


@pytest.fixture(scope="module")
def two(start_shared, tmp_path_factory):
    """The GPU, as new, and a machine in which two guests draw on it."""
    with fakebench.FakeGpu(str(tmp_path_factory.mktemp("gpu")), "--virgl") as gpu:
        yield gpu, two_guests(start_shared, gpu)


def moves(machine, *names, seconds=3):
    before = [machine.frames(name)[-1] for name in names]
    machine.rest(seconds)
    return all(machine.frames(name)[-1] > old for name, old in zip(names, before))


def test_two_guests_draw_on_it_late_and_out_of_order(two):
    gpu, machine = two
    assert [machine.stamp(head).name for head in (0, 1)] == ["alpha", "beta"]
    assert gpu.stats()["refused"] == {}
    late = {"do": "delay", "ms": 10, "serial": True}
    reversed_ = {"do": "reorder", "count": 50, "ms": 5}
    for order in (late, reversed_):
        gpu.order(**order)
        assert moves(machine, "alpha", "beta")
        gpu.order(do="normal")
    assert moves(machine, "alpha", "beta")
    fences = gpu.stats()["fences"]
    assert fences["lost"] == 0 and fences["hung"] == 0
    assert not re.search(r"^facet: .*answered a request", machine.text(), re.MULTILINE)


def test_a_device_that_stops_keeps_nobody_else_waiting(two):
    gpu, machine = two
    gpu.order(do="stop")
    machine.rest(0.5)
    drawn = machine.frames("alpha")[-1]
    assert machine.qmp("query-status")["running"]
    assert "alpha" in machine.command("gpu")
    assert gpu.stats()["stopped"], "they answered while it was"
    gpu.order(do="normal")
    machine.expect_frame("alpha", at_least=drawn + 30)
    assert moves(machine, "beta")


def test_a_picture_that_a_guest_never_filled_is_black(make_gpu, start):
    """Else it would show what another guest left in the GPU's memory: here AAh."""
    gpu = make_gpu()
    machine = start(
        facet.conf(facet.bare_conf("quota", "quota", gpu__memory="32M")),
        files=facet.BARE_FILES,
        **gpu.options(),
    )
    machine.expect(r"^quota\| .*quota: huge", facet.BOOT_S + facet.GUEST_S)
    resources = gpu.stats()["resources"]
    assert resources
    for resource in resources:
        assert gpu.order(do="peek", resource=resource["id"])["zero"] == resource["bytes"]


def test_without_an_iommu_too_if_the_file_allows_it(make_gpu, start):
    gpu = make_gpu()
    two_guests(start, gpu, iommu=None)
    assert not gpu.stats()["translated"]


def test_memory_of_a_restarted_guest_is_where_the_iommu_says_now(make_gpu, start):
    """A translation that outlived the first guest would show another picture than it drew."""
    machine = start(
        facet.conf(facet.guest_conf("alpha", "facet.test=still")), **make_gpu().options()
    )
    for _ in range(2):
        said = machine.expect(r"^alpha\| .*" + STILL, facet.BOOT_S + facet.GUEST_S)
        assert shows(machine, said)
        machine.command("restart alpha")

# SPDX-License-Identifier: Apache-2.0
"""A guest's hang ends one guest only: what Facet does when the GPU does not answer.

On the test GPU, for one machine: `still` shows a picture and draws no more, so what is on its
output after a reset of the device Facet made anew; `alpha` and `beta` draw.
"""

import re
import time

import facet
import fakebench
import pytest
import traces
from facetlib.trace import End, Kind
from test_fakegpu import STILL, moves, shows

pytestmark = pytest.mark.not_on(
    "qemu-vbe",
    "qemu-virgl",
    "bochs-*",
    reason="the GPU is this file's own on each bench: once is enough",
)

TIMEOUT_S = 1
NEEDS_RESET = 0x40  # virtio 1.2, 2.1
NAMES = ("still", "alpha", "beta")  # at home on outputs 0, 1, 2
# The device's ids of resources: so many for each of so many guests, then the next such round.
IDS, GUESTS = 1024, 16


def guest(name, cmdline=""):
    return facet.guest_conf(name, cmdline, gpu__timeout=f"{TIMEOUT_S}s")


@pytest.fixture(scope="module")
def bench(start_shared, tmp_path_factory):
    with fakebench.FakeGpu(str(tmp_path_factory.mktemp("gpu"))) as gpu:
        text = facet.conf(
            guest("still", "facet.test=still"),
            guest("alpha", "facet.test=rebind"),
            guest("beta"),
        )
        machine = start_shared(text, **gpu.options())
        said = machine.expect(r"^still\| .*" + STILL, facet.BOOT_S + facet.GUEST_S)
        for name in ("alpha", "beta"):
            machine.expect_frame(name, at_least=10, timeout=facet.GUEST_S)
        assert shows(machine, said)
        yield gpu, machine, said


def vgpu(machine, name):
    [found] = [v for v in machine.stats()["gpus"][0]["vgpus"] if v["name"] == name]
    return found


def hung(machine, name):
    return vgpu(machine, name)["state"] == "hung"


def restart(machine, *names):
    """A guest that is hung goes on drawing, in vain, and says so: only a new start's frames count."""
    since = machine.mark()
    for name in names:
        machine.command(f"restart {name}")
    for name in names:
        new = machine.expect(rf"^facet: guest {name}: starts with", facet.GUEST_S, since=since)
        line = rf"^{name}\| .*guest {name}: frame \d\d+"
        machine.expect(line, facet.GUEST_S, since=new.end())


def until(machine, true, timeout):
    """Whether it comes true."""
    deadline = time.monotonic() + timeout * machine.scale
    while not true():
        if time.monotonic() > deadline:
            return False
        machine.rest(0.05)
    return True


def settle(machine, names):
    """Waits until nothing is out that the GPU might not answer.

    A guest has nothing out, or is hung. One that is busy is never seen so: but when Facet's own
    clock has gone past the time-out and a look, what is out now was sent since.
    """
    left, began = set(names), None
    while left:
        stats = machine.stats()
        now = stats["uptime_ns"]
        began = now if began is None else began
        if now - began > 2 * TIMEOUT_S * 10**9:
            return
        for v in stats["gpus"][0]["vgpus"]:
            if v["state"] == "hung" or not v["in_flight"]:
                left.discard(v["name"])


@pytest.fixture
def drawing(bench):
    """All guests well, whatever the test before left; the test GPU as new."""
    gpu, machine, _ = bench
    gpu.order(do="normal")
    draw = ("alpha", "beta")
    settle(machine, draw)
    restart(machine, *(name for name in draw if vgpu(machine, name)["state"] != "run"))
    assert not hung(machine, "still")
    return gpu, machine


def resources_of(gpu, name):
    number = NAMES.index(name)
    ids = [r["id"] for r in gpu.stats()["resources"]]
    return [i for i in ids if (i - 1) // IDS % GUESTS == number]


def shown_by(gpu, name):
    """The resource on a guest's output, where it draws."""
    return gpu.stats()["outputs"][str(NAMES.index(name))]


def withhold(gpu, machine, name, how="hang"):
    """A fence of this guest's does not come; returns when its job is at the device.

    How soon it draws its next picture is its own affair: the time-out counts from here.
    """

    def kept():
        fences = gpu.stats()["fences"]
        return fences["hung"] + fences["lost"]

    before = kept()
    gpu.order(do=how, count=1, first=True, resource=shown_by(gpu, name))
    assert until(machine, lambda: kept() > before, facet.GUEST_S)


def all_that_is_out_comes_back(gpu, machine):
    """More is answered than can be out."""
    answered = gpu.stats()["fences"]["answered"]
    assert until(machine, lambda: gpu.stats()["fences"]["answered"] > answered + 4, facet.GUEST_S)


def comes_to_hang(machine, name):
    return until(machine, lambda: hung(machine, name), TIMEOUT_S + 2)


@pytest.mark.parametrize("how", ("lose", "hang"))
def test_a_fence_that_does_not_come_ends_its_guests_gpu_alone(drawing, how):
    gpu, machine = drawing
    resets, since = gpu.stats()["resets"], machine.mark()
    withhold(gpu, machine, "alpha", how)
    assert comes_to_hang(machine, "alpha")
    machine.expect(r"guest alpha: gpu 0: no answer for 1000 ms: .* frozen", 2, since=since)
    assert re.search(r"^alpha .*\bhung\b", machine.command("gpu"), re.MULTILINE)
    assert moves(machine, "beta") and not hung(machine, "beta")
    # Nothing of alpha's is left on the device, which was not reset for it.
    assert resources_of(gpu, "alpha") == []
    assert gpu.stats()["resets"] == resets
    gpu.order(do="normal")  # what hung is answered now, too late
    assert gpu.stats()["fences"]["hung"] == 0
    assert moves(machine, "beta") and hung(machine, "alpha")
    assert not re.search(r"^facet: .*(panic|invariant|answered a)", machine.text(), re.MULTILINE)


def test_a_restart_brings_a_hung_guest_back(drawing):
    gpu, machine = drawing
    withhold(gpu, machine, "alpha")
    assert comes_to_hang(machine, "alpha")
    restart(machine, "alpha")
    assert not hung(machine, "alpha") and moves(machine, "alpha", "beta")
    assert shown_by(gpu, "alpha") in resources_of(gpu, "alpha")


def test_a_rebind_of_its_driver_brings_a_hung_guest_back(drawing):
    """Without a restart: stock Linux lets go of the device, which resets it, and takes it anew."""
    gpu, machine = drawing
    withhold(gpu, machine, "alpha")
    assert comes_to_hang(machine, "alpha")
    since = machine.mark()
    machine.send("attach alpha\r")
    machine.rest(1)
    machine.send("\r\x1d")
    bound = machine.expect(
        r"guest alpha: driver bound anew, device status (\w+), now (\w+)", 30, since=since
    )
    before, after = (int(status, 16) for status in bound.groups())
    assert before & NEEDS_RESET and not after & NEEDS_RESET
    machine.expect(r"^alpha\| .*guest alpha: frame \d\d+", facet.GUEST_S)
    assert not hung(machine, "alpha") and moves(machine, "alpha", "beta")
    assert shown_by(gpu, "alpha") in resources_of(gpu, "alpha")
    wrong = r"^alpha\| .*(init reached|\[ cut here \]|BUG:|Oops|Call Trace)"
    assert not re.search(wrong, machine.text(since), re.MULTILINE)


def test_a_slow_fence_is_no_hang(drawing):
    gpu, machine = drawing
    gpu.order(do="delay", ms=TIMEOUT_S * 300)
    assert moves(machine, "alpha", "beta", seconds=6)
    assert not hung(machine, "alpha") and not hung(machine, "beta")


def test_others_wait_no_longer_than_the_time_out(drawing):
    gpu, machine = drawing
    withhold(gpu, machine, "alpha")
    since = machine.mark()
    machine.expect(r"guest beta: frame \d+", TIMEOUT_S + 3, since=since)
    assert comes_to_hang(machine, "alpha")


@pytest.mark.parametrize("late_ms", (0, 30))
def test_the_others_lose_one_time_out_and_no_fence(drawing, late_ms):
    """By the trace. Late answers make jobs long: then nothing runs beside the one that hangs."""
    gpu, machine = drawing
    if late_ms:
        gpu.order(do="delay", ms=late_ms)
        all_that_is_out_comes_back(gpu, machine)  # what the trace will see ending was late
    traces.begin(machine)
    all_that_is_out_comes_back(gpu, machine)  # the trace knows since when the next ones run
    withhold(gpu, machine, "alpha")
    assert comes_to_hang(machine, "alpha")
    assert moves(machine, "beta", seconds=2)
    dump = traces.take(machine)
    rules = traces.judge(dump, "jobs", "order", "timeout", "fences", "recovery")
    alpha, beta = NAMES.index("alpha"), NAMES.index("beta")
    ends = [(r.vgpu, End(r.aux & 0xFF), r.value) for r in dump.records if r.kind == Kind.COMPLETE]
    assert [vgpu for vgpu, end, _ in ends if end == End.TIMED_OUT] == [alpha]
    assert {end for vgpu, end, _ in ends if vgpu == beta} == {End.GIVEN_BACK}
    # By the device's clock, too, none of beta's is early; and where jobs are long it did wait.
    assert min(took for vgpu, _, took in ends if vgpu == beta) >= 0.95 * late_ms * 10**6
    assert not late_ms or rules["recovery"].worst[1] > 0.5 * TIMEOUT_S * 10**9


def stop_until_reset(gpu, machine):
    """The device takes nothing and answers nothing until it is reset."""
    resets, since = gpu.stats()["resets"], machine.mark()
    gpu.order(do="stop")
    machine.expect(r"gpu 0: the device does not answer: reset", 3 * TIMEOUT_S + 5, since=since)
    # It is said before it is done.
    assert until(machine, lambda: gpu.stats()["resets"] > resets, 5)
    stats = gpu.stats()
    assert stats["resets"] == resets + 1 and not stats["stopped"]


def test_a_device_that_stops_is_reset_and_pictures_come_back(drawing, bench):
    """Whose job the device had is to blame; the others go on. Then once more."""
    gpu, machine = drawing
    draw = {"alpha", "beta"}
    while draw:
        stop_until_reset(gpu, machine)
        assert shows(machine, bench[2]) and not hung(machine, "still")
        blamed = {name for name in draw if hung(machine, name)}
        assert len(blamed) == 1
        draw -= blamed
        assert moves(machine, *draw, seconds=2)
    restart(machine, "alpha", "beta")
    assert moves(machine, "alpha", "beta")
    assert machine.stats()["gpus"][0]["given_up"] is False


def test_a_reset_takes_3d_away_and_says_so(tmp_path, start):
    """Linux makes a context for whoever draws, where the device has 3D."""
    with fakebench.FakeGpu(str(tmp_path), "--virgl") as gpu:
        machine = start(facet.conf(guest("alpha"), guest("beta")), **gpu.options())
        for name in ("alpha", "beta"):
            machine.expect_frame(name, at_least=10, timeout=facet.BOOT_S + facet.GUEST_S)
        assert gpu.stats()["contexts"]
        stop_until_reset(gpu, machine)
        lost = r"guest \w+: gpu 0: its 3D contexts are lost with the reset: .* frozen"
        machine.expect(lost, 2)
        assert hung(machine, "alpha") and hung(machine, "beta")
        assert gpu.stats()["contexts"] == {} and gpu.stats()["resources"] == []

# SPDX-License-Identifier: Apache-2.0
"""Stock Linux as a guest: it starts, ends, starts again, and uses its processors."""

import os
import re
import time

import facet
import pytest

pytestmark = pytest.mark.not_on(
    "qemu-vbe", reason="but for its GPU, which test_gpu has a Linux for, it is qemu-virtio's machine"
)

EXITS_S = int(os.environ.get("SOAK_EXITS_S", "20"))

# Why a test is not for a bench.
SLOW = "a stock kernel's start takes most of a minute on Bochs, and the core list has the like"


def alone(cmdline="", **keys):
    return facet.conf(facet.guest_conf("alpha", cmdline, **keys))


@pytest.fixture(scope="module")
def idle(start_shared):
    """A guest that has come to its init and does nothing."""
    machine = start_shared(alone("facet.test=idle", quiet=False, gpu=""))
    machine.prompt()
    machine.expect(r"^alpha\| .*guest alpha: idle", facet.GUEST_S, since=0)
    return machine


def test_reaches_init(idle):
    assert re.search(r"^alpha\| .*guest alpha: init reached", idle.console, re.MULTILINE)


def test_the_kernel_does_not_complain_of_its_machine(idle):
    """ACPI, PCI, APIC, timers: no error or firmware bug of those in the kernel's log."""
    complaints = re.findall(
        r"^alpha\| .*(?:ACPI (?:BIOS )?Error|Firmware Bug|firmware bug|ACPI Exception"
        r"|PCI: .*conflict|can't claim|MP-BIOS bug|unchecked MSR|Call Trace|soft lockup"
        r"|Unable to handle|clocksource: .*unstable|nobody cared).*",
        idle.console,
        re.MULTILINE,
    )
    assert not complaints


def test_time_needs_no_calibration(idle):
    assert re.search(r"^alpha\| .*(kvm-clock|tsc: Detected)", idle.console, re.MULTILINE)
    assert "calibration failed" not in idle.console


def test_an_idle_guest_costs_nothing(idle):
    def times_ns():
        stats = idle.stats()
        return facet.figure(stats, "cpu_ns", "alpha"), facet.figure(stats, "uptime_ns")

    busy, start = times_ns()
    idle.rest(3)
    busy_now, now = times_ns()
    assert busy_now - busy < 0.10 * (now - start)


def test_pause_and_resume(idle):
    idle.command("pause alpha")
    assert re.search(r"alpha\b.*paused", idle.command("guests"))
    idle.command("resume alpha")
    assert re.search(r"alpha\b.*running", idle.command("guests"))


@pytest.mark.not_on("bochs-*", reason=SLOW)
def test_stop_start_and_restart(idle):
    idle.command("stop alpha")
    idle.comes_to("alpha", "stopped")
    for word in ("start", "restart"):
        start = idle.mark()
        idle.command(f"{word} alpha")
        idle.expect(r"^alpha\| .*init reached", facet.GUEST_S, since=start)


@pytest.mark.not_on("bochs-*", reason=SLOW)
def test_a_guest_switches_itself_off(start):
    machine = start(alone("facet.test=poweroff", gpu=""))
    machine.expect(r"^alpha\| .*powering off", facet.BOOT_S + facet.GUEST_S)
    machine.expect(r"^facet: .*alpha.*(stopped|off)", 30)
    machine.comes_to("alpha", "stopped")


@pytest.mark.not_on("bochs-*", reason=SLOW)
def test_the_machine_ends_with_its_last_guest_if_told(start):
    machine = start(
        facet.conf(facet.guest_conf("alpha", "facet.test=poweroff", gpu=""), idle="poweroff")
    )
    machine.wait(facet.BOOT_S + facet.GUEST_S)
    assert "powering off" in machine.text()


@pytest.mark.not_on("bochs-*", reason=SLOW)
def test_a_guest_restarts_itself_alone(start):
    machine = start(
        facet.conf(
            facet.guest_conf("alpha", "facet.test=reboot", gpu=""),
            facet.guest_conf("beta", "facet.test=idle", gpu=""),
        )
    )
    machine.expect(r"^alpha\| .*init reached", facet.BOOT_S + facet.GUEST_S, since=0)
    machine.expect(r"^alpha\| .*rebooting", 30)
    machine.expect(r"^alpha\| .*init reached", facet.GUEST_S)
    machine.expect(r"^beta\| .*guest beta: idle", facet.GUEST_S, since=0)
    assert len(re.findall(r"^beta\| .*init reached", machine.text(), re.MULTILINE)) == 1


@pytest.mark.not_on(
    "bochs-*", reason="four processes of sums take Bochs minutes; test_bars has two processors"
)
def test_four_virtual_processors_on_two(start):
    machine = start(alone("facet.test=parallel", cpus=4, gpu=""), cpus=3)  # one runs no guests
    machine.expect(r"^alpha\| .*init reached.* 4 cpus", facet.BOOT_S + facet.GUEST_S, since=0)
    machine.expect(r"^alpha\| .*parallel: 4 processes, 1 different sums", 120)


@pytest.mark.not_on("bochs-*", reason="its one thread for all processors lets nothing race")
def test_exits_without_end_on_every_processor_end_nobody(start):
    """Millions of them: what goes wrong once in a million is seen here. SOAK_EXITS_S: how long."""
    machine = start(
        facet.conf(
            facet.guest_conf("alpha", "facet.test=ports", cpus=2, gpu=""),
            facet.guest_conf("beta", "facet.test=ports", gpu=""),
            facet.guest_conf("gamma", "facet.test=ports", gpu=""),
        ),
        limit_s=600 + EXITS_S,
    )
    for name in ("alpha", "beta", "gamma"):
        machine.expect(rf"^{name}\| .*reading ports$", facet.BOOT_S + 2 * facet.GUEST_S, since=0)
    machine.rest(EXITS_S)
    for name in ("alpha", "beta", "gamma"):
        machine.expect(rf"^{name}\| .*reading ports for", 30)
        machine.comes_to(name, "running")


@pytest.mark.not_on("bochs-*", reason=SLOW)
def test_two_spinning_guests_get_their_share_and_the_prompt_answers(start):
    machine = start(
        facet.conf(
            *(facet.guest_conf(n, "facet.test=spin", gpu="") for n in ("alpha", "beta", "gamma"))
        ),
        cpus=3,  # one runs no guests
    )
    for name in ("alpha", "beta", "gamma"):
        machine.expect(rf"^{name}\| .*spinning", facet.BOOT_S + 2 * facet.GUEST_S, since=0)

    def used(stats):
        return {n: facet.figure(stats, "cpu_ns", n) for n in ("alpha", "beta", "gamma")}

    before = used(machine.stats())
    machine.rest(6)
    after = used(machine.stats())
    got = [after[n] - before[n] for n in before]
    assert max(got) < 1.25 * min(got)


@pytest.mark.not_on("bochs-*", reason=SLOW)
def test_attach_gives_the_guests_own_console(start):
    machine = start(alone("facet.test=shell", gpu=""))
    machine.expect(r"^alpha\| .*guest alpha: shell", facet.BOOT_S + facet.GUEST_S)
    machine.send("attach alpha\r")
    machine.rest(1)
    machine.send("\recho $((6*7))-alpha\r")
    machine.expect(r"^(?:alpha\| )?42-alpha", 30)
    machine.send("\x1d")
    machine.prompt(30)
    assert "alpha" in machine.command("guests")


@pytest.mark.not_on("bochs-*", reason=SLOW)
def test_a_flood_on_one_console_delays_nobody_else(start):
    machine = start(
        facet.conf(
            facet.guest_conf("alpha", "facet.test=flood", gpu=""),
            facet.guest_conf("beta", "facet.test=idle", gpu=""),
        )
    )
    machine.expect(r"^alpha\| .*flood 0123", facet.BOOT_S + facet.GUEST_S)
    machine.expect(r"^beta\| .*guest beta: idle", facet.GUEST_S, since=0)
    start_s = time.monotonic()
    machine.command("guests", until=r"beta\b.*running")
    assert time.monotonic() - start_s < 5


@pytest.mark.not_on("bochs-*", reason=SLOW)
def test_a_guest_that_crashes_takes_nobody_with_it(start):
    machine = start(
        facet.conf(
            facet.guest_conf("alpha", "facet.test=crash panic=1", gpu=""),
            facet.guest_conf("beta", "facet.test=idle", gpu=""),
        )
    )
    machine.expect(r"^alpha\| .*guest alpha: crashing", facet.BOOT_S + facet.GUEST_S, since=0)
    machine.expect(r"^beta\| .*guest beta: idle", facet.GUEST_S, since=0)
    machine.command("guests", until=r"beta\b.*running")

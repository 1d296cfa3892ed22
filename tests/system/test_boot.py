# SPDX-License-Identifier: Apache-2.0
"""From power-on to the operator's prompt, and every way in which that can go wrong."""

import re
import time

import benches
import facet
import pytest

NOBODY = facet.conf()

# Why a test is not for a bench.
SAME = "no processor or GPU has part in it, and each start of Bochs takes 15 s"


@pytest.fixture(scope="module")
def empty(start_shared):
    """Facet without guests, at its prompt."""
    machine = start_shared(NOBODY, files=(), cpus=4)
    machine.prompt()
    return machine


def test_reaches_the_prompt_and_starts_every_processor(empty):
    assert re.search(r"^facet: .*\b4 (processors|CPUs|cpus)", empty.console, re.MULTILINE)


def test_every_log_line_says_that_it_is_facets(empty):
    start = empty.console.index("facet: ")
    for line in empty.console[start:].splitlines():
        assert not line.strip() or re.match(r"facet(:|>) ?", line), line


def test_help_names_every_command(empty):
    text = empty.command("help")
    for name in (
        "guests start stop restart pause resume attach gpu stats exits log reboot poweroff"
    ).split():
        assert re.search(rf"\b{name}\b", text), name


def test_an_unknown_command_is_named(empty):
    assert "frobnicate" in empty.command("frobnicate")


def test_a_command_on_no_guest_says_so(empty):
    assert "nobody" in empty.command("start nobody")


def test_stats_is_one_line_of_json(empty):
    assert isinstance(empty.stats(), dict)


def test_the_line_can_be_edited(empty):
    start = empty.mark()
    empty.send("helpx\x7f\r")
    empty.expect(r"attach", since=start)
    empty.prompt()


def test_history_brings_a_line_back(empty):
    empty.command("guests")
    start = empty.mark()
    empty.send("\x1b[A\r")
    empty.expect(r"guests *\n", since=start)
    empty.prompt()


def test_tab_completes_a_command(empty):
    start = empty.mark()
    empty.send("powero\t")
    empty.expect(r"poweroff", since=start)
    empty.send("\x15\x7f\x7f\x7f\x7f\x7f\x7f\x7f\x7f\x7f\r")
    empty.prompt()


def test_poweroff_switches_the_machine_off(start):
    machine = start(NOBODY, files=())
    machine.prompt()
    machine.send("poweroff\r")
    machine.wait(30)


def test_reboot_starts_again(start):
    machine = start(NOBODY, files=())
    machine.prompt()
    machine.send("reboot\r")
    machine.expect(r"^facet: ", timeout=facet.BOOT_S)
    machine.prompt()


# ---- a bad file: every error is listed, no guest starts, the console stays up ----

BAD = facet.conf(
    facet.guest_conf("alpha", memory="lots"),
    facet.guest_conf("beta", colour="blue"),
)


@pytest.mark.not_on("bochs-*", reason=SAME)
def test_every_error_of_the_file_is_listed(start):
    machine = start(BAD)
    machine.prompt()
    text = machine.text()
    assert re.search(r"^facet: .*facet\.conf.*\bmemory\b.*\blots\b", text, re.MULTILINE)
    assert re.search(r"^facet: .*facet\.conf.*\bcolour\b", text, re.MULTILINE)
    assert "init reached" not in text
    machine.command("help")


@pytest.mark.not_on("bochs-*", reason=SAME)
def test_no_file_is_an_error_with_a_prompt(start):
    machine = start(None, files=())
    machine.prompt()
    assert re.search(r"facet\.conf", machine.text())


@pytest.mark.not_on("bochs-*", reason=SAME)
def test_a_missing_kernel_file_is_named(start):
    machine = start(facet.conf(facet.guest_conf("alpha", kernel="nosuch")), files=())
    machine.expect(r"^facet: .*nosuch", facet.BOOT_S, since=0)
    machine.prompt()


# ---- a machine that Facet cannot use: one clear line, no hang ----


@pytest.mark.not_on("bochs-*", reason="Bochs's models have all or, as below, too little of VMX")
@pytest.mark.skipif(benches.kvm_wanted(), reason="needs an emulated processor")
@pytest.mark.parametrize(
    "cpu, word",
    [("EPYC,-svm,-smap,-rdtscp", "SVM"), ("EPYC,+svm,-npt,-smap,-rdtscp", "NPT|[Nn]ested [Pp]ag")],
)
def test_a_processor_without_virtualization_is_refused(start, cpu, word):
    machine = start(facet.conf(facet.guest_conf("alpha")), cpu=cpu)
    machine.expect(rf"^facet: .*({word})", facet.BOOT_S, since=0)
    machine.prompt()
    assert "init reached" not in machine.text()


@pytest.mark.not_on("qemu-*", "bochs-svm", reason="only Bochs has processors with half of VMX")
@pytest.mark.parametrize(
    "cpu, missing", [("core2_penryn_t9600", "EPT"), ("corei5_lynnfield_750", "unrestricted guest")]
)
def test_vmx_without_what_every_guest_needs_is_refused(start, cpu, missing):
    machine = start(facet.conf(facet.guest_conf("alpha", gpu="")), cpu=cpu)
    machine.expect(
        rf"^facet: .*this processor has VMX but no {missing}: no guest can run",
        facet.BOOT_S,
        since=0,
    )
    machine.prompt()
    assert "init reached" not in machine.text()


@pytest.mark.not_on("bochs-*", reason=SAME)
def test_too_little_memory_is_refused(start):
    machine = start(facet.conf(facet.guest_conf("alpha", memory="1G")), memory=512)
    machine.expect(r"^facet: .*alpha.*memory", facet.BOOT_S, since=0)
    machine.prompt()


@pytest.mark.not_on("qemu-vbe", "bochs-*", reason="no DMA in its GPU to fear")
def test_no_iommu_is_refused_unless_the_file_says_so(start):
    machine = start(facet.conf(facet.guest_conf("alpha")), iommu=None)
    machine.expect(r"^facet: .*IOMMU", facet.BOOT_S, since=0)
    machine.prompt()
    assert "init reached" not in machine.text()


@pytest.mark.not_on("bochs-*", reason="Bochs sends no NMI from outside")
def test_a_fault_in_the_hypervisor_says_where_and_stops_every_processor(start):
    """An NMI that nobody expects is such a fault, and one that can be sent from outside."""
    machine = start(NOBODY, files=(), cpus=3)
    machine.prompt()
    machine.qmp("inject-nmi")
    deadline = time.monotonic() + 20 * machine.scale
    while "facet: stopped" not in machine.text() and time.monotonic() < deadline:
        time.sleep(0.2)
    text = machine.text()
    assert re.search(r"^facet: fault in the hypervisor: NMI .* on CPU \d", text, re.MULTILINE)
    assert re.search(r"^facet: +rip [0-9a-f]{16} rsp [0-9a-f]{16}", text, re.MULTILINE)
    assert re.search(r"^facet: +[0-9a-f]{16} \w+\+0x[0-9a-f]+$", text, re.MULTILINE)
    assert re.search(r"^facet: +[0-9a-f]{16} sched_loop\+0x[0-9a-f]+$", text, re.MULTILINE)
    registers = machine.qmp("human-monitor-command", **{"command-line": "info registers -a"})
    flags = [int(value, 16) for value in re.findall(r"RFL=([0-9a-f]+)", str(registers))]
    assert len(flags) == 3 and not any(value & 0x200 for value in flags)
    assert str(registers).count("HLT=1") == 3

# SPDX-License-Identifier: Apache-2.0
"""One GPU, several Linux guests: what each says that it drew is what its output shows."""

import re

import facet
import pytest

# Why a test is not for a bench.
SLOW = "a stock kernel's start takes most of a minute on Bochs; `two` shows that guests draw there"

STILL = r"^{0}\| .*holding frame (\d+), picture (\d+)x(\d+) crc32 ([0-9a-f]{{8}})"


@pytest.fixture(scope="module")
def two(start_shared):
    """Both guests drawing, each on its own output."""
    machine = start_shared(facet.conf(facet.guest_conf("alpha"), facet.guest_conf("beta")))
    machine.prompt()
    for name in ("alpha", "beta"):
        machine.expect_frame(name, at_least=10, timeout=2 * facet.GUEST_S)
    return machine


def test_linux_takes_the_gpu_with_its_own_driver(two, bench):
    for name in ("alpha", "beta"):
        assert re.search(rf"^{name}\| .*driver {bench.driver}", two.console, re.MULTILINE)
        assert not re.search(rf"^{name}\| .*\[drm\].*(ERROR|error)", two.console, re.MULTILINE)


def test_each_guest_draws_on_its_own_output(two):
    assert two.look("alpha", 0).name == "alpha"
    assert two.look("beta", 1).name == "beta"


def test_both_draw_at_the_same_time(two):
    before = two.look("alpha", 0).frame, two.look("beta", 1).frame
    two.rest(3)
    after = two.look("alpha", 0).frame, two.look("beta", 1).frame
    assert after[0] > before[0] + 5 and after[1] > before[1] + 5


def test_the_picture_is_as_new_as_the_guest_says(two):
    """The output shows no frame before the last one that the guest has announced."""
    said = two.expect_frame("alpha")
    assert two.look("alpha", 0).frame >= said


def test_the_table_of_vgpus_names_both(two):
    text = two.command("gpu")
    assert re.search(r"\balpha\b.*\b100\b", text) and re.search(r"\bbeta\b.*\b100\b", text)


def test_focus_shows_a_guest_on_the_first_output(two):
    two.command("gpu focus beta")
    two.rest(1)
    assert two.stamp(0).name == "beta"
    two.command("gpu focus alpha")
    two.rest(1)
    assert two.stamp(0).name == "alpha"


@pytest.mark.not_on("bochs-*", reason=SLOW)
def test_a_paused_guests_picture_stands_still_and_the_others_goes_on(two):
    two.command("pause alpha")
    two.rest(1)
    still, moving = two.look("alpha", 0).frame, two.look("beta", 1).frame
    two.rest(3)
    assert two.look("alpha", 0).frame == still
    assert two.look("beta", 1).frame > moving
    two.command("resume alpha")
    two.rest(3)
    assert two.look("alpha", 0).frame > still


def test_killing_one_guest_leaves_the_others_frame_counter_running(two):
    """Last of this file's users of `two`: it stops a guest."""
    two.command("stop alpha")
    moving = two.look("beta", 1).frame
    two.rest(3)
    assert two.look("beta", 1).frame > moving + 5
    stamp = two.look("alpha", 0)
    assert stamp is None or stamp.name != "alpha", "a stopped guest's picture is gone"


def still_picture(machine, name, head):
    said = machine.expect(STILL.format(name), facet.BOOT_S + facet.GUEST_S, since=0)
    picture = machine.screendump(head)
    assert (picture.width, picture.height) == (int(said.group(2)), int(said.group(3)))
    assert picture.crc32() == int(said.group(4), 16)


def test_every_pixel_arrives(start):
    machine = start(facet.conf(facet.guest_conf("alpha", "facet.test=still facet.cursor=1")))
    still_picture(machine, "alpha", 0)


@pytest.mark.not_on("bochs-*", reason=SLOW)
def test_every_pixel_arrives_in_another_mode(start):
    machine = start(
        facet.conf(facet.guest_conf("alpha", "facet.test=still facet.frames=5 facet.mode=800x600"))
    )
    still_picture(machine, "alpha", 0)


@pytest.mark.not_on("qemu-vbe", "bochs-*", reason="the quota is the BAR there: the guest sees no more")
def test_memory_beyond_the_quota_is_refused_to_that_guest_alone(start):
    """Two buffers of 1280x800 take 8 MB; beta may have 4."""
    machine = start(
        facet.conf(facet.guest_conf("alpha"), facet.guest_conf("beta", gpu__memory="4M"))
    )
    machine.expect_frame("alpha", at_least=10, timeout=2 * facet.GUEST_S)
    machine.expect(
        r"^(beta\| .*(0x1201|OUT_OF_MEMORY|drawer: DRM)|facet: .*beta.*(memory|quota))",
        facet.GUEST_S,
        since=0,
    )
    moving = machine.stamp(0).frame
    machine.rest(3)
    assert machine.stamp(0).frame > moving


@pytest.mark.not_on("bochs-*", reason=SLOW)
def test_a_restarted_guest_draws_again(start):
    machine = start(facet.conf(facet.guest_conf("alpha")))
    machine.expect_frame("alpha", at_least=10, timeout=facet.BOOT_S + facet.GUEST_S)
    start_at = machine.mark()
    machine.command("restart alpha")
    machine.expect(r"^alpha\| .*init reached", facet.GUEST_S, since=start_at)
    machine.expect(r"^alpha\| .*frame \d+", facet.GUEST_S)
    assert machine.stamp(0).name == "alpha"

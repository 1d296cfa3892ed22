# SPDX-License-Identifier: Apache-2.0
"""A frame buffer, shared out: video memory by direct BARs, one output."""

import re

import facet
import pytest

pytestmark = [
    pytest.mark.not_on("qemu-virtio", reason="its GPU has an engine and no direct BAR"),
    pytest.mark.not_on("bochs-*", reason="a stock kernel's start takes most of a minute there"),
]

# A page flip writes three registers; a clock and a console are not free either.
FLIP_EXITS = 8


@pytest.fixture(scope="module", params=["bochs-display,id=gpu", "VGA,id=gpu"])
def two(request, start_shared):
    """16 MiB for two guests, on a machine without an IOMMU, and no leave to go without."""
    machine = start_shared(
        facet.conf(facet.guest_conf("alpha"), facet.guest_conf("beta")),
        gpu=request.param,
        iommu=None,
    )
    machine.prompt()
    for name in ("alpha", "beta"):
        machine.expect_frame(name, at_least=10, timeout=2 * facet.GUEST_S)
    return machine


def mmio_exits(machine, name):
    return next(g for g in machine.stats()["guests"] if g["name"] == name)["exits"]["mmio"]


def test_without_dma_no_iommu_is_needed(two):
    assert re.search(r"gpu 0: .*, vbe, 1 scan-outs, no DMA", two.console)


def test_drawing_into_the_bar_costs_no_exit(two):
    """A frame is some hundred thousand pixels, and a few register writes."""
    frames, exits = two.expect_frame("alpha"), mmio_exits(two, "alpha")
    drawn = two.expect_frame("alpha", at_least=frames + 50) - frames
    assert mmio_exits(two, "alpha") - exits < (drawn + 30) * FLIP_EXITS


def test_focus_shows_one_guest_after_the_other_without_copying(two):
    for name in ("beta", "alpha", "beta"):
        assert two.look(name, 0).name == name
        assert re.search(rf"^{name}\b.* 0 offset +run", two.command("gpu"), re.MULTILINE)


def test_what_has_no_engine_shows_no_time(two):
    gpu = two.stats()["gpus"][0]
    assert "busy_ns" not in gpu and "engine_ns" not in gpu["vgpus"][0]
    assert re.search(r"^alpha +100( +-){5}", two.command("gpu"), re.MULTILINE)


def test_stopped_guests_picture_turns_black(two):
    """Last of this file's users of `two`."""
    assert two.look("alpha", 0).name == "alpha"
    two.command("stop alpha")
    for _ in range(20):
        picture = two.screendump()
        if not any(any(row) for row in picture.rows):
            break
        two.rest(0.2)
    assert not any(any(row) for row in picture.rows)
    assert two.look("beta", 0).name == "beta"

# SPDX-License-Identifier: Apache-2.0
"""What every system test may use."""

import fnmatch
import os
import re
import shutil

import benches
import facet
import pytest

BENCH = benches.current()


def pytest_report_header():
    accel = "KVM" if benches.kvm_wanted() and BENCH.emulator == "qemu" else "software emulation"
    head = f"bench {BENCH.name}: {BENCH.emulator}, {BENCH.vendor}, {accel}, limits x {BENCH.scale}"
    if BENCH.only:
        head += f"\nonly {', '.join(BENCH.only)}: all else about this computer another bench shows"
    return head


def pytest_collection_modifyitems(config, items):
    """A test that is not for this bench is skipped, with the reason that stands in its mark.

    A bench that is there for some files only leaves out the others' tests, uncounted: it differs
    from another bench in what these files are about, and in nothing else.
    """
    if BENCH.only:
        others = [item for item in items if item.path.name not in BENCH.only]
        items[:] = [item for item in items if item.path.name in BENCH.only]
        config.hook.pytest_deselected(items=others)
    for item in items:
        for mark in item.iter_markers("not_on"):
            if "reason" not in mark.kwargs or not mark.args:
                raise pytest.UsageError(f"{item.nodeid}: not_on() needs benches and a reason")
            for pattern in mark.args:
                if not fnmatch.filter(benches.BENCHES, pattern):
                    raise pytest.UsageError(f"{item.nodeid}: not_on() names no bench: {pattern}")
                if fnmatch.fnmatch(BENCH.name, pattern):
                    item.add_marker(pytest.mark.skip(reason=mark.kwargs["reason"]))


@pytest.fixture(scope="session")
def bench():
    return BENCH


def folder_of(request):
    """build/system/BENCH/TEST: what a failed test leaves to look at."""
    name = re.sub(r"[^A-Za-z0-9_.-]+", "_", request.node.nodeid.split("/")[-1])
    folder = os.path.join(facet.BUILD, "system", BENCH.name, name)
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    return folder


def make_starter(request, machines):
    folder = folder_of(request)

    def start(text, files=facet.GUEST_FILES, application="BOOTX64.EFI", **options):
        here = os.path.join(folder, str(len(machines))) if machines else folder
        image = facet.make_image(here, text, files, application)
        options.setdefault("picture", text is not None and "\ngpu = " in text)
        machine = facet.Machine(image, folder=here, **options)
        machines.append(machine)
        return machine

    return start


@pytest.fixture
def start(request):
    """start(conf, files, **options): a Machine that ends with the test."""
    machines = []
    yield make_starter(request, machines)
    for machine in machines:
        machine.close()
        # Logs and pictures stay; disks are big and can be made again.
        for disk in ("disk.img", "vars.fd"):
            path = os.path.join(machine.folder, disk)
            if os.path.exists(path):
                os.unlink(path)


@pytest.fixture(scope="module")
def start_shared(request):
    """The same, for a machine that all tests of a file share."""
    machines = []
    yield make_starter(request, machines)
    for machine in machines:
        machine.close()

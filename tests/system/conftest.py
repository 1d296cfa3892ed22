# SPDX-License-Identifier: Apache-2.0
"""What every system test may use."""

import os
import re
import shutil

import facet
import pytest

# The benches, and what a machine of each consists of.
BENCHES = {
    "qemu-virtio": {"iommu": "vtd", "gpu": facet.GPU},
}


@pytest.fixture(scope="session")
def bench():
    name = os.environ.get("BENCH", "qemu-virtio")
    if name not in BENCHES:
        pytest.exit(f"no bench '{name}'; there are: {', '.join(BENCHES)}", returncode=2)
    return BENCHES[name]


def folder_of(request):
    """build/system/TEST: what a failed test leaves to look at."""
    name = re.sub(r"[^A-Za-z0-9_.-]+", "_", request.node.nodeid.split("/")[-1])
    folder = os.path.join(facet.BUILD, "system", name)
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    return folder


def make_starter(request, bench, machines):
    folder = folder_of(request)

    def start(text, files=facet.GUEST_FILES, **options):
        here = os.path.join(folder, str(len(machines))) if machines else folder
        image = facet.make_image(here, text, files)
        machine = facet.Machine(image, folder=here, **{**bench, **options})
        machines.append(machine)
        return machine

    return start


@pytest.fixture
def start(request, bench):
    """start(conf, files, **options): a Machine that ends with the test."""
    machines = []
    yield make_starter(request, bench, machines)
    for machine in machines:
        machine.close()
        # Logs and pictures stay; disks are big and can be made again.
        for disk in ("disk.img", "vars.fd"):
            path = os.path.join(machine.folder, disk)
            if os.path.exists(path):
                os.unlink(path)


@pytest.fixture(scope="module")
def start_shared(request, bench):
    """The same, for a machine that all tests of a file share."""
    machines = []
    yield make_starter(request, bench, machines)
    for machine in machines:
        machine.close()

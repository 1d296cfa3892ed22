# SPDX-License-Identifier: Apache-2.0
"""QEMU with the test GPU: its process, its control line, and the arguments that name it.

    with FakeGpu(folder) as gpu:
        machine = start(conf, **gpu.options())
        gpu.order(do="hang", ctx=3)
        gpu.stats()["fences"]["hung"]
"""

import json
import os
import re
import shutil
import socket
import subprocess
import tempfile

import benches
import emulators

HERE = os.path.dirname(os.path.abspath(__file__))


def qemu_major():
    text = subprocess.run(
        ["qemu-system-x86_64", "--version"], check=True, capture_output=True, text=True
    ).stdout
    return int(re.search(r"version (\d+)", text).group(1))


def shim(folder):
    """QEMU's arguments without which version 7 has no vhost-user-gpu under TCG."""
    if benches.kvm_wanted() or qemu_major() >= 8:
        return []
    plugin = os.path.join(folder, "vhost_shim.so")
    subprocess.run(
        ["cc", "-O2", "-shared", "-fPIC", "-o", plugin, os.path.join(HERE, "vhost_shim.c")],
        check=True,
    )
    return ["-plugin", f"file={plugin}"]


class FakeGpu:
    """One GPU that misbehaves on command. It ends with its QEMU, or with the block."""

    def __init__(self, folder, *arguments, limit_s=900):
        self.folder = folder
        os.makedirs(folder, exist_ok=True)
        # A socket's path is short by law: not in a deep test folder.
        self.sockets = tempfile.mkdtemp(prefix="facet-gpu-")
        self.socket_path = os.path.join(self.sockets, "gpu")
        control_path = os.path.join(self.sockets, "control")
        argv = ["/usr/bin/python3", os.path.join(HERE, "fakegpu.py")]
        argv += ["--socket", self.socket_path, "--control", control_path, *arguments]
        self.errors = os.path.join(folder, "fakegpu.log")
        with open(self.errors, "wb") as errors:
            self.process = emulators.launch(
                argv, limit_s, stdout=subprocess.PIPE, stderr=errors
            )
        if self.process.stdout.readline() != b"ready\n":
            self.close()
            raise RuntimeError(f"the test GPU does not start; see {self.errors}")
        self.control = socket.socket(socket.AF_UNIX)
        self.control.settimeout(20)
        self.control.connect(control_path)
        self.lines = self.control.makefile("rw", encoding="utf-8")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        emulators.kill(self.process)
        self.process.wait()
        self.process.stdout.close()
        shutil.rmtree(self.sockets, ignore_errors=True)

    def order(self, **order):
        """Gives an order (see Control in fakegpu.py); returns the answer."""
        self.lines.write(json.dumps(order) + "\n")
        self.lines.flush()
        answer = json.loads(self.lines.readline())
        if not answer.pop("ok"):
            raise ValueError(answer["error"])
        return answer

    def stats(self, clear=False):
        return self.order(do="stats", clear=clear)

    def options(self, iommu="vtd", memory=2048, outputs=4, extra=()):
        """A Machine's options. The backend shares all memory: so it must be a memfd."""
        gpu = f"vhost-user-gpu-pci,id=gpu,chardev=fakegpu,max_outputs={outputs}"
        if iommu:
            gpu += ",iommu_platform=on"
        more = ["-object", f"memory-backend-memfd,id=ram,size={memory}M,share=on"]
        more += ["-machine", "memory-backend=ram"]
        more += ["-chardev", f"socket,id=fakegpu,path={self.socket_path}"]
        more += shim(self.folder)
        return {"gpu": gpu, "iommu": iommu, "memory": memory, "extra": [*more, *extra]}

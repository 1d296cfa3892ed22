# SPDX-License-Identifier: Apache-2.0
"""What the harness says of an emulator that ended before its time."""

import threading

import emulators
import facet
import pytest

pytestmark = pytest.mark.not_on("qemu-vbe", "bochs-*", reason="no machine has part in it")


class Emulator:
    """A shell in QEMU's place."""

    ending = emulators.Qemu.ending

    def __init__(self, folder, script, limit_s):
        self.folder = str(folder)
        with open(folder / "qemu.log", "wb") as log:
            self.process = emulators.launch(["sh", "-c", script], limit_s, stderr=log)


@pytest.mark.parametrize(
    ("script", "limit_s", "said"),
    [
        ("echo an error >&2; kill -SEGV $$", 20, "was ended by SIGSEGV"),
        ("echo an error >&2; kill -KILL $$", 20, "was ended by SIGKILL: by a host without memory"),
        ("echo an error >&2; exec sleep 20", 1, "had its time limit of 1 s"),
        ("echo an error >&2; exit 3", 20, "ended with status 3"),
    ],
)
def test_the_message_says_how_the_emulator_ended_and_its_last_words(
    tmp_path, script, limit_s, said
):
    machine = facet.Machine.__new__(facet.Machine)
    machine.console, machine.at, machine.ended, machine.scale = "a line\n", 0, True, 1
    machine.changed = threading.Condition()
    machine.emulator = Emulator(tmp_path, script, limit_s)
    with pytest.raises(facet.ConsoleError) as error:
        machine.expect("another")
    first, *rest = str(error.value).splitlines()
    assert first.startswith(f"the machine ended without 'another': the emulator {said}")
    assert rest[1] == "a line" and rest[-1] == "an error"

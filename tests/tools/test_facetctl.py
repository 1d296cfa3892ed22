# SPDX-License-Identifier: Apache-2.0
"""facetctl against a console that behaves like Facet's, and one that does not."""

import json
import os
import subprocess
import sys
import urllib.request

import pytest
from conftest import ROOT
from facetlib import trace
from facetlib.console import Console, ConsoleError, Screen, connect, open_console
from fakeconsole import FakeConsole
from figures import STATS, ledger
from story import MS, Fair, Story

FACETCTL = os.path.join(ROOT, "tools/facetctl")
LONG = "gpu set alpha weight=300 reserve=20% cap=90% latency=20ms memory=64M queue=32 timeout=2s"


def traced(wrong=False):
    story = Story()
    story.give(0)
    story.give(1, weight=300)
    choose = Fair({0: 300, 1: 100} if wrong else {0: 100, 1: 300})
    story.run(choose, lambda _: MS // 2, 60 * MS)
    return trace.write(story.dump()).splitlines()


def answers(line):
    known = {
        "stats json": [json.dumps(STATS, separators=(",", ":"))],
        "gpu ledger": ledger(),
        "trace dump": traced(),
        LONG: [],
        "gpu set alpha weight=0": ['gpu set: weight: found "0", allowed: 1 to 10000'],
        "gpu set nobody weight=1": ['there is no guest "nobody": `guests` lists them'],
        "gpu freeze alpha": [],
        "gpu thaw alpha": ["guest alpha: its vGPU is not frozen"],
        "trace gpu on": [],
        "trace gpu off": [],
    }
    return known.get(line, [f'unknown command "{line}": `help` lists them'])


@pytest.fixture(name="serve")
def fixture_serve(tmp_path):
    consoles = []

    def serve(known=answers, **options):
        path = os.path.relpath(tmp_path / f"console{len(consoles)}")
        console = FakeConsole(path, known, **options)
        consoles.append(console)
        return console

    yield serve
    for console in consoles:
        console.close()


def facetctl(console, *words, timeout="5"):
    where = console if isinstance(console, str) else console.address
    return subprocess.run(
        [sys.executable, FACETCTL, "--console", where, "--timeout", timeout, *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


# ---- the line ----


@pytest.mark.parametrize("noise", [0, 1, 3, 7])
@pytest.mark.parametrize("size", [1, 3, 1000])
def test_the_answer_is_found_among_all_else(serve, noise, size):
    with open_console(serve(noise=noise, size=size).address, 5) as console:
        assert console.answer("gpu thaw alpha") == ["guest alpha: its vGPU is not frozen"]
        assert console.answer("gpu freeze alpha") == []
        assert console.answer(LONG) == []
        assert [line for line in console.command("gpu ledger") if line.startswith("ledger")] == (
            ledger()
        )


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8, 100])
def test_bytes_may_be_cut_anywhere(size):
    """A line that is erased has a mark, one that is entered has none."""
    data = "\rfacet> gpu\r\x1b[K\x1b[Kalpha| é\r\n\rfacet> gpu\x1b[K\r\nanswer\r\n".encode()
    screen = Screen()
    for at in range(0, len(data), size):
        screen.feed(data[at : at + size])
    assert screen.text == "\nfacet> gpu\x1f\nalpha| é\n\nfacet> gpu\nanswer\n"


def test_what_is_typed_between_two_commands_is_not_entered(serve):
    fake = serve()
    line = connect(fake.address)
    with Console(line, 5) as console:
        line.write(b"power")
        assert console.answer("gpu freeze alpha") == []
    assert "power" not in "".join(fake.lines)


def test_what_somebody_left_at_the_prompt_is_not_entered(serve):
    fake = serve()
    line = connect(fake.address)
    line.write(b"poweroff")
    with Console(line, 5) as console:
        console.answer("gpu freeze alpha")
    assert "poweroff" not in "".join(fake.lines)


def test_a_port_is_reached_by_host_and_number():
    fake = FakeConsole(("127.0.0.1", 0), answers)
    try:
        with open_console(f"127.0.0.1:{fake.address[1]}", 5) as console:
            assert console.answer("gpu freeze alpha") == []
    finally:
        fake.close()


def test_a_terminal_is_a_serial_port():
    leader, follower = os.openpty()
    line = connect(os.ttyname(follower))
    line.write(b"0123456789abcdef")
    came = b""
    while len(came) < 16:
        came += os.read(leader, 100)
    assert came == b"0123456789abcdef"
    line.close()
    os.close(leader)
    os.close(follower)


def test_a_console_that_ends_is_gone(serve):
    fake = serve()
    console = open_console(fake.address, 5)
    fake.client.close()
    with pytest.raises(ConsoleError, match="gone"):
        console.answer("gpu freeze alpha")
    console.close()


# ---- commands ----


def test_set_says_nothing_when_it_is_done(serve):
    fake = serve(noise=5)
    done = facetctl(fake, *LONG.split()[1:])
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert LONG in fake.lines


@pytest.mark.parametrize("name, why", [("alpha", "allowed: 1 to 10000"), ("nobody", "no guest")])
def test_set_gives_the_reason_when_refused(serve, name, why):
    setting = "weight=0" if name == "alpha" else "weight=1"
    done = facetctl(serve(noise=5), "set", name, setting)
    assert done.returncode == 1 and why in done.stderr


def test_freeze_and_thaw_are_passed_on(serve):
    assert facetctl(serve(), "freeze", "alpha").returncode == 0
    refused = facetctl(serve(), "thaw", "alpha")
    assert refused.returncode == 1 and "not frozen" in refused.stderr


def test_stats_are_one_line_or_many(serve):
    one = facetctl(serve(noise=4), "stats", "--json")
    assert one.stdout.count("\n") == 1 and json.loads(one.stdout) == STATS
    many = facetctl(serve(), "stats")
    assert many.stdout.count("\n") > 50 and json.loads(many.stdout) == STATS


def test_damaged_stats_are_refused(serve):
    done = facetctl(serve(lambda line: ['{"uptime_ns":12,}']), "stats")
    assert done.returncode == 1 and "damaged" in done.stderr


def test_top_prints_its_table_once(serve):
    done = facetctl(serve(), "top", "--once")
    assert done.returncode == 0 and "alpha" in done.stdout and "\x1b" not in done.stdout


def test_the_ledger_is_verified(serve):
    done = facetctl(serve(noise=9), "ledger")
    assert done.returncode == 0 and "3 records, the chain is whole" in done.stdout
    head = ledger()[1].split()[-1]
    done = facetctl(serve(), "ledger", "--since", head)
    assert done.returncode == 0 and "2 records" in done.stdout and "minute 1" not in done.stdout


def test_a_changed_ledger_is_refused(serve):
    lines = [line.replace("alpha 2000", "alpha 2500") for line in ledger()]
    done = facetctl(serve(lambda line: lines), "ledger")
    assert done.returncode == 1 and "minute 1" in done.stderr
    done = facetctl(serve(), "ledger", "--since", "ab" * 32)
    assert done.returncode == 1 and "no record has the hash" in done.stderr


def test_a_trace_is_kept_checked_and_drawn(serve, tmp_path):
    saved, picture = tmp_path / "a.trace", tmp_path / "a.svg"
    words = ["trace", "--seconds", "0", "--save", saved, "--svg", picture, "--check"]
    fake = serve(noise=11)
    done = facetctl(fake, *words)
    assert done.returncode == 0, done.stdout + done.stderr
    assert saved.read_text().splitlines() == traced()
    assert ">alpha</text>" in picture.read_text() and ">beta</text>" in picture.read_text()
    order = [line for line in fake.lines if line.startswith("trace")]
    assert order == ["trace gpu on", "trace gpu off", "trace dump"]
    assert "order" in done.stdout and "ok" in done.stdout


def test_a_trace_that_breaks_a_promise_is_told(serve, tmp_path):
    saved = tmp_path / "bad.trace"
    saved.write_text("\n".join(traced(wrong=True)) + "\n")
    done = facetctl("", "check", saved)
    assert done.returncode == 1 and "VIOLATED" in done.stdout
    known = lambda line: traced(wrong=True) if line == "trace dump" else answers(line)
    done = facetctl(serve(known), "trace", "--seconds", "0", "--check")
    assert done.returncode == 1 and "VIOLATED" in done.stdout


def test_a_trace_that_cannot_be_had_is_told(serve):
    known = (
        lambda line: ["trace gpu on: gpu 0: no memory"] if line == "trace gpu on" else answers(line)
    )
    done = facetctl(serve(known), "trace", "--seconds", "0")
    assert done.returncode == 1 and "no memory" in done.stderr


def test_the_figures_are_served(serve):
    fake = serve(noise=6)
    argv = [sys.executable, FACETCTL, "--console", fake.address, "export"]
    with subprocess.Popen(argv + ["--listen", "127.0.0.1:0"], stdout=subprocess.PIPE) as process:
        try:
            url = process.stdout.readline().decode().split()[-1]
            for _ in range(2):
                with urllib.request.urlopen(url, timeout=10) as answer:
                    assert b'facet_vgpu_jobs_total{gpu="0",guest="alpha"} 1000' in answer.read()
        finally:
            process.terminate()


# ---- what is wrong ----


def test_no_console_is_status_3(tmp_path):
    done = facetctl(str(tmp_path / "none"), "stats")
    assert done.returncode == 3 and "no such file" in done.stderr
    assert facetctl("127.0.0.1:1", "stats").returncode == 3
    assert facetctl(str(tmp_path), "stats").returncode == 3


def test_a_console_that_does_not_answer_is_status_3(serve):
    fake = serve()
    fake._key = lambda byte: None  # pylint: disable=protected-access
    done = facetctl(fake, "stats", timeout="0.3")
    assert done.returncode == 3 and "no prompt" in done.stderr


def test_wrong_usage_is_status_2(tmp_path):
    assert facetctl("", "dance").returncode == 2
    assert facetctl("", "check", str(tmp_path / "none")).returncode == 2
    assert facetctl("", "export", "--listen", "0.0.0.0:9757").returncode == 2

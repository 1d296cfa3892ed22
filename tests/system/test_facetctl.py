# SPDX-License-Identifier: Apache-2.0
"""tools/facetctl, Debian's prometheus and the checker of traces against a running Facet.

Two bare guests keep their queues full; facetctl has the console through a socket.
"""

import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
import xml.etree.ElementTree

import consoleproxy
import emulators
import facet
import pytest
import traces

pytestmark = pytest.mark.not_on(
    "qemu-vbe", "qemu-virgl", "bochs-*", reason="one GPU with an engine and rings is enough"
)

FACETCTL = os.path.join(facet.ROOT, "tools/facetctl")
LOAD = "facet.size=2048 facet.depth=24 facet.tell=20"
LOADS = ("alpha", "beta")
LIMIT_S = 120

SLACK_US = traces.SLACK_NS // 1000

PROMETHEUS = """\
global:
  scrape_interval: 1s
  scrape_timeout: 1s
scrape_configs:
  - job_name: facet
    static_configs:
      - targets: ["{target}"]
"""


@pytest.fixture(scope="module")
def machine(start_shared):
    machine = start_shared(
        facet.conf(*(facet.bare_conf(name, "load", LOAD) for name in LOADS)),
        files=facet.BARE_FILES,
    )
    for name in LOADS:
        machine.expect(rf"^{name}\| .*load: completed", facet.BOOT_S + 60, since=0)
    return machine


@pytest.fixture(scope="module", name="console")
def fixture_console(machine):
    with consoleproxy.ConsoleProxy(machine) as proxy:
        yield proxy.path


def argv(console, *words):
    options = ["--console", console, "--timeout", str(facet.ANSWER_S)]
    return [sys.executable, FACETCTL, *options, *map(str, words)]


def facetctl(console, *words, status=0):
    done = subprocess.run(
        argv(console, *words), capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    assert done.returncode == status, f"status {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def vgpu(console, name):
    stats = json.loads(facetctl(console, "stats", "--json"))
    [found] = [v for v in stats["gpus"][0]["vgpus"] if v["name"] == name]
    return found


def test_top_shows_who_has_how_much(console):
    table = facetctl(console, "top", "--once")
    for name in LOADS:
        assert re.search(rf"^{name} +50% =====\.\.\.\.\. ", table, re.MULTILINE), table
    assert max(map(len, table.splitlines())) <= 80


def test_settings_are_taken_together_or_not_at_all(console):
    given = (
        "weight=300 reserve=20% cap=90% latency=500ms queue=32 memory=32M timeout=3s doorbells=0"
    )
    facetctl(console, "set", "alpha", *given.split())
    alpha = vgpu(console, "alpha")
    assert (alpha["weight"], alpha["reserve"], alpha["cap"]) == (300, 200, 900)
    assert (alpha["latency_ns"], alpha["queue_limit"]) == (500_000_000, 32)
    said = facetctl(console, "set", "beta", "weight=7", "reserve=90%", status=1)
    assert "reserve" in said
    assert vgpu(console, "beta")["weight"] == 100
    assert "no guest" in facetctl(console, "set", "nobody", "weight=1", status=1)
    facetctl(console, "set", "alpha", "weight=100", "reserve=0%", "latency=0s", "cap=100%")
    facetctl(console, "set", "alpha", "queue=64")


def test_freeze_and_thaw(console):
    facetctl(console, "freeze", "beta")
    assert vgpu(console, "beta")["held"]
    assert "frozen already" in facetctl(console, "freeze", "beta", status=1)
    facetctl(console, "thaw", "beta")
    assert not vgpu(console, "beta")["held"]


@pytest.mark.parametrize(
    "what",
    [
        (),
        ("weight=300",),
        ("reserve=30%", "latency=500ms"),
        ("cap=20%",),
    ],
)
def test_the_schedule_keeps_its_promises(machine, console, what):
    """Checked and drawn from a trace of real guests, with the jobs' actual lengths."""
    name = "-".join(word.split("=")[0] for word in what) or "equal"
    saved, picture = (os.path.join(machine.folder, f"{name}.{end}") for end in ("trace", "svg"))
    if what:
        facetctl(console, "set", "alpha", *what)
    try:
        words = ["--seconds", 3, "--save", saved, "--svg", picture, "--check", "--slack", SLACK_US]
        said = facetctl(console, "trace", *words)
    finally:
        facetctl(console, "set", "alpha", "weight=100", "reserve=0%", "latency=0s", "cap=100%")
    for rule in ("records", "jobs", "fifo", "depth", "charge", "order", "lag", "conserving"):
        assert re.search(rf"^{rule} +[1-9]\d* checked .*\bok$", said, re.MULTILINE), said
    assert re.search(r"^vGPU 0 +[1-9]\d+ jobs", said, re.MULTILINE), said
    for rule in ("latency", "cap"):
        if rule in name:
            assert re.search(rf"^{rule} +[1-9]\d* checked .*\bok$", said, re.MULTILINE), said
    tree = xml.etree.ElementTree.parse(picture)
    words = [node.text for node in tree.iter() if node.tag.endswith("text")]
    assert set(LOADS) <= set(words)
    facetctl("", "check", saved, "--slack", SLACK_US)


def test_slots_are_kept(console):
    facetctl(console, "set", "0", "policy=fixed", "slice=100ms")
    try:
        said = facetctl(console, "trace", "--seconds", 3, "--check")
    finally:
        facetctl(console, "set", "0", "policy=fair", "slice=2ms")
    assert re.search(r"^slots +[1-9]\d* checked .*\bok$", said, re.MULTILINE), said


def test_promises_hold_while_everything_changes(machine, console):
    facetctl(console, "trace", "--seconds", 0)
    machine.command("trace gpu on")
    for words in (
        "set alpha weight=500 reserve=10%",
        "freeze beta",
        "set 0 slice=5ms",
        "thaw beta",
        "set 0 policy=equal",
        "set beta cap=50%",
        "set 0 policy=fixed",
        "set 0 policy=fair slice=2ms",
        "set alpha weight=100 reserve=0%",
        "set beta cap=100%",
    ):
        facetctl(console, *words.split())
    dump = os.path.join(machine.folder, "changes.trace")
    with open(dump, "w", encoding="utf-8") as file:
        file.write(machine.command("trace dump", timeout=60))
    machine.command("trace gpu off")
    facetctl("", "check", dump, "--slack", SLACK_US)


# ---- figures ----


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@pytest.fixture(name="exporter")
def fixture_exporter(console):
    """host:port of a running `facetctl export`."""
    words = argv(console, "export", "--listen", "127.0.0.1:0")
    process = emulators.launch(words, LIMIT_S, stdout=subprocess.PIPE)
    try:
        yield process.stdout.readline().decode().split("/")[2]
    finally:
        emulators.kill(process)
        process.wait()
        process.stdout.close()


def test_the_figures_are_in_prometheus_format(exporter):
    with urllib.request.urlopen(f"http://{exporter}/metrics", timeout=LIMIT_S) as answer:
        page = answer.read()
    done = subprocess.run(
        ["promtool", "check", "metrics"], input=page, capture_output=True, check=False
    )
    assert done.returncode == 0 and not done.stderr, done.stderr.decode()
    assert b'facet_vgpu_jobs_total{gpu="0",guest="beta"} ' in page


def query(port, what):
    """The values that prometheus has, by guest."""
    url = f"http://127.0.0.1:{port}/api/v1/query?query={what}"
    with urllib.request.urlopen(url, timeout=LIMIT_S) as answer:
        result = json.load(answer)["data"]["result"]
    return {r["metric"].get("guest"): float(r["value"][1]) for r in result}


def test_prometheus_reads_them(machine, exporter):
    port, folder = free_port(), os.path.join(machine.folder, "prometheus")
    os.makedirs(folder)
    config = os.path.join(folder, "prometheus.yml")
    with open(config, "w", encoding="ascii") as file:
        file.write(PROMETHEUS.format(target=exporter))
    with open(os.path.join(folder, "log"), "wb") as log:
        words = [f"--config.file={config}", f"--storage.tsdb.path={folder}/data"]
        words += [f"--web.listen-address=127.0.0.1:{port}", "--web.enable-lifecycle"]
        process = emulators.launch(["prometheus", *words], LIMIT_S, stdout=log, stderr=log)
    try:
        rates = wait_for_rates(port)
        assert query(port, "up") == {None: 1}
        assert set(rates) == set(LOADS) and all(0.1 < rate < 1 for rate in rates.values())
        assert query(port, "facet_vgpu_weight") == {"alpha": 100, "beta": 100}
        running = query(port, "facet_guest_state%7Bstate%3D%22running%22%7D")
        assert running == {"alpha": 1, "beta": 1}
    finally:
        emulators.kill(process)
        process.wait()


def wait_for_rates(port):
    """Engine time a second of each guest, once there is something to work it out from."""
    deadline = time.monotonic() + LIMIT_S / 2
    while time.monotonic() < deadline:
        try:
            rates = query(port, "rate(facet_vgpu_engine_seconds_total%5B5s%5D)")
        except OSError:
            rates = {}
        if len(rates) == len(LOADS):
            return rates
        time.sleep(1)
    raise AssertionError("prometheus has no rates")


# ---- the ledger; last, as it takes a minute to have one ----


def test_the_ledger_is_a_chain_that_ends_in_the_logged_head(machine, console):
    logged = machine.expect(r"^facet: ledger gpu 0 minute \d+ head ([0-9a-f]{64})", 130, since=0)
    said = facetctl(console, "ledger")
    assert "the chain is whole" in said
    said = facetctl(console, "ledger", "--since", logged[1])
    assert "the chain is whole" in said
    assert "no record has the hash" in facetctl(console, "ledger", "--since", "0" * 64, status=1)

# SPDX-License-Identifier: Apache-2.0
"""What is read and written: the text of a trace, the ledger, the picture, Prometheus's format."""

import copy
import random
import re
import shutil
import subprocess
import urllib.error
import urllib.request
import xml.etree.ElementTree
from threading import Thread

import pytest
from facetlib import ledger, prom, svg, top, trace
from facetlib.trace import Class, Dump, Policy
from figures import STATS
from figures import ledger as ledger_lines
from story import MS, Fair, Story


def story(count=2, until=40 * MS):
    told = Story()
    for vgpu in range(count):
        told.give(vgpu, weight=100 * (vgpu + 1))
    told.run(Fair({v: 100 * (v + 1) for v in range(count)}), lambda _: MS // 2, until)
    return told.dump(lost=0)


# ---- traces ----


def test_a_dump_is_read_as_it_was_written():
    dump = story()
    assert trace.parse(trace.write(dump)) == [dump]


def test_other_lines_do_not_matter():
    dump, chance = story(), random.Random(1)
    lines = []
    for line in trace.write(dump).splitlines():
        lines.append(line)
        lines += chance.choice([[], ["alpha| trace end crc32 00000000"], ["facet: warning: x", ""]])
    assert trace.parse("\r\n".join(["facet> trace dump", *lines, "facet> "])) == [dump]


def test_dumps_of_several_gpus_follow_each_other():
    dumps = [story(), Dump(1, 5, story().records[:20])]
    assert trace.parse("".join(map(trace.write, dumps))) == dumps


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text.replace("crc32 ", "crc32 0")[:-2] + "\n",
        lambda text: re.sub(r"crc32 .*", "crc32 00000000", text),
        lambda text: re.sub(r"records (\d+)", "records 1", text),
        lambda text: text.replace("version 1", "version 2"),
        lambda text: text[: len(text) // 2],
        lambda text: "\n".join(text.splitlines()[:5] + text.splitlines()[6:]),
        lambda text: re.sub(r"trace end.*", "trace end, cut short", text),
        lambda text: text + text.splitlines()[0],
        lambda text: "nothing was traced",
    ],
)
def test_a_damaged_dump_is_not_believed(spoil):
    with pytest.raises(trace.TraceError):
        trace.parse(spoil(trace.write(story())))


# ---- the ledger ----


def test_a_whole_chain_is_believed():
    chains = ledger.read(ledger_lines() + ledger_lines(gpu=1))
    assert [len(chains[gpu]) for gpu in (0, 1)] == [3, 3]
    assert chains[0][0].guests == [("alpha", 2000), ("prev", 1000)]


@pytest.mark.parametrize(
    "old, new",
    [
        ("busy 3000", "busy 3001"),
        ("alpha 2000", "alpha 1999"),
        ("alpha 2000 prev 1000", "alpha 1000 prev 2000"),
        ("minute 2", "minute 4"),
        ("records 3", "records 2"),
        ("ledger gpu 0 minute 2", "ledger gpu 1 minute 2"),
        ("start 0", "start 1"),
    ],
)
def test_an_edit_shows(old, new):
    text = "\n".join(ledger_lines())
    assert old in text
    with pytest.raises(ledger.LedgerError):
        ledger.read(text.replace(old, new, 1).splitlines())


@pytest.mark.parametrize(
    "old, new",
    [
        ("minute 3 start 120000001234", "minute 3 start 120000001235"),
        ("busy 3000", "busy 3001"),
        ("minute 2", "minute 9"),
        ("start 0", "start 99000000000"),
    ],
)
def test_a_record_that_is_hashed_as_it_is_must_be_right_too(old, new):
    lines = ledger_lines(forge=lambda record: record.replace(old, new))
    assert any(new in line for line in lines)
    with pytest.raises(ledger.LedgerError):
        ledger.read(lines)


def test_the_last_record_is_held_against_its_head():
    lines = ledger_lines(1)
    with pytest.raises(ledger.LedgerError, match="its hash is"):
        ledger.read([lines[0].replace("minute 1", "minute 2"), *lines[1:]])


def test_another_chain_before_the_last_record_shows():
    other = ledger_lines(2, forge=lambda record: record.replace("alpha", "omega"))
    with pytest.raises(ledger.LedgerError, match="is another"):
        ledger.read(other[:4] + ledger_lines()[4:])


def test_a_record_taken_out_shows():
    lines = ledger_lines()
    with pytest.raises(ledger.LedgerError):
        ledger.read(lines[:2] + lines[4:-1] + ["ledger end gpu 0 records 2"])


def test_a_chain_made_anew_shows_to_whoever_holds_a_head():
    chains = ledger.read(ledger_lines())
    head = chains[0][1].head
    assert [e.minute for e in ledger.since(chains, head)[0]] == [3]
    forged = ledger.read(
        [
            line.replace("alpha", "omega") if "minute" not in line else line
            for line in ledger_lines(2)
        ]
    )
    assert ledger.since(forged, head)[0] == []
    with pytest.raises(ledger.LedgerError):
        ledger.since(ledger.read(ledger_lines(1)), head)


def test_the_first_that_is_left_may_follow_the_head():
    chains = ledger.read(ledger_lines())
    head = chains[0][0].head
    chains[0] = chains[0][1:]
    assert len(ledger.since(chains, head)[0]) == 2


# ---- the picture ----


@pytest.mark.parametrize("count", [1, 2, 5, 16])
def test_the_picture_is_well_formed_and_has_each_vgpu(count):
    text = svg.draw(story(count), {0: "<alpha> & co"})
    tree = xml.etree.ElementTree.fromstring(text)
    words = [node.text for node in tree.iter() if node.tag.endswith("text")]
    assert "<alpha> & co" in words
    for vgpu in range(1, count):
        assert f"vGPU {vgpu}" in words
    assert "script" not in text
    assert all(f"weight {100 * (vgpu + 1)}" in words for vgpu in range(count))


def test_the_same_trace_gives_the_same_picture():
    assert svg.draw(story()) == svg.draw(story())


def test_the_engine_is_drawn_where_it_was_had():
    told = Story()
    told.give(0)
    told.enqueue(0, 2)
    told.pick(0)
    told.wait(10 * MS)
    told.complete()
    told.wait(10 * MS)
    told.hold(0)
    text = svg.draw(told.dump())
    half = svg.LEFT + (svg.WIDTH - svg.LEFT - svg.RIGHT) / 2
    assert re.search(rf'fill-opacity="1" d="M{svg.LEFT}\.00 \d+h{half - svg.LEFT:.2f}v', text)
    assert "50.0 % of the engine" in text


def test_a_part_of_the_trace_can_be_drawn():
    text = svg.draw(story(), begin_ms=10, end_ms=20)
    assert ">10</text>" in text and ">20</text>" in text and ">30</text>" not in text


def test_a_trace_of_nothing_has_a_picture():
    told = Story(policy=Policy.FIXED)
    assert "fixed" in svg.draw(told.dump())


def test_jobs_from_before_the_trace_do_not_spoil_it():
    dump = story()
    lost = Dump(0, 30, dump.records[30:])
    xml.etree.ElementTree.fromstring(svg.draw(lost))
    told = Story()
    told.give(0, reserve=100, cap=500, latency_ns=50 * MS)
    told.enqueue(0)
    told.pick(0, Class.RESERVE)
    assert "reserve 10 %, cap 50 %, within 50.000 ms" in svg.draw(told.dump())


# ---- Prometheus ----


def samples(text):
    found = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            name, value = line.rsplit(" ", 1)
            assert name not in found, name
            found[name] = float(value)
    return found


def test_figures_have_base_units_and_labels():
    found = samples(prom.metrics(STATS))
    assert found['facet_vgpu_engine_seconds_total{gpu="0",guest="alpha"}'] == 1.5
    assert found['facet_vgpu_reserve_ratio{gpu="0",guest="alpha"}'] == 0.2
    assert found['facet_vgpu_held{gpu="0",guest="beta"}'] == 1
    assert found['facet_vgpu_state{gpu="0",guest="beta",state="frozen"}'] == 1
    assert found['facet_vgpu_state{gpu="0",guest="beta",state="run"}'] == 0
    assert found['facet_guest_exits_total{guest="alpha",reason="mmio"}'] == 20
    assert found['facet_gpu_info{gpu="0",family="virtio-gpu",policy="fair"}'] == 1
    key = 'facet_vgpu_recent_wait_seconds{gpu="0",guest="alpha",percentile="99"}'
    assert found[key] == 0.008
    assert found["facet_uptime_seconds"] == 12.5
    assert found['facet_vgpu_memory_used_bytes{gpu="1",guest="gamma"}'] == 1


def test_names_follow_the_conventions():
    text = prom.metrics(STATS)
    types = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))
    helped = re.findall(r"^# HELP (\S+) \S", text, re.MULTILINE)
    assert sorted(types) == sorted(helped) and len(helped) == len(set(helped))
    for name, kind in types.items():
        assert name.startswith("facet_")
        assert (kind == "counter") == name.endswith("_total"), name
        assert not re.search(r"_(ns|ms|us|kib|mib)(_|$)", name)


def test_what_figures_there_are_not_is_left_out():
    assert "facet_vgpu_recent_turnaround_seconds{" in prom.metrics(STATS)
    assert 'turnaround_seconds{gpu="0",guest="alpha",percentile="99"}' not in prom.metrics(STATS)


def test_label_values_are_escaped():
    stats = copy.deepcopy(STATS)
    stats["guests"][0]["name"] = 'a"b\\c\nd'
    assert r'guest="a\"b\\c\nd"' in prom.metrics(stats)


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed")
def test_promtool_finds_nothing_to_say():
    done = subprocess.run(
        ["promtool", "check", "metrics"],
        input=prom.metrics(STATS).encode(),
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0 and not done.stdout + done.stderr


@pytest.mark.parametrize("listen", ["0.0.0.0:0", "[::]:0", "192.168.0.1:9757"])
def test_only_this_computer_is_served(listen):
    with pytest.raises(ValueError):
        prom.make_server(listen, lambda: "")


def test_the_server_gives_out_the_page_and_the_reason_why_not():
    pages = iter(["page\n"])
    server = prom.make_server("127.0.0.1:0", lambda: next(pages))
    Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        with urllib.request.urlopen(f"{url}/metrics", timeout=5) as answer:
            assert answer.read() == b"page\n"
            assert answer.headers["Content-Type"] == prom.CONTENT_TYPE
        for path, status in (("/metrics", 503), ("/", 404)):
            with pytest.raises(urllib.error.HTTPError) as error:
                urllib.request.urlopen(url + path, timeout=5)
            assert error.value.code == status
    finally:
        server.shutdown()
        server.server_close()


# ---- top ----


def test_the_table_fits_80_columns():
    lines = top.table(STATS)
    assert max(map(len, lines)) <= 80
    alpha = next(line for line in lines if line.startswith("alpha"))
    assert " 80% ========.." in alpha and " 75% ########.." in alpha and "1200us/8000us" in alpha
    assert any(line.startswith("beta") and line.endswith("frozen") for line in lines)
    assert any(line.startswith("gamma") for line in lines)


def test_fixed_and_equal_ask_for_equal_parts():
    stats = copy.deepcopy(STATS)
    gpu = stats["gpus"][0]
    gpu["policy"] = "fixed"
    assert top.asked(gpu, gpu["vgpus"][0]) == 0.5
    gpu["policy"] = "equal"
    assert top.asked(gpu, gpu["vgpus"][0]) == pytest.approx(0.6)

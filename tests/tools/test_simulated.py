# SPDX-License-Identifier: Apache-2.0
"""The checker on schedules of the hypervisor's own scheduler object, out of its simulation.

Seeds are chosen so that there is something of everything: reserves, caps, bounds, slots, policies
changed while jobs run, jobs that overtake, completions found together, vGPUs that come and go.
"""

import os
import subprocess

import pytest
from conftest import ROOT
from facetlib import check, trace
from story import begun_at

BUILD = os.environ.get("BUILD") or os.path.join(ROOT, "build")
SIMULATION = os.path.join(BUILD, "model/gpu_sched_sim")
SEEDS = (1, 3, 4, 6, 7, 10, 11, 15, 22, 39, 55, 79, 87, 95)
RULES = {
    "records",
    "jobs",
    "fifo",
    "depth",
    "charge",
    "order",
    "lag",
    "newcomer",
    "wait",
    "latency",
    "reserve",
    "cap",
    "debt",
    "conserving",
    "slots",
    "fences",
}

pytestmark = pytest.mark.skipif(
    not os.path.exists(SIMULATION), reason="the simulation is not built: make check-tools does that"
)


@pytest.fixture(scope="module", name="dumps")
def fixture_dumps(tmp_path_factory):
    folder, dumps = tmp_path_factory.mktemp("traces"), {}
    for seed in SEEDS:
        path = folder / f"{seed}.trace"
        environment = {**os.environ, "FACET_SEED": str(seed), "FACET_TRACE": str(path)}
        subprocess.run([SIMULATION], env=environment, check=True, stdout=subprocess.DEVNULL)
        (dumps[seed],) = trace.parse(path.read_text())
    return dumps


@pytest.mark.parametrize("seed", SEEDS)
def test_the_scheduler_keeps_its_promises(dumps, seed):
    verdict = check.check(dumps[seed], slack_ns=0)
    assert verdict.ok(), "\n".join(verdict.lines())


def test_every_rule_has_been_checked(dumps):
    checked = {rule.name for d in dumps.values() for rule in check.check(d).rules if rule.checked}
    assert checked == RULES


@pytest.mark.parametrize("seed", (3, 11, 22))
def test_traces_that_begin_in_the_middle_are_right_too(dumps, seed):
    dump = dumps[seed]
    verdict = check.check(begun_at(dump, len(dump.records) // 3), slack_ns=0)
    assert verdict.ok(), "\n".join(verdict.lines())

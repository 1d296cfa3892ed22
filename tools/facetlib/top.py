# SPDX-License-Identifier: Apache-2.0
"""`facetctl top`: a table of all vGPUs out of `stats json`, for a terminal of 80 columns."""

BAR = 10
CLEAR = "\x1b[H\x1b[J"


def _bar(part, mark):
    filled = min(BAR, int(part * BAR + 0.5))
    return mark * filled + "." * (BAR - filled)


def _time(ns):
    """Five characters at the most."""
    for limit, size, unit in (
        (10**4, 1, "ns"),
        (10**7, 10**3, "us"),
        (10**10, 10**6, "ms"),
    ):
        if ns < limit:
            return f"{ns // size}{unit}" if ns else "-"
    return f"{min(ns // 10**9, 9999)}s"


def _bytes(count):
    for unit in "KMG":
        count = -(-count // 1024)
        if count < 1000:
            return f"{count}{unit}"
    return f"{-(-count // 1024)}T"


def asked(gpu, vgpu):
    """The part of the engine that a vGPU is entitled to while all want it."""
    vgpus = gpu["vgpus"]
    if gpu["policy"] == "fixed":
        return 1 / len(vgpus)
    weights = sum(v["weight"] for v in vgpus)
    share = 1 / len(vgpus) if gpu["policy"] == "equal" else vgpu["weight"] / weights
    left = 1000 - sum(v["reserve"] for v in vgpus)
    return min(vgpu["reserve"] + left * share, vgpu["cap"]) / 1000


def _row(gpu, vgpu):
    want, had = asked(gpu, vgpu), vgpu["engine_ns_1s"] / 1e9
    waits = f"{_time(vgpu['wait_p50_ns'])}/{_time(vgpu['wait_p99_ns'])}"
    memory = f"{_bytes(vgpu['memory_used'])}/{_bytes(vgpu['memory_allowed'])}"
    return (
        f"{vgpu['name'][:11]:<11} {want:>4.0%} {_bar(want, '=')} {min(had, 1):>4.0%} "
        f"{_bar(had, '#')} {vgpu['queued'] + vgpu['in_flight']:>3} {waits:>11} {memory:>9} "
        f"{vgpu['state'][:7]}"
    ).rstrip()


def _gpu(gpu):
    if "policy" not in gpu:
        yield f"gpu {gpu['gpu']}  {gpu['family']}  no engine"
        for vgpu in gpu["vgpus"]:
            memory = f"{_bytes(vgpu['memory_used'])}/{_bytes(vgpu['memory_allowed'])}"
            yield f"{vgpu['name'][:11]:<11} {memory:>9} {vgpu['state']}"
        return
    yield (
        f"gpu {gpu['gpu']}  {gpu['family']}  {gpu['policy']}  slice {_time(gpu['slice_ns'])}"
        f"  busy {gpu['busy_ns'] // 10**6} ms" + ("  given up" if gpu["given_up"] else "")
    )
    yield (
        f"{'guest':<11} {'asked':<15} {'had in 1 s':<15} {'out':>3} {'wait 50/99':>11} "
        f"{'memory':>9} state"
    )
    for vgpu in gpu["vgpus"]:
        yield _row(gpu, vgpu)


def table(stats):
    """The lines of the table."""
    lines = [f"facet  up {stats['uptime_ns'] // 10**9} s"]
    for gpu in stats.get("gpus", ()):
        lines += ["", *_gpu(gpu)]
    return lines

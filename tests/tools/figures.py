# SPDX-License-Identifier: Apache-2.0
"""What `stats json` and `gpu ledger` print, for tests."""

import hashlib

VGPU = {
    "name": "alpha",
    "weight": 300,
    "scanout": 0,
    "state": "run",
    "engine_ns": 1500000000,
    "engine_ns_1s": 750000000,
    "jobs": 1000,
    "queued": 3,
    "in_flight": 2,
    "wait_ns": 2500000000,
    "wait_max_ns": 9000000,
    "overruns": 1,
    "overrun_ns": 2000000,
    "reserve": 200,
    "cap": 900,
    "latency_ns": 20000000,
    "queue_limit": 64,
    "timeout_ns": 2000000000,
    "debt_ns": 1000000,
    "doorbell_limit": 0,
    "reset_limit": 100,
    "refused_limit": 10000,
    "interrupt_limit": 100000,
    "held": False,
    "guard": "free",
    "slowed": 0,
    "storms": 0,
    "interrupts": 2000,
    "wait_p50_ns": 1200000,
    "wait_p99_ns": 8000000,
    "turn_p50_ns": 2200000,
    "turn_p99_ns": 0,
    "memory_used": 3145728,
    "memory_allowed": 67108864,
    "resources": 7,
    "commands": 4000,
    "refused": 0,
    "resets": 0,
    "hangs": 0,
    "doorbells": 1001,
}
STATS = {
    "uptime_ns": 12500000000,
    "cpus": 3,
    "boot_instructions": 1,
    "hypervisor_bytes": 4096,
    "image_bytes": 4096,
    "pool_bytes": 4096,
    "files_bytes": 4096,
    "guest_bytes": 8192,
    "guest_free_bytes": 0,
    "guests": [
        {
            "name": "alpha",
            "state": "running",
            "vcpus": 1,
            "memory": 268435456,
            "cpu_ns": 2000000000,
            "steal_ns": 1000,
            "exits": {"interrupt": 10, "mmio": 20},
        }
    ],
    "gpus": [
        {
            "gpu": 0,
            "family": "virtio-gpu",
            "scanouts": 4,
            "busy_ns": 2000000000,
            "jobs_submitted": 1502,
            "jobs_completed": 1500,
            "device_resets": 0,
            "given_up": False,
            "policy": "fair",
            "slice_ns": 2000000,
            "depth": 2,
            "decisions": 1502,
            "trace_records": -1,
            "trace_lost": 0,
            "ledger_minute": 0,
            "vgpus": [
                VGPU,
                {
                    **VGPU,
                    "name": "beta",
                    "weight": 100,
                    "reserve": 0,
                    "cap": 1000,
                    "held": True,
                    "state": "frozen",
                    "engine_ns_1s": 250000000,
                },
            ],
        },
        {
            "gpu": 1,
            "family": "vbe",
            "scanouts": 1,
            "focus_ticks": 1,
            "focus_ticks_max": 2,
            "vgpus": [
                {
                    "name": "gamma",
                    "weight": 100,
                    "scanout": 0,
                    "state": "run",
                    "scanout_path": "copy",
                    "memory_used": 1,
                    "memory_allowed": 2,
                    "resources": 0,
                    "commands": 0,
                    "refused": 0,
                    "resets": 0,
                    "hangs": 0,
                    "doorbells": 0,
                }
            ],
        },
    ],
}


def ledger(minutes=3, gpu=0, forge=lambda record: record):
    """A ledger as the console prints it; `forge` changes records before they are hashed."""
    lines, prev, start = [], "0" * 64, 0
    for minute in range(1, minutes + 1):
        end = minute * 60_000_000_000 + 1234
        record = (
            f"ledger gpu {gpu} minute {minute} start {start} end {end} busy 3000 "
            f"alpha 2000 prev 1000 prev {prev}"
        )
        record = forge(record)
        prev, start = hashlib.sha256(record.encode()).hexdigest(), end
        lines += [record, f"ledger head {prev}"]
    return [*lines, f"ledger end gpu {gpu} records {minutes}"]

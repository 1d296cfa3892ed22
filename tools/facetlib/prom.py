# SPDX-License-Identifier: Apache-2.0
"""Facet's figures in Prometheus's text format 0.0.4, and the server that gives them out."""

import http.server
import ipaddress

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

NS = 1e-9
STATES = ("stopped", "starting", "running", "paused", "stopping")
VGPU_STATES = ("idle", "run", "reset", "broken", "hung", "rebuild", "frozen", "slowed", "off")

# (member of `stats json`, metric, type, factor, help)
HOST = (
    ("uptime_ns", "facet_uptime_seconds", "gauge", NS, "Time since Facet started."),
    ("cpus", "facet_cpus", "gauge", 1, "Processors of the host."),
    ("hypervisor_bytes", "facet_hypervisor_bytes", "gauge", 1, "Memory of Facet itself."),
    ("guest_bytes", "facet_guests_memory_bytes", "gauge", 1, "Memory set aside for guests."),
    ("guest_free_bytes", "facet_guests_free_bytes", "gauge", 1, "That no guest has now."),
)
GUEST = (
    ("vcpus", "facet_guest_vcpus", "gauge", 1, "Virtual processors."),
    ("memory", "facet_guest_memory_bytes", "gauge", 1, "Memory of the guest."),
    ("cpu_ns", "facet_guest_cpu_seconds_total", "counter", NS, "Processor time used."),
    (
        "steal_ns",
        "facet_guest_steal_seconds_total",
        "counter",
        NS,
        "Time in which a vCPU could have run and had no processor.",
    ),
)
GPU = (
    ("busy_ns", "facet_gpu_busy_seconds_total", "counter", NS, "Time with a job in flight."),
    ("jobs_submitted", "facet_gpu_jobs_submitted_total", "counter", 1, "Jobs given to the GPU."),
    ("jobs_completed", "facet_gpu_jobs_completed_total", "counter", 1, "Jobs that came back."),
    ("device_resets", "facet_gpu_device_resets_total", "counter", 1, "Resets of the device."),
    ("given_up", "facet_gpu_given_up", "gauge", 1, "1: Facet no longer uses the GPU."),
    ("slice_ns", "facet_gpu_slice_seconds", "gauge", NS, "How long one job is expected to last."),
    ("depth", "facet_gpu_depth_jobs", "gauge", 1, "Jobs in flight at the most."),
    ("decisions", "facet_gpu_decisions_total", "counter", 1, "Jobs that the scheduler picked."),
    (
        "trace_lost",
        "facet_gpu_trace_lost_records_total",
        "counter",
        1,
        "Trace records overwritten since tracing began.",
    ),
    ("ledger_minute", "facet_gpu_ledger_minute", "gauge", 1, "Minute of the last ledger record."),
)
VGPU = (
    ("weight", "facet_vgpu_weight", "gauge", 1, "Weight in sharing the engine."),
    ("reserve", "facet_vgpu_reserve_ratio", "gauge", 1e-3, "Part of the engine guaranteed."),
    ("cap", "facet_vgpu_cap_ratio", "gauge", 1e-3, "Part of the engine never exceeded."),
    (
        "latency_ns",
        "facet_vgpu_latency_bound_seconds",
        "gauge",
        NS,
        "Bound on queueing within the reserve, 0: none.",
    ),
    ("queue_limit", "facet_vgpu_queue_limit_jobs", "gauge", 1, "Jobs that it may have out."),
    ("timeout_ns", "facet_vgpu_timeout_seconds", "gauge", NS, "When a job counts as hung."),
    ("debt_ns", "facet_vgpu_debt_seconds", "gauge", NS, "Engine time had ahead of its share."),
    ("held", "facet_vgpu_held", "gauge", 1, "1: frozen by the operator or by a guard."),
    ("engine_ns", "facet_vgpu_engine_seconds_total", "counter", NS, "Engine time charged."),
    ("jobs", "facet_vgpu_jobs_total", "counter", 1, "Jobs completed."),
    ("queued", "facet_vgpu_queued_jobs", "gauge", 1, "Jobs that wait."),
    ("in_flight", "facet_vgpu_in_flight_jobs", "gauge", 1, "Jobs that the GPU has."),
    ("wait_ns", "facet_vgpu_wait_seconds_total", "counter", NS, "Time from queue to pick, summed."),
    ("wait_max_ns", "facet_vgpu_longest_wait_seconds", "gauge", NS, "The longest of these ever."),
    ("overruns", "facet_vgpu_overruns_total", "counter", 1, "Jobs longer than the slice."),
    ("overrun_ns", "facet_vgpu_overrun_seconds_total", "counter", NS, "By how much, summed."),
    ("memory_used", "facet_vgpu_memory_used_bytes", "gauge", 1, "GPU memory in use."),
    ("memory_allowed", "facet_vgpu_memory_allowed_bytes", "gauge", 1, "GPU memory allowed."),
    ("resources", "facet_vgpu_resources", "gauge", 1, "Resources of the guest's driver."),
    ("commands", "facet_vgpu_commands_total", "counter", 1, "Commands of the guest's driver."),
    ("refused", "facet_vgpu_refused_commands_total", "counter", 1, "Commands refused."),
    ("resets", "facet_vgpu_resets_total", "counter", 1, "Resets of the virtual GPU."),
    ("hangs", "facet_vgpu_hangs_total", "counter", 1, "Jobs that did not come back in time."),
    ("doorbells", "facet_vgpu_doorbells_total", "counter", 1, "Doorbells rung by the guest."),
    ("interrupts", "facet_vgpu_interrupts_total", "counter", 1, "Interrupts raised to the guest."),
    ("slowed", "facet_vgpu_slowed_total", "counter", 1, "Times that a guard slowed the guest."),
    ("storms", "facet_vgpu_storms_total", "counter", 1, "Times that a guard froze the guest."),
)
PERCENTILES = (
    ("wait", "facet_vgpu_recent_wait_seconds", "From queue to pick, jobs of the last 10 s."),
    ("turn", "facet_vgpu_recent_turnaround_seconds", "From queue to completion, likewise."),
)


def _escape(value):
    return str(value).replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


class Page:
    """Samples by metric, in the order in which metrics first came."""

    def __init__(self):
        self.metrics = {}

    def add(self, name, kind, text, value, **labels):
        _, _, samples = self.metrics.setdefault(name, (kind, text, []))
        inner = ",".join(f'{key}="{_escape(label)}"' for key, label in labels.items())
        samples.append((f"{name}{{{inner}}}" if inner else name, value))

    def members(self, table, figures, **labels):
        for member, name, kind, factor, text in table:
            if member in figures:
                value = int(figures[member])
                self.add(name, kind, text, value if factor == 1 else value * factor, **labels)

    def states(self, name, text, states, now, **labels):
        """One sample for each state, 1 for the present one."""
        for state in states if now in states else (*states, now):
            self.add(name, "gauge", text, int(state == now), **labels, state=state)

    def text(self):
        lines = []
        for name, (kind, text, samples) in self.metrics.items():
            lines += [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]
            lines += [f"{sample} {_number(value)}" for sample, value in samples]
        return "\n".join(lines) + "\n"


def _number(value):
    return str(value) if isinstance(value, int) else f"{value:.9f}".rstrip("0").rstrip(".")


def _vgpu(page, vgpu, **labels):
    page.states(
        "facet_vgpu_state", "State of the virtual GPU.", VGPU_STATES, vgpu["state"], **labels
    )
    page.members(VGPU, vgpu, **labels)
    for member, name, text in PERCENTILES:
        for percentile in (50, 99):
            ns = vgpu.get(f"{member}_p{percentile}_ns")
            if ns:
                page.add(name, "gauge", text, ns * NS, **labels, percentile=percentile)


def metrics(stats):
    """All of `stats json` that is a figure over time, as a page of text."""
    page = Page()
    page.members(HOST, stats)
    for guest in stats.get("guests", ()):
        name = guest["name"]
        page.states("facet_guest_state", "State of the guest.", STATES, guest["state"], guest=name)
        page.members(GUEST, guest, guest=name)
        for reason, count in guest.get("exits", {}).items():
            page.add(
                "facet_guest_exits_total",
                "counter",
                "Exits to Facet.",
                count,
                guest=name,
                reason=reason,
            )
    for gpu in stats.get("gpus", ()):
        number = gpu["gpu"]
        labels = {key: gpu[key] for key in ("family", "policy") if key in gpu}
        page.add("facet_gpu_info", "gauge", "What kind of GPU it is.", 1, gpu=number, **labels)
        page.members(GPU, gpu, gpu=number)
        for vgpu in gpu.get("vgpus", ()):
            _vgpu(page, vgpu, gpu=number, guest=vgpu["name"])
    return page.text()


# ---- the server ----


def loopback(listen):
    """(address, port) of HOST:PORT; ValueError unless that is this computer alone."""
    host, _, port = listen.rpartition(":")
    host = host.strip("[]")
    if host == "localhost":
        host = "127.0.0.1"
    if not ipaddress.ip_address(host).is_loopback:
        raise ValueError(f"{host} can be reached from other computers: only loopback is served")
    return host, int(port)


def make_server(listen, read):
    """Serves read() at /metrics. `read` returns the page, or raises with a reason."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):  # pylint: disable=invalid-name
            if self.path.split("?")[0] != "/metrics":
                self._send(404, "text/plain", "the figures are at /metrics\n")
                return
            try:
                self._send(200, CONTENT_TYPE, read())
            except Exception as error:  # pylint: disable=broad-exception-caught
                # Whatever is wrong with the console, the next scrape may find it well again.
                self._send(503, "text/plain", f"{error}\n")

        def _send(self, status, kind, text):
            data = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_):  # pylint: disable=arguments-differ
            """A scrape each few seconds is no news."""

    # One request after the other: there is one console.
    return http.server.HTTPServer(loopback(listen), Handler)

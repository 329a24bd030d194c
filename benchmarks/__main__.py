"""``python -m benchmarks``: our stack against the kernel, interleaved, in one run.

Root; makes and removes namespaces of its own. Three servers answer the same client
programs: the kernel over a veth, our stack over a veth, our stack over a TAP. Each
repetition runs every workload against each of them in turn, so that what else the
machine does meets all three; the ratio is taken within a repetition.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.interop.lab import Host, Lab

from .memory import idle_connection_bytes
from .workloads import WORKLOADS

UNITS = {
    "ping": "us",
    "udp": "echo/s",
    "tcp_in": "Mbit/s",
    "tcp_out": "Mbit/s",
    "connections": "/s",
}
NAMES = {
    "ping": "ping round trip, median",
    "udp": "UDP echo, 64 B, 32 in flight",
    "tcp_in": "TCP bulk into the server",
    "tcp_out": "TCP bulk out of the server",
    "connections": "TCP connections, one by one",
}
SERVER_IP = "10.77.0.1"
CLIENT_IP = "10.77.0.2"


@dataclass(slots=True)
class Bench:
    """A client's namespace with a server at the other end of its link."""

    name: str
    client: Host

    def run(self, workload: str, seconds: float) -> float:
        said = self.client.run(
            *(sys.executable, "-m", "benchmarks.workloads"),
            *(workload, SERVER_IP, str(seconds)),
            timeout=seconds + 30,
        )
        return float(said)


def client(lab: Lab, label: str) -> Host:
    host = lab.host(label, ipv6=False)
    # the connections of many repetitions wait in TIME-WAIT
    host.sysctl("net.ipv4.ip_local_port_range", "1024 65535")
    return host


def kernel_bench(lab: Lab) -> Bench:
    host, server = client(lab, "client"), lab.host("kernel", ipv6=False)
    lab.cable(host, "eth0", server, "eth0")
    host.ip(f"address add {CLIENT_IP}/24 dev eth0")
    server.ip(f"address add {SERVER_IP}/24 dev eth0")
    process = server.start(sys.executable, "-m", "benchmarks.kernel_server")
    process.expect(b"ready\n")
    return Bench("kernel, veth", host)


def veth_bench(lab: Lab) -> Bench:
    host, ours = client(lab, "client"), lab.host("ours", ipv6=False)
    lab.cable(host, "eth0", ours, "eth0")
    host.ip(f"address add {CLIENT_IP}/24 dev eth0")
    serve(ours, "veth", "eth0")
    return Bench("ours, veth", host)


def tap_bench(lab: Lab) -> Bench:
    host = client(lab, "client")
    serve(host, "tap", "tap0")
    host.ip(f"address add {CLIENT_IP}/24 dev tap0")
    return Bench("ours, TAP", host)


def serve(host: Host, kind: str, interface: str) -> None:
    process = host.start(
        *(sys.executable, "-m", "benchmarks.our_server"),
        *(kind, interface, f"{SERVER_IP}/24"),
    )
    process.expect(b"ready\n")


def spread(values: list[float], digits: int) -> str:
    middle = statistics.median(values)
    return (
        f"{middle:,.{digits}f} ({min(values):,.{digits}f}..{max(values):,.{digits}f})"
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("-n", "--repetitions", type=int, default=5)
    parser.add_argument("-t", "--seconds", type=float, default=0.5)
    parser.add_argument("--connections", type=int, default=10_000)
    parser.add_argument("workload", nargs="*", choices=[[], *WORKLOADS])
    args = parser.parse_args()
    workloads = args.workload or list(WORKLOADS)
    with tempfile.TemporaryDirectory() as folder, Lab(Path(folder)) as lab:
        benches = [kernel_bench(lab), veth_bench(lab), tap_bench(lab)]
        results: dict[tuple[str, str], list[float]] = {}
        for _ in range(args.repetitions):
            for workload in workloads:
                for bench in benches:
                    value = bench.run(workload, args.seconds)
                    results.setdefault((workload, bench.name), []).append(value)
    report(workloads, [bench.name for bench in benches], results, args)
    if not args.workload:
        size = idle_connection_bytes(args.connections)
        print(f"\nmemory per idle connection: {size:,.0f} bytes")


def report(
    workloads: list[str],
    servers: list[str],
    results: dict[tuple[str, str], list[float]],
    args: argparse.Namespace,
) -> None:
    print(
        f"Median (min..max) of {args.repetitions} repetitions of {args.seconds} s; "
        f"ratio to {servers[0]} within each repetition.\n"
    )
    print("| workload | unit |", " | ".join(servers), "|")
    print("|---|---|" + "---|" * len(servers))
    for workload in workloads:
        baseline = results[workload, servers[0]]
        cells = []
        for server in servers:
            values = results[workload, server]
            cell = spread(values, 0 if min(values) > 100 else 1)
            if server != servers[0]:
                ratios = [a / b for a, b in zip(values, baseline, strict=True)]
                cell += "; x " + spread(ratios, 3)
            cells.append(cell)
        print(f"| {NAMES[workload]} | {UNITS[workload]} |", " | ".join(cells), "|")


if __name__ == "__main__":
    main()

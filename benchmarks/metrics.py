"""What is measured, in which unit, and which way is better."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Metric:
    """workload: of `workloads`, which gives this metric."""

    name: str
    workload: str
    unit: str
    less_is_better: bool = False


METRICS = {
    "ping": Metric("ping round trip, median", "ping", "us", True),
    "rr": Metric("TCP request and response, 64 B, median", "rr", "us", True),
    "udp": Metric("UDP echo, 64 B, 32 in flight", "udp", "/s"),
    "tcp_in": Metric("TCP bulk into the server", "tcp_in", "Mbit/s"),
    "tcp_out": Metric("TCP bulk out of the server", "tcp_out", "Mbit/s"),
    "connections": Metric("TCP connections, one at a time", "connections", "/s"),
    "connections50": Metric("TCP connections, 50 at once", "connections50", "/s"),
    "open_memory": Metric(
        "10 000 open connections: memory of each, idle", "open", "B", True
    ),
    "open_cost": Metric(
        "10 000 open connections: round trip of a busy one, against 10 open",
        "open",
        "x",
        True,
    ),
    "open_rate": Metric("10 000 connections opened, each echoed", "open", "/s"),
}

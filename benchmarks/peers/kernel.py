"""The ceiling: two kernels and a veth between them."""

from __future__ import annotations

from pathlib import Path

from tests.interop.lab import Lab

from .base import CLIENT_IP, EVERYTHING, SERVER_IP, Peer, Seat, client, start_module


class Kernel(Peer):
    key = "kernel"
    name = "kernel, veth"
    workloads = EVERYTHING | {"open"}

    def start(self, lab: Lab) -> Seat:
        host, server = client(lab), lab.host("kernel", ipv6=False)
        lab.cable(host, "eth0", server, "eth0")
        host.ip(f"address add {CLIENT_IP}/24 dev eth0")
        server.ip(f"address add {SERVER_IP}/24 dev eth0")
        process = start_module(server, "kernel", "--congestion", self.congestion)
        return Seat(host, SERVER_IP, process, [(host, "eth0"), (server, "eth0")])


class KernelCubic(Kernel):
    """Where cubic is not the default: BBR's pacing holds the kernel back on a link
    without losses, so that the ceiling is a low one."""

    key = "kernel-cubic"
    name = "kernel, veth, cubic"
    options = "TCP_CONGESTION=cubic"
    congestion = "cubic"
    workloads = frozenset(("tcp_in", "tcp_out"))


def default_congestion() -> str:
    return Path("/proc/sys/net/ipv4/tcp_congestion_control").read_text().strip()

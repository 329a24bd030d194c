"""Our stack: on a TAP, on a veth, without offload, spinning, and through asyncio."""

from __future__ import annotations

import importlib.util
import sys

from tests.interop.lab import Lab

from .base import CLIENT_IP, EVERYTHING, SERVER_IP, Peer, Seat, client, on_tap

ADDRESS = f"{SERVER_IP}/24"


class OurTap(Peer):
    key = "tap"
    name = "ours, TAP"
    workloads = EVERYTHING | {"open"}

    arguments: tuple[str, ...] = ()

    def start(self, lab: Lab) -> Seat:
        server = (sys.executable, "-m", "benchmarks.servers.ours", "tap")
        return on_tap(lab, *server, "tap0", ADDRESS, *self.arguments)


class OurVeth(Peer):
    key = "veth"
    name = "ours, AF_PACKET on a veth"

    def start(self, lab: Lab) -> Seat:
        host, ours = client(lab), lab.host("ours", ipv6=False)
        lab.cable(host, "eth0", ours, "eth0")
        host.ip(f"address add {CLIENT_IP}/24 dev eth0")
        server = (sys.executable, "-m", "benchmarks.servers.ours", "veth")
        process = ours.start(*server, "eth0", ADDRESS)
        process.expect(b"ready\n")
        return Seat(host, SERVER_IP, process, [(host, "eth0"), (ours, "eth0")])


class OurPlainTap(OurTap):
    key = "plain"
    name = "ours, plain TAP"
    options = "offload=none"
    arguments = ("--offload", "none")
    workloads = frozenset(("udp", "tcp_in", "tcp_out"))


class OurBusyTap(OurTap):
    key = "busy"
    name = "ours, TAP, busy_poll"
    options = "busy_poll=50us"
    arguments = ("--busy-poll", "50")
    workloads = frozenset(("ping", "rr", "udp", "connections"))


class OurProtocols(Peer):
    key = "asyncio"
    name = "ours, asyncio protocols, TAP"
    workloads = EVERYTHING - {"ping"}  # the stack answers, as on the bare loop

    style = "protocols"

    def start(self, lab: Lab) -> Seat:
        server = (sys.executable, "-m", "benchmarks.servers.asyncio")
        return on_tap(lab, *server, self.style, "tap0", ADDRESS)


class OurStreams(OurProtocols):
    key = "streams"
    name = "ours, asyncio streams, TAP"
    workloads = frozenset(("rr", "tcp_in", "tcp_out", "connections", "connections50"))
    style = "streams"


class OurTrio(Peer):
    key = "trio"
    name = "ours, trio streams, TAP"
    workloads = EVERYTHING - {"ping"}

    def missing(self) -> str | None:
        return None if importlib.util.find_spec("trio") else "trio"

    def start(self, lab: Lab) -> Seat:
        server = (sys.executable, "-m", "benchmarks.servers.trio")
        return on_tap(lab, *server, "tap0", ADDRESS)


class OurTapCubic(OurTap):
    """The client as in `KernelCubic`; ours is cubic anyway."""

    key = "tap-cubic"
    name = "ours, TAP, client cubic"
    options = "client's TCP_CONGESTION=cubic"
    congestion = "cubic"
    ceiling = "kernel-cubic"
    workloads = frozenset(("tcp_in",))

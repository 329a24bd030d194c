"""A Linux host and ours, alike, each asked one odd packet at a time."""

from __future__ import annotations

import ctypes
import os
import pickle
import socket
from collections.abc import Callable, Iterable
from struct import unpack_from
from types import TracebackType
from typing import Self, TypeVar

from sansio_net.addresses import format_ip, format_mac, pack_ip
from sansio_net.packet import Capabilities
from sansio_net.protocols.icmp import IcmpOptions
from sansio_net.stack import Interface, Stack, StackConfig
from sansio_net.units import SECOND
from sansio_net.wire.segment import flatten

from .lab import Host, Lab
from .odd import Answer, Odd
from .odd.tools import (
    GATE4,
    GATE6,
    OUR_MAC,
    PEER4,
    PEER6,
    PEER_LL,
    PEER_MAC,
    TCP_PORT,
    UDP_PORT,
    frame,
    icmp4,
    ip4,
    ip6,
    tcp,
)

CLONE_NEWNET = 0x40000000
SOL_PACKET, PACKET_IGNORE_OUTGOING = 263, 23

SENTINEL4 = bytes((10, 9, 0, 66))
NEIGHBOURS = (
    *(GATE4, PEER4, SENTINEL4, GATE6, PEER6, PEER_LL),
    *map(pack_ip, ("10.9.0.0", "10.9.0.255", "fd09::")),
)
ADDRESSES = ("10.9.0.2/24", "fe80::2/64", "fd09::2/64")

SYSCTLS = {
    "net.ipv4.icmp_ratelimit": 0,
    "net.ipv4.icmp_ratemask": 0,
    "net.ipv4.icmp_msgs_per_sec": 1_000_000,
    "net.ipv4.icmp_msgs_burst": 1_000_000,
    "net.ipv6.icmp.ratelimit": 0,
    "net.ipv6.icmp.ratemask": 127,  # no type that is sent, else redirects suffer
    "net.ipv4.tcp_synack_retries": 0,
    "net.ipv4.tcp_max_syn_backlog": 65536,
    "net.ipv4.tcp_syncookies": 0,
    "net.ipv4.tcp_invalid_ratelimit": 0,
    "net.core.somaxconn": 65535,
    "net.ipv4.ipfrag_time": 1000,
    "net.ipv6.ip6frag_time": 1000,
    "net.ipv4.ipfrag_max_dist": 0,
    "net.ipv4.conf.all.rp_filter": 0,
    "net.ipv4.conf.all.accept_redirects": 0,
    "net.ipv6.conf.all.accept_redirects": 0,
}
INTERFACE_SYSCTLS = {
    "net.ipv4.conf.{}.rp_filter": 0,
    "net.ipv4.conf.{}.accept_redirects": 0,
    "net.ipv6.conf.{}.accept_redirects": 0,
    "net.ipv6.conf.{}.accept_ra": 0,
    "net.ipv6.conf.{}.accept_dad": 0,
    "net.ipv6.conf.{}.dad_transmits": 0,
    "net.ipv6.conf.{}.router_solicitations": 0,
    "net.ipv6.conf.{}.addr_gen_mode": 1,
}

T = TypeVar("T")


def within(host: Host, make: Callable[[], T]) -> T:
    """Call `make` in the host's namespace: sockets stay where they were made."""
    libc = ctypes.CDLL(None, use_errno=True)
    home = os.open("/proc/self/ns/net", os.O_RDONLY)
    there = os.open(f"/run/netns/{host.name}", os.O_RDONLY)
    try:
        assert libc.setns(there, CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
        return make()
    finally:
        assert libc.setns(home, CLONE_NEWNET) == 0
        os.close(home)
        os.close(there)


class Wired:
    """A kernel's namespace, and sockets on the other ends of its cables."""

    def __init__(self, lab: Lab, sysctls: dict[str, int]) -> None:
        self.host = lab.host("kernel")
        self.far = lab.host("wire", ipv6=False)
        self.lab = lab
        self.host.sysctl("net.ipv6.conf.default.addr_gen_mode", 1)
        for name, value in sysctls.items():
            self.host.sysctl(name, value)
        self.opened: list[socket.socket] = []
        self.asked = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for one in self.opened:
            one.close()

    def interface(
        self,
        n: int,
        addresses: Iterable[str],
        neighbours: Iterable[tuple[bytes, bytes]],
        mac: bytes = OUR_MAC,
        mtu: int = 1500,
    ) -> socket.socket:
        """eth`n`, and what is on its link, for ever; the socket at its other end."""
        name, far_name = f"eth{n}", f"wire{n}"
        host = self.host
        self.lab.cable(host, name, self.far, far_name)
        host.ip(f"link set {name} down")
        host.ip(f"link set {name} address {format_mac(mac)} mtu {mtu}")
        for pattern, value in INTERFACE_SYSCTLS.items():
            host.sysctl(pattern.format(name), value)
        host.ip(f"link set {name} up")
        for address in addresses:
            host.ip(
                f"address add {address} brd + dev {name}"
                if "." in address
                else f"address add {address} dev {name}"
            )
        lines = "".join(
            f"neigh add {format_ip(ip)} lladdr {format_mac(mac)} dev {name}"
            " nud permanent\n"
            for ip, mac in neighbours
        )
        host.run("ip", "-batch", "-", stdin=lines.encode())
        made = within(self.far, _packet_socket)
        made.bind((far_name, 0x0003))
        self.opened.append(made)
        return made


class Kernel(Wired):
    """A Linux host."""

    def __init__(self, lab: Lab) -> None:
        super().__init__(lab, SYSCTLS)
        neighbours = [(ip, PEER_MAC) for ip in NEIGHBOURS]
        self.wire = self.interface(0, ADDRESSES, neighbours)
        self.host.ip(f"route add default via {format_ip(GATE4)}")
        self.host.ip(f"-6 route add default via {format_ip(GATE6)} dev eth0")
        self.opened += within(self.host, _open_ports)

    def ask(self, odd: Odd) -> list[Answer]:
        """What it answers until it answers the sentinel that follows; it forgets
        connections that it agreed to."""
        self.asked += 1
        rest = self.asked.to_bytes(4, "big")
        for one in odd.frames:
            self.wire.send(one)
        self.wire.send(frame(ip4(icmp4(8, 0, rest), 1, SENTINEL4)))
        answers = []
        while True:
            answer = self.wire.recv(65536)
            if answer[30:34] == SENTINEL4 and answer[38:42] == rest:
                break
            answers.append((0, answer))
        for _, answer in answers:
            if (reset := _reset(answer)) is not None:
                self.wire.send(reset)
        return answers


def _reset(answer: bytes) -> bytes | None:
    """What ends the connection that a SYN-ACK is of."""
    if answer[12:14] == b"\x08\x00" and answer[23] == 6:
        at, build = 14 + (answer[14] & 15) * 4, ip4
        src, dst = answer[30:34], answer[26:30]
    elif answer[12:14] == b"\x86\xdd" and answer[20] == 6:
        at, build = 54, ip6
        src, dst = answer[38:54], answer[22:38]
    else:
        return None
    if answer[at + 13] & 0x12 != 0x12:
        return None
    sport, dport, _, ack = unpack_from("!HHII", answer, at)
    return frame(build(tcp(dport, sport, 4, src, dst, seq=ack), 6, src, dst))


def _packet_socket() -> socket.socket:
    made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    made.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    made.settimeout(10)
    return made


def _open_ports() -> list[socket.socket]:
    opened = []
    for family in (socket.AF_INET, socket.AF_INET6):
        for kind, port in (
            (socket.SOCK_STREAM, TCP_PORT),
            (socket.SOCK_DGRAM, UDP_PORT),
        ):
            one = socket.socket(family, kind)
            if family == socket.AF_INET6:
                one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            one.bind(("", port))
            if kind == socket.SOCK_STREAM:
                one.listen(65535)
            opened.append(one)
    return opened


class Frozen:
    """Our stack, at rest, and a fresh copy of it for each odd packet."""

    def __init__(self, stack: Stack) -> None:
        self.now = 0
        while (due := stack.next_timeout()) is not None and due < 60 * SECOND:
            self.now = max(self.now, due)
            self._turn(stack, [])
        self.now = 60 * SECOND
        self._turn(stack, [])
        self.frozen = pickle.dumps(stack)

    def ask(self, odd: Odd) -> list[Answer]:
        stack: Stack = pickle.loads(self.frozen)
        answers: list[Answer] = []
        for one in odd.frames:
            answers += self._turn(stack, [one])
        return answers

    def _turn(self, stack: Stack, frames: list[bytes]) -> list[Answer]:
        _lo, *nics = stack.interfaces()
        nics[0].receive(frames, self.now)
        stack.handle_timeout(self.now)
        while stack.events():
            pass
        out: list[Answer] = []
        for n, nic in enumerate(nics):
            while packets := nic.transmit(self.now):
                out += [(n, one) for packet in packets for one in flatten(packet)]
        return out


def add_interface(
    stack: Stack,
    addresses: Iterable[str],
    neighbours: Iterable[tuple[bytes, bytes]],
    mac: bytes = OUR_MAC,
    mtu: int = 1500,
) -> Interface:
    nic = stack.add_interface(
        mac=mac,
        addresses=list(addresses),
        capabilities=Capabilities(mtu=mtu),
        dad=False,
    )
    assert nic.arp is not None
    assert nic.ndp is not None
    for ip, theirs in neighbours:
        (nic.arp if len(ip) == 4 else nic.ndp).add_static(format_ip(ip), theirs)
    return nic


class Ours(Frozen):
    """The same host."""

    def __init__(self) -> None:
        config = StackConfig(icmp=IcmpOptions(limited=False))
        stack = Stack(config, seed=bytes(32))
        add_interface(stack, ADDRESSES, [(ip, PEER_MAC) for ip in NEIGHBOURS])
        stack.add_route("0.0.0.0/0", via=format_ip(GATE4))
        stack.add_route("::/0", via=format_ip(GATE6))
        stack.tcp_listen(("", TCP_PORT))
        stack.udp_bind(("", UDP_PORT))
        super().__init__(stack)

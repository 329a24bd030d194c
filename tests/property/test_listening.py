"""Who gets what: any bindings, against the order that docs/listening.md states."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from sansio_net import Capabilities, Medium, Packet
from sansio_net.addresses import pack_ip
from sansio_net.errors import AddressInUseError
from sansio_net.packet import CSUM_VALID
from sansio_net.protocols.tcp import Listener
from sansio_net.protocols.udp import UdpSocket
from sansio_net.stack import Stack, StackConfig
from sansio_net.stack.upkeep import connection_key
from sansio_net.testing.craft import ip_packet, tcp_packet, udp_packet
from sansio_net.units import SECOND
from sansio_net.wire.tcp import SYN

ADDRESSES = {
    "tun0": ("10.0.0.2", "fd00::2"),
    "tun1": ("10.1.0.2", "fd00:1::2"),
}
OURS = [one for pair in ADDRESSES.values() for one in pair]
FAR = ["198.51.100.7", "2001:db8::7", "203.0.113.9"]


@dataclass(frozen=True)
class Binding:
    host: str
    port: int
    nic: str | None
    transparent: bool

    def fits(self, host: str, port: int, nic: str, is_weak: bool) -> bool:
        if self.nic not in (None, nic) or self.port not in (0, port):
            return False
        is_ours = host in ADDRESSES[nic] or (is_weak and host in OURS)
        if not (is_ours or self.transparent):
            return False
        wildcard = "::" if ":" in host else "0.0.0.0"
        return self.host in ("", wildcard, host)

    def rank(self, host: str) -> tuple[bool, ...]:
        """The order of the page, the best last."""
        return (
            self.port != 0,
            self.nic is not None,
            self.host == host,
            not self.transparent,
            self.host != "",
        )


BINDINGS = st.builds(
    Binding,
    st.sampled_from(["", "", "0.0.0.0", "::", *OURS, *FAR]),
    st.sampled_from([0, 80, 81]),
    st.sampled_from([None, "tun0", "tun1"]),
    st.booleans(),
).filter(lambda one: one.transparent or one.host not in FAR)

PACKETS = st.tuples(
    st.sampled_from([*OURS, *FAR]),
    st.sampled_from([80, 81, 82]),
    st.sampled_from(list(ADDRESSES)),
)


def host_of(config: StackConfig) -> Stack:
    stack = Stack(config, bytes(32))
    for name, addresses in ADDRESSES.items():
        lengths = (24, 64)
        stack.add_interface(
            name,
            addresses=[f"{a}/{n}" for a, n in zip(addresses, lengths, strict=True)],
            capabilities=Capabilities(medium=Medium.IP),
        )
    return stack


def peer_of(host: str, nic: str) -> str:
    return ADDRESSES[nic][":" in host].removesuffix("2") + "9"


@given(
    st.lists(BINDINGS, max_size=12),
    st.lists(PACKETS, min_size=1, max_size=8),
    st.booleans(),
)
def test_the_best_binding_gets_it(
    bindings: list[Binding], packets: list[tuple[str, int, str]], is_weak: bool
) -> None:
    stack = host_of(StackConfig(weak_host=is_weak))
    listeners: dict[Binding, Listener] = {}
    sockets: dict[Binding, UdpSocket] = {}
    for one in bindings:
        nic = stack.interface(one.nic) if one.nic is not None else None
        words = {"nic": nic, "transparent": one.transparent, "any_port": not one.port}
        try:
            listeners[one] = stack.tcp_listen((one.host, one.port), **words)  # type: ignore[arg-type]
            sockets[one] = stack.udp_bind((one.host, one.port), **words)  # type: ignore[arg-type]
        except AddressInUseError:
            assert one in listeners
    for n, (host, port, name) in enumerate(packets):
        fitting = [one for one in listeners if one.fits(host, port, name, is_weak)]
        best = max(fitting, key=lambda one: one.rank(host), default=None)
        peer = peer_of(host, name)
        counts = {one: sock.count for one, sock in sockets.items()}
        nic = stack.interface(name)
        nic.receive(
            [
                tcp_packet((peer, 1000 + n), (host, port), seq=1, flags=SYN),
                udp_packet((peer, 1000 + n), (host, port), b"x"),
            ],
            SECOND + n,
        )
        key = connection_key(pack_ip(host), port, pack_ip(peer), 1000 + n)
        child = stack.connection_table.get(key)
        got = [one for one, sock in sockets.items() if sock.count > counts[one]]
        if best is None:
            assert (child, got) == (None, [])
        else:
            assert child is not None
            assert child.listener is listeners[best]
            assert child.local == (host, port)
            assert got == [best]


@given(
    st.lists(BINDINGS, max_size=6),
    st.lists(
        st.tuples(st.sampled_from([6, 17, 1, 58, 44, 0]), st.binary(max_size=80)),
        max_size=6,
    ),
)
def test_arbitrary_packets_to_any_address(
    bindings: list[Binding], tails: list[tuple[int, bytes]]
) -> None:
    """Never an exception; who answers does it in the name of who was asked."""
    stack = host_of(StackConfig())
    for one in bindings:
        nic = stack.interface(one.nic) if one.nic is not None else None
        words = {"nic": nic, "transparent": one.transparent, "any_port": not one.port}
        try:
            stack.tcp_listen((one.host, one.port), **words)  # type: ignore[arg-type]
            stack.udp_bind((one.host, one.port), **words)  # type: ignore[arg-type]
        except AddressInUseError:
            pass
    nic = stack.interface("tun0")
    for n, (protocol, tail) in enumerate(tails):
        far = FAR[n % 3]
        data = ip_packet(peer_of(far, "tun0"), far, protocol, tail)
        nic.receive([Packet(data, csum=CSUM_VALID)], SECOND + n)
        stack.handle_timeout(SECOND + n)
        stack.events()
        for packet in nic.transmit(SECOND + n):
            head = packet.head
            src = head[12:16] if head[0] >> 4 == 4 else head[8:24]
            assert src == pack_ip(far)

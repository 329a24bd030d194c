"""Any-address sockets: whose packets they take, and in whose name they answer."""

from __future__ import annotations

import copy
import pickle

import pytest

from sansio_net import Capabilities, Medium
from sansio_net.addresses import SocketAddress, pack_ip
from sansio_net.errors import (
    AddressInUseError,
    AddressNotAvailableError,
    ConnectionFailed,
    ConnectionRefused,
    LimitError,
    Unreachable,
)
from sansio_net.protocols.tcp import Connection, Listener
from sansio_net.protocols.tcp.options import TcpOptions
from sansio_net.protocols.udp import UdpError, UdpSocket
from sansio_net.stack import (
    Accepted,
    ConnectionLost,
    EchoReplied,
    Event,
    Interface,
    Stack,
    StackConfig,
    faults,
)
from sansio_net.units import MILLISECOND, SECOND
from sansio_net.wire.icmp import FRAGMENTATION_NEEDED, UNREACHABLE
from sansio_net.wire.segment import flatten
from sansio_net.wire.tcp import ACK, FIN, RST, SYN, parse_tcp

from .bench import (
    MAC,
    PEER,
    US,
    Bench,
    arp_frame,
    ethernet,
    ipv4_packet,
    tcp_packet,
    udp_packet,
)
from .crossroads import Crossroads, on_wire

TUN = Capabilities(medium=Medium.IP)
FAR = {4: "198.51.100.7", 6: "2001:db8::7"}
OTHER = {4: "203.0.113.9", 6: "2001:db8:9::9"}
CLIENT = {4: "10.0.0.1", 6: "fd00::1"}
BOX = {4: "10.0.0.2", 6: "fd00::2"}
FAMILIES = pytest.mark.parametrize("family", [4, 6])


class Vpn:
    """A client whose whole traffic goes into a TUN, and a box at the other end."""

    def __init__(self, config: StackConfig | None = None) -> None:
        self.client = Stack(StackConfig(), bytes(32))
        self.box = Stack(config, bytes([1]) * 32, trace=[])
        self.events: dict[Stack, list[Event]] = {self.client: [], self.box: []}
        self.nics: list[Interface] = []
        for stack, addresses in ((self.client, CLIENT), (self.box, BOX)):
            nic = stack.add_interface(
                "tun0",
                addresses=[f"{addresses[4]}/24", f"{addresses[6]}/64"],
                capabilities=TUN,
            )
            self.nics.append(nic)
        for default in ("0.0.0.0/0", "::/0"):
            self.client.add_route(default, nic=self.nics[0])
        self.now = SECOND
        self.wire: list[tuple[Interface, bytes]] = []

    def settle(self) -> None:
        """Until neither has anything to say."""
        for _ in range(200):
            moved = False
            for stack, nic, other in (
                (self.client, self.nics[0], self.nics[1]),
                (self.box, self.nics[1], self.nics[0]),
            ):
                stack.handle_timeout(self.now)
                while events := stack.events():
                    self.events[stack] += events
                    moved = True
                sent = [f for p in nic.transmit(self.now) for f in flatten(p)]
                self.wire += [(nic, frame) for frame in sent]
                other.receive(sent, self.now)
                moved = moved or bool(sent)
            if not moved:
                return
            self.now += MILLISECOND
        raise AssertionError("never idle")

    def connect(self, host: str, port: int) -> Connection:
        conn = self.client.tcp_connect((host, port))
        self.settle()
        return conn

    def accepted(self) -> list[Connection]:
        events = self.events[self.box]
        return [one.conn for one in events if isinstance(one, Accepted)]

    def lost(self, conn: Connection) -> ConnectionFailed | None:
        for one in self.events[self.client]:
            if isinstance(one, ConnectionLost) and one.conn is conn:
                return one.error
        return None

    def dropped(self, reason: str) -> int:
        return self.box.counters().get(f"drop.{reason}", 0)


def listen(stack: Stack, address: SocketAddress, **words: object) -> Listener:
    return stack.tcp_listen(address, **words)  # type: ignore[arg-type]


# -- TCP


@FAMILIES
def test_every_address_and_every_port(family: int) -> None:
    vpn = Vpn()
    listener = vpn.box.tcp_listen(("", 0), transparent=True, any_port=True)
    assert listener.local == ("", 0)
    asked = [(FAR[family], 80), (FAR[family], 443), (OTHER[family], 80)]
    conns = [vpn.connect(*one) for one in asked]
    assert [one.local for one in vpn.accepted()] == asked
    for conn, accepted in zip(conns, vpn.accepted(), strict=True):
        assert accepted.peer == conn.local
        accepted.send(accepted.local[0].encode())
        conn.send(b"hello")
    vpn.settle()
    for conn, accepted in zip(conns, vpn.accepted(), strict=True):
        assert conn.recv(100) == conn.peer[0].encode()
        assert accepted.recv(100) == b"hello"
        conn.close()
        accepted.close()
    vpn.settle()
    assert vpn.box.connections() == []


def test_the_first_connection_without_a_transparent_listener_goes_nowhere() -> None:
    vpn = Vpn()
    vpn.box.tcp_listen(("", 80))
    vpn.connect(FAR[4], 80)
    vpn.connect(FAR[6], 80)
    assert vpn.accepted() == []
    assert vpn.dropped("not_for_us") == 2


@FAMILIES
def test_every_port_of_our_own_addresses_alone(family: int) -> None:
    vpn = Vpn()
    vpn.box.tcp_listen(("", 0), any_port=True)
    vpn.connect(BOX[family], 1)
    vpn.connect(BOX[family], 65535)
    vpn.connect(FAR[family], 80)
    assert [one.local for one in vpn.accepted()] == [
        (BOX[family], 1),
        (BOX[family], 65535),
    ]
    assert vpn.dropped("not_for_us") == 1


@FAMILIES
def test_a_port_beats_any_port_and_an_address_beats_a_wildcard(family: int) -> None:
    vpn = Vpn()
    wildcard = "0.0.0.0" if family == 4 else "::"
    everything = listen(vpn.box, ("", 0), transparent=True, any_port=True)
    family_any = listen(vpn.box, (wildcard, 0), transparent=True, any_port=True)
    far_any = listen(vpn.box, (FAR[family], 0), transparent=True, any_port=True)
    own_any = listen(vpn.box, ("", 0), any_port=True)
    port = listen(vpn.box, ("", 80), transparent=True)
    far_port = listen(vpn.box, (FAR[family], 80), transparent=True)
    own_port = listen(vpn.box, ("", 80))
    own = listen(vpn.box, (BOX[family], 80))
    bound = listen(vpn.box, ("", 81), transparent=True, nic=vpn.nics[1])
    unbound = listen(vpn.box, (FAR[family], 81), transparent=True)
    order = {
        (BOX[family], 80): [own, own_port, port, own_any, family_any, everything],
        (FAR[family], 80): [far_port, port, far_any, family_any, everything],
        (OTHER[family], 80): [port, family_any, everything],
        (FAR[family], 81): [bound, unbound, far_any, family_any, everything],
    }
    for address, expected in order.items():
        table = vpn.box.socket_table
        packed, found = pack_ip(address[0]), []
        is_foreign = address[0] != BOX[family]
        closed = []
        while True:
            one = table.listener_for(packed, address[1], vpn.nics[1], is_foreign)
            if one is None:
                break
            found.append(one)
            one.closed = True  # out of the way for the next one
            closed.append(one)
        assert found == expected, address
        for one in closed:
            one.closed = False
            if one not in table.listeners.get(one.lport, []):
                table.listeners.setdefault(one.lport, []).append(one)


def test_our_own_address_alone_before_a_transparent_one() -> None:
    for first in (True, False):
        vpn = Vpn()
        bound = {
            transparent: vpn.box.tcp_listen((BOX[4], 80), transparent=transparent)
            for transparent in (first, not first)
        }
        vpn.connect(BOX[4], 80)
        (conn,) = vpn.accepted()
        assert conn.listener is bound[False]


def test_the_broadcast_address_of_another_link_is_no_host() -> None:
    vpn = Vpn()
    vpn.box.add_interface(addresses=["10.9.0.2/24"], capabilities=TUN)
    vpn.box.tcp_listen(("", 0), transparent=True, any_port=True)
    vpn.connect("10.9.0.255", 80)
    assert vpn.accepted() == []
    assert vpn.dropped("not_for_us") == 1
    vpn.connect("10.9.0.2", 80)  # ours, but not here
    vpn.connect("10.9.0.3", 80)
    assert [one.local[0] for one in vpn.accepted()] == ["10.9.0.2", "10.9.0.3"]


@FAMILIES
def test_one_foreign_address(family: int) -> None:
    vpn = Vpn()
    vpn.box.tcp_listen((FAR[family], 80), transparent=True)
    vpn.connect(FAR[family], 80)
    refused = vpn.connect(FAR[family], 81)
    nowhere = vpn.connect(OTHER[family], 80)
    assert [one.local for one in vpn.accepted()] == [(FAR[family], 80)]
    # the address is taken, so its other ports are answered for as well
    assert isinstance(vpn.lost(refused), ConnectionRefused)
    assert vpn.lost(nowhere) is None
    assert vpn.dropped("not_for_us") == 1


@FAMILIES
def test_nobody_there_is_a_reset_or_an_unreachable_from_the_asked(family: int) -> None:
    vpn = Vpn()
    vpn.box.tcp_listen(("", 80), transparent=True)
    conn = vpn.connect(FAR[family], 81)
    assert isinstance(vpn.lost(conn), ConnectionRefused)
    sock = vpn.client.udp_bind(("", 0))
    sock.send_to(b"?", (FAR[family], 53))
    echo = vpn.client.echo_open()
    echo.send_to(OTHER[family], 1, b"ping")
    vpn.settle()
    events = vpn.events[vpn.client]
    (error,) = (one for one in events if isinstance(one, UdpError))
    assert isinstance(error.error, ConnectionRefused)
    assert error.peer == (FAR[family], 53)
    (reply,) = (one for one in events if isinstance(one, EchoReplied))
    assert reply.source == OTHER[family]


def test_one_interface_alone() -> None:
    vpn = Vpn()
    other = vpn.box.add_interface(addresses=["10.9.0.2/24"], capabilities=TUN)
    vpn.box.tcp_listen(("", 0), transparent=True, any_port=True, nic=other)
    vpn.connect(FAR[4], 80)
    assert vpn.accepted() == []
    assert vpn.dropped("not_for_us") == 1
    syn = tcp_packet(9, 80, 1, 0, SYN, src=pack_ip("10.9.0.1"), dst=pack_ip(FAR[4]))
    other.receive([syn], vpn.now)
    (answer,) = other.transmit(vpn.now)
    header = parse_tcp(flatten(answer)[0], 20)
    assert header.flags == SYN | ACK


@FAMILIES
def test_connections_outlive_their_listener_and_time_wait_too(family: int) -> None:
    vpn = Vpn()
    listener = vpn.box.tcp_listen(("", 0), transparent=True, any_port=True)
    conn = vpn.connect(FAR[family], 80)
    (accepted,) = vpn.accepted()
    listener.close()
    conn.send(b"still there?")
    vpn.settle()
    # addresses change meanwhile: its way is looked up again
    vpn.nics[1].add_address("10.5.0.1/24")
    assert accepted.recv(100) == b"still there?"
    accepted.send(b"yes")
    accepted.close()
    vpn.settle()
    assert conn.recv(10) == b"yes"
    conn.close()
    n_wire = len(vpn.wire)
    vpn.settle()
    # our side closed first and waits: a FIN that comes again is acknowledged again
    fin = next(f for nic, f in vpn.wire[n_wire:] if nic is vpn.nics[0])
    size = 20 if family == 4 else 40
    assert parse_tcp(fin, size).flags & FIN
    vpn.now += SECOND
    vpn.nics[1].receive([fin], vpn.now)
    (answer,) = vpn.nics[1].transmit(vpn.now)
    assert parse_tcp(flatten(answer)[0], size).flags == ACK
    # nobody is new there
    vpn.connect(FAR[family], 81)
    assert len(vpn.accepted()) == 1
    assert vpn.dropped("not_for_us") == 1


@FAMILIES
def test_a_path_that_carries_less(family: int) -> None:
    """ICMP errors about what we sent in another's name are ours to hear."""
    vpn = Vpn()
    vpn.box.tcp_listen(("", 0), transparent=True, any_port=True)
    conn = vpn.connect(FAR[family], 80)
    (accepted,) = vpn.accepted()
    accepted.send(bytes(1400))
    vpn.box.handle_timeout(vpn.now)
    (packet,) = vpn.nics[1].transmit(vpn.now)
    (data,) = flatten(packet)
    router = vpn.client  # the client's own ICMP, as a router on the way
    if family == 4:
        rest = (1300).to_bytes(4, "big")
        kind = UNREACHABLE, FRAGMENTATION_NEEDED, data, rest
        router.icmp.report(*kind, pack_ip(CLIENT[4]), False, vpn.now)
    else:
        rest = (1300).to_bytes(4, "big")
        router.icmp6.report(2, 0, data, rest, pack_ip(CLIENT[6]), False, vpn.now)
    faults.pump_icmp(router, vpn.now)
    vpn.settle()
    vpn.now += 300 * MILLISECOND
    vpn.settle()
    assert accepted.mtu == 1300
    assert conn.pending == 1400
    assert vpn.dropped("icmp_not_concerning") == 0


def test_syn_cookies_for_every_address_and_port() -> None:
    vpn = Vpn()
    options = TcpOptions(syn_cookies="always")
    vpn.box.tcp_listen(("", 0), transparent=True, any_port=True, options=options)
    for family in (4, 6):
        for port in (80, 81):
            conn = vpn.connect(FAR[family], port)
            conn.send(b"hello")
    vpn.settle()
    assert [one.local for one in vpn.accepted()] == [
        (FAR[family], port) for family in (4, 6) for port in (80, 81)
    ]
    assert all(one.recv(9) == b"hello" for one in vpn.accepted())
    assert vpn.box.counters()["tcp.syn_cookies_received"] == 4


# -- by hand: bounds, spoofed sources, the link


def tap(**words: object) -> Bench:
    bench = Bench()
    bench.stack.tcp_listen(("", 0), transparent=True, any_port=True, **words)  # type: ignore[arg-type]
    bench.settle()
    assert bench.nic.arp is not None
    bench.nic.arp.add_static("10.0.0.1", "02:00:00:00:00:01")
    return bench


FOREIGN = pack_ip(FAR[4])


def syn(dst: bytes = FOREIGN, dport: int = 80, **words: object) -> bytes:
    return ethernet(tcp_packet(9, dport, 1, 0, SYN, dst=dst, **words))  # type: ignore[arg-type]


def test_half_open_connections_are_bounded_whatever_they_ask_for() -> None:
    options = TcpOptions(max_half_open=4, syn_cookies="off")
    bench = tap(options=options)
    for n in range(10):
        bench.settle(syn(pack_ip(f"198.51.100.{n}"), 80 + n))
    assert len(bench.stack.connections()) == 4
    assert bench.dropped() == {"tcp_half_open_full": 6}


def test_the_backlog_is_one_for_all_addresses_and_ports() -> None:
    vpn = Vpn()
    listener = vpn.box.tcp_listen(("", 0), transparent=True, any_port=True, backlog=2)
    conns = [vpn.client.tcp_connect((FAR[4], 80 + n)) for n in range(4)]
    for _ in range(6):  # the box's events are not drained
        for nic, other in (vpn.nics, vpn.nics[::-1]):
            nic.stack.handle_timeout(vpn.now)
            sent = [f for p in nic.transmit(vpn.now) for f in flatten(p)]
            other.receive(sent, vpn.now)
    assert listener.pending == 2
    assert len(conns) == 4
    assert vpn.dropped("tcp_backlog_full") >= 1


def test_sockets_are_bounded_and_closed_ones_make_room() -> None:
    stack = Stack(StackConfig(max_sockets=8), bytes(32))
    stack.add_interface(addresses=["10.0.0.2/24"], capabilities=TUN)
    keeper = stack.tcp_listen(("", 0), transparent=True, any_port=True)
    for n in range(100):
        stack.tcp_listen(("", 1 + n), transparent=True).close()
        stack.udp_bind((FAR[4], 1 + n), transparent=True).close()
    table = stack.socket_table.transparent
    assert table is not None
    assert len(table) <= 8
    socks = [stack.udp_bind((f"198.51.100.{n}", 5), transparent=True) for n in range(7)]
    with pytest.raises(LimitError):
        stack.udp_bind((FAR[4], 6), transparent=True)
    nic = stack.interface("eth0")
    for one in (*socks, keeper):
        assert table.covers(nic, pack_ip(OTHER[4]))
        one.close()
    assert not table.covers(nic, pack_ip(OTHER[4]))
    stack.handle_timeout(SECOND)
    stack.events()
    nic.transmit(SECOND)
    stack.lo.transmit(SECOND)
    assert len(table) <= 8


@pytest.mark.parametrize(
    ("src", "dst"),
    [
        ("127.0.0.1", FAR[4]),  # loopback never comes from outside
        ("10.0.0.2", FAR[4]),  # nor do we
        ("0.0.0.0", "10.0.0.2"),
        ("224.0.0.1", FAR[4]),
        ("255.255.255.255", FAR[4]),
        ("10.0.0.255", FAR[4]),
    ],
)
def test_spoofed_sources(src: str, dst: str) -> None:
    bench = tap()
    assert bench.settle(syn(pack_ip(dst), src=pack_ip(src))) == []
    assert bench.dropped() == {"ip_bad_source": 1}


@pytest.mark.parametrize(
    "dst", ["127.0.0.1", "0.0.0.0", "240.0.0.1", "255.255.255.255", "10.0.0.255"]
)
def test_destinations_that_are_no_hosts(dst: str) -> None:
    bench = tap()
    assert bench.settle(syn(pack_ip(dst))) == []
    assert sum(bench.dropped().values()) == 1
    assert bench.stack.connections() == []


def test_land_with_a_foreign_address() -> None:
    bench = tap()
    frame = ethernet(tcp_packet(80, 80, 1, 0, SYN, src=FOREIGN, dst=FOREIGN))
    assert bench.settle(frame) == []
    assert bench.dropped() == {"tcp_land": 1}


def test_port_0_is_nobodys() -> None:
    bench = tap()
    (answer,) = bench.settle(syn(dport=0))
    assert parse_tcp(answer, 34).flags & RST
    assert bench.stack.connections() == []


def test_frames_for_others_and_to_all_are_not_taken() -> None:
    bench = tap()
    packet = tcp_packet(9, 80, 1, 0, SYN, dst=FOREIGN)
    other = bytes.fromhex("020000000099")
    assert bench.settle(ethernet(packet, destination=other)) == []
    assert bench.settle(ethernet(packet, destination=b"\xff" * 6)) == []
    assert bench.dropped() == {"other_host": 1, "not_for_us": 1}


def test_nobody_is_told_that_foreign_addresses_are_here() -> None:
    """They have to be routed to us: ARP stays silent."""
    bench = tap()
    bench.stack.udp_bind((FAR[4], 53), transparent=True)
    asked = arp_frame(1, bytes.fromhex("020000000001"), PEER, bytes(6), FOREIGN)
    assert bench.settle(asked) == []
    asked = arp_frame(1, bytes.fromhex("020000000001"), PEER, bytes(6), US)
    assert len(bench.settle(asked)) == 0  # `settle` leaves ARP out
    bench.nic.receive([asked], bench.now)
    (answer,) = bench.nic.transmit(bench.now)
    assert flatten(answer)[0][6:12] == MAC


# -- UDP


@FAMILIES
def test_datagrams_say_where_they_were_going_and_answers_come_from_there(
    family: int,
) -> None:
    vpn = Vpn()
    sock = vpn.box.udp_bind(("", 0), transparent=True, any_port=True)
    client = vpn.client.udp_bind(("", 0))
    asked = [(FAR[family], 53), (FAR[family], 123), (BOX[family], 7)]
    for address in asked:
        client.send_to(b"?", address)
    vpn.settle()
    for address in asked:
        datagram = sock.receive()
        assert datagram is not None
        assert datagram.destination == address
        assert datagram.source[1] == client.local[1]
        sock.send_to(b"!", datagram.source, source=datagram.destination)
    vpn.settle()
    answers = [client.receive() for _ in asked]
    assert [one.source for one in answers if one is not None] == asked


@FAMILIES
def test_a_socket_of_one_conversation(family: int) -> None:
    """As a relay makes it: bound to what was asked for, connected to who asked."""
    vpn = Vpn()
    everything = vpn.box.udp_bind(("", 0), transparent=True, any_port=True)
    client = vpn.client.udp_bind(("", 0))
    client.send_to(b"1", (FAR[family], 53))
    vpn.settle()
    first = everything.receive()
    assert first is not None
    sock = vpn.box.udp_bind(first.destination, peer=first.source, transparent=True)
    assert sock.local == (FAR[family], 53)
    client.send_to(b"2", (FAR[family], 53))
    client.send_to(b"3", (FAR[family], 54))
    vpn.settle()
    second, third = sock.receive(), everything.receive()
    assert second is not None
    assert third is not None
    assert (second.data, third.data) == (b"2", b"3")
    sock.send(b"4")
    sock.close()  # what was taken still leaves
    vpn.settle()
    answer = client.receive()
    assert answer is not None
    assert (answer.data, answer.source) == (b"4", (FAR[family], 53))


def test_sources_that_may_not_be_told() -> None:
    vpn = Vpn()
    plain = vpn.box.udp_bind(("", 5))
    port = vpn.box.udp_bind(("", 6), transparent=True)
    every = vpn.box.udp_bind(("", 0), transparent=True, any_port=True)
    with pytest.raises(AddressNotAvailableError):
        plain.send_to(b"", (CLIENT[4], 9), source=FAR[4])
    with pytest.raises(AddressNotAvailableError):
        port.send_to(b"", (CLIENT[4], 9), source=(FAR[4], 7))
    with pytest.raises(ValueError, match="told from which"):
        every.send_to(b"", (CLIENT[4], 9), source=FAR[4])
    for nobody in ("127.0.0.1", "240.0.0.1"):
        with pytest.raises(AddressNotAvailableError):
            every.send_to(b"", (CLIENT[4], 9), source=(nobody, 7))
    with pytest.raises(AddressNotAvailableError):
        every.send_to(b"", (BOX[4], 9), source=(FAR[4], 7))  # to ourselves
    with pytest.raises(AddressNotAvailableError):
        every.send_to(b"", (CLIENT[4], 9), source=(FAR[6], 7))
    port.send_to(b"", (CLIENT[4], 9), source=FAR[4])
    every.send_to(b"", (CLIENT[4], 9), source=("", 7))  # ours, from port 7


def test_an_error_about_an_answer() -> None:
    vpn = Vpn()
    sock = vpn.box.udp_bind(("", 0), transparent=True, any_port=True)
    for family in (4, 6):
        sock.send_to(b"", (CLIENT[family], 9), source=(FAR[family], 7))
    vpn.settle()
    errors = [one for one in vpn.events[vpn.box] if isinstance(one, UdpError)]
    assert [one.peer for one in errors] == [(CLIENT[4], 9), (CLIENT[6], 9)]


def test_groups_come_to_those_of_the_port_first() -> None:
    bench = Bench()
    every = bench.stack.udp_bind(("", 0), transparent=True, any_port=True)
    one = bench.stack.udp_bind(("", 7))
    all_of_us = b"\xff" * 6
    for port in (7, 8):
        packet = udp_packet(b"x", 9, port, dst=b"\xff" * 4)
        bench.settle(ethernet(packet, destination=all_of_us))
    assert (one.count, every.count) == (1, 1)


# -- misuse, copies


def test_misuse() -> None:
    stack = Stack(StackConfig(), bytes(32))
    stack.add_interface(addresses=["10.0.0.2/24"], capabilities=TUN)
    with pytest.raises(AddressNotAvailableError):
        stack.tcp_listen((FAR[4], 80))
    with pytest.raises(ValueError, match="not both"):
        stack.tcp_listen(("", 80), any_port=True)
    with pytest.raises(ValueError, match="not both"):
        stack.udp_bind(("", 80), any_port=True)
    with pytest.raises(ValueError, match="no one peer"):
        stack.udp_bind(("", 0), any_port=True, peer=(CLIENT[4], 1))
    for address in ("240.0.0.1", "127.0.0.1"):
        words = {"transparent": True}
        if address.startswith("127"):
            stack.tcp_listen((address, 80), **words)  # ours on lo
        else:
            with pytest.raises(AddressNotAvailableError):
                stack.tcp_listen((address, 80), **words)
    for any_port in (False, True):
        port = 0 if any_port else 81
        for transparent in (False, True):
            kind = {"transparent": transparent, "any_port": any_port}
            stack.tcp_listen(("", port), **kind)
            stack.udp_bind(("", port), **kind)
            with pytest.raises(AddressInUseError):
                stack.tcp_listen(("", port), **kind)
            with pytest.raises(AddressInUseError):
                stack.udp_bind(("", port), **kind)


def test_without_a_way_back_the_connection_is_lost() -> None:
    vpn = Vpn()
    vpn.box.tcp_listen(("", 0), transparent=True, any_port=True)
    stranger = pack_ip("192.0.2.1")  # no route of the box leads there
    vpn.nics[1].receive(
        [tcp_packet(9, 80, 1, 0, SYN, src=stranger, dst=FOREIGN)], vpn.now
    )
    assert vpn.nics[1].transmit(vpn.now) == []
    with pytest.raises(Unreachable):
        vpn.box.udp_bind((FAR[4], 5), peer=("192.0.2.1", 5), transparent=True)


def test_a_copy_goes_on() -> None:
    vpn = Vpn()
    vpn.box.tcp_listen(("", 0), transparent=True, any_port=True)
    sock = vpn.box.udp_bind(("", 0), transparent=True, any_port=True)
    vpn.connect(FAR[4], 80)
    for twin in (copy.deepcopy(vpn.box), pickle.loads(pickle.dumps(vpn.box))):
        (conn,) = twin.connections()
        assert conn.local == (FAR[4], 80)
        conn.send(b"x")
        twin_sock = twin.socket(sock.id)
        assert isinstance(twin_sock, UdpSocket)
        twin_sock.send_to(b"", (CLIENT[4], 9), source=(FAR[4], 7))
        twin.handle_timeout(vpn.now)
        assert len(twin.transmit(vpn.now)) == 2


# -- on a router


def test_a_router_takes_what_somebody_wants_and_passes_on_the_rest() -> None:
    town = Crossroads()
    town.stack.tcp_listen(("", 80), transparent=True)
    sock = town.stack.udp_bind(("192.0.2.9", 53), transparent=True)
    src, dst = pack_ip("10.0.0.2"), pack_ip("192.0.2.9")
    words = {"src": src, "dst": dst}
    out = town.send(0, tcp_packet(9, 80, 1, 0, SYN, **words))  # type: ignore[arg-type]
    (answer,) = on_wire(out[0])
    assert parse_tcp(answer, 20).flags == SYN | ACK
    assert out[2] == []
    out = town.send(0, tcp_packet(9, 81, 1, 0, SYN, **words))  # type: ignore[arg-type]
    assert (len(out[0]), len(out[2])) == (0, 1)
    out = town.send(0, udp_packet(b"?", 9, 53, **words))
    assert (out[0], out[2], sock.count) == ([], [], 1)
    out = town.send(0, udp_packet(b"?", 9, 54, **words))
    assert len(out[2]) == 1
    # what we said in its name and is complained of comes to us, other news goes on
    sock.send_to(b"!", ("10.0.0.2", 9), source="192.0.2.9")
    (said,) = on_wire(town.turn()[0])
    for data, taken in ((said, True), (udp_packet(b"", 54, 9, dst, src), False)):
        bench = Stack(StackConfig(), bytes(32))
        bench.icmp.report(3, 3, data, bytes(4), src, False, town.now)
        packet = bench.icmp.emit(town.now)
        assert packet is not None
        (whole,) = flatten(packet)
        frame = town.framed(0, ipv4_packet(whole, 1, src, dst))
        town.nics[0].receive([frame], town.now)
        errors = [one for one in town.stack.events() if isinstance(one, UdpError)]
        assert [one.peer for one in errors] == ([("10.0.0.2", 9)] if taken else [])
        assert (town.turn()[2] == []) is taken

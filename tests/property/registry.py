"""Every machine of the package, and how to drive it. The laws run over `SUBJECTS`.

A class with `receive(self, items, now)` that is neither here nor in `EXEMPT` fails
test_laws.py.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sansio_net import Capabilities, Entropy, Medium, Packet
from sansio_net.addresses import format_ip, pack_ip
from sansio_net.counters import Counters
from sansio_net.errors import ConnectionFailed, LimitError, StateError, WireError
from sansio_net.packet import CSUM_NONE, CSUM_PARTIAL, CSUM_VALID, PacketInfo
from sansio_net.protocols.arp import ArpCache, ArpConfig
from sansio_net.protocols.icmp import EchoSocket
from sansio_net.protocols.raw import (
    FrameOptions,
    FrameSocket,
    RawOptions,
    RawSocket,
)
from sansio_net.protocols.reassembly import Reassembler, ReassemblyConfig
from sansio_net.protocols.tcp import (
    Connection,
    IsnGenerator,
    Listener,
    TcpOptions,
)
from sansio_net.protocols.tcp.listener import MAX_ANSWERS
from sansio_net.protocols.udp import UdpSocket
from sansio_net.stack import Stack, StackConfig
from sansio_net.testing import Link
from sansio_net.testing.craft import (
    ethernet_frame,
    icmp_packet,
    ip_packet,
    tcp_packet,
    tcp_segment,
    udp_packet,
)
from sansio_net.testing.damage import network_start, wreck
from sansio_net.trace import Trace
from sansio_net.units import KIB, MILLISECOND, SECOND
from sansio_net.wire.arp import build_arp
from sansio_net.wire.ethernet import ETHERTYPE_ARP, build_ethernet
from sansio_net.wire.ipv6_extensions import build_options as build_hop_by_hop
from sansio_net.wire.tcp import ACK, FIN, PSH, RST, SYN, parse_tcp
from sansio_net.wire.tcp_options import build_tcp_options

from .driving import Memory, Subject
from .registry_network import (
    TheAutoconfiguration,
    TheBridge,
    TheMembership,
    TheMembership6,
    TheNeighbourDiscovery,
    TheTraceroute,
)

MAC = b"\x02\0\0\0\0\x02"
OTHER_MAC = b"\x02\0\0\0\0\x01"
US, THEM = bytes((10, 0, 0, 2)), bytes((10, 0, 0, 1))
OUR_PORT, THEIR_PORT = 80, 4000

EXEMPT: dict[str, str] = {
    "sansio_net.stack.interface.Interface": "the Stack's receive, per interface",
}

OPTIONS = TcpOptions(
    send_buffer=8 * KIB,
    receive_buffer=8 * KIB,
    reorder_segments=8,
    retries2=4,
    syn_retries=2,
    synack_retries=2,
    fast_open=True,
    keepalive=True,
    keepalive_idle=100 * SECOND,
)

FLAGS = (ACK, ACK, ACK, PSH | ACK, PSH | ACK, SYN, SYN | ACK, FIN | ACK, RST, RST | ACK)


def pick(dice: Entropy, *values: Any) -> Any:
    return values[dice.below(len(values))]


def near(dice: Entropy, number: int) -> int:
    """Mostly the number itself."""
    kind = dice.below(8)
    if kind < 5:
        return number
    if kind < 7:
        return number + dice.below(3000) - 1500
    return dice.below(1 << 32)


def last_segment(memory: Memory, medium: Medium | None) -> tuple[int, int, int, int]:
    """(source port, destination port, their next ack, their next seq) of our latest."""
    for packet in reversed(memory.sent):
        data, start = packet.join(), packet.offset
        if medium is not None:
            ip = network_start(data, medium)
            if ip is None or data[ip] != 0x45 or data[ip + 9] != 6:
                continue
            start = ip + 20
        try:
            header = parse_tcp(data, start, len(data))
        except WireError:
            continue  # a raw socket's
        size = len(data) - start - header.data_offset
        end = header.seq + size + bool(header.flags & (SYN | FIN))
        return header.source_port, header.destination_port, end, header.ack
    return OUR_PORT, THEIR_PORT, 0, 0


def options_bytes(dice: Entropy) -> bytes:
    kind = dice.below(5)
    if kind == 0:
        return dice.bytes(4 * dice.below(11))
    if kind == 4:
        return build_tcp_options(unknown=((34, dice.bytes(8 * dice.below(2))),))
    if kind == 1:
        return build_tcp_options(mss=536 + dice.below(1000), wscale=dice.below(15))
    if kind == 2:
        return build_tcp_options(ts_val=dice.below(1 << 32), ts_ecr=dice.below(1 << 32))
    return b""


def segment_fields(
    memory: Memory, medium: Medium | None, dice: Entropy
) -> dict[str, Any]:
    """A segment that could be the peer's next, or nearly."""
    ours, theirs, ack, seq = last_segment(memory, medium)
    if dice.below(6) == 0:
        ours, theirs = OUR_PORT, THEIR_PORT + dice.below(8)
    return {
        "source": (THEM, theirs),
        "destination": (US, ours),
        "seq": near(dice, seq),
        "ack": near(dice, ack),
        "flags": pick(dice, *FLAGS) if dice.below(10) else dice.below(256),
        "window": pick(dice, 65535, 8192, 100, 0),
        "urgent": pick(dice, 0, 0, 0, 7),
        "options": options_bytes(dice),
        "payload": dice.bytes(pick(dice, 0, 0, 1, 100, 700, 1460)),
    }


def at_tcp_header(fields: dict[str, Any], dice: Entropy) -> Packet:
    segment = tcp_segment(**fields)
    if dice.below(12) == 0:
        segment = wreck(segment, dice)
    info = PacketInfo(fields["source"][0], fields["destination"][0])
    return Packet(segment, info=info)


def connection_verb(conn: Connection, dice: Entropy) -> None:
    """Any verb at any time: what is not allowed raises what the contract says."""
    try:
        match dice.below(16):
            case 0 | 1 | 2 | 3:
                conn.send(bytes(pick(dice, 1, 100, 3000, 20_000)))
            case 4 | 5 | 6 | 7 | 8 | 9:
                conn.recv(1 + dice.below(3000))
            case 10:
                conn.recv_chunks()
            case 11:
                conn.shutdown()
            case 12:
                if dice.below(3) == 0:
                    conn.close()
            case 13:
                if dice.below(6) == 0:
                    conn.abort()
            case 14:
                conn.info()
            case _:
                conn.set(nodelay=bool(dice.below(2)))
    except (StateError, ConnectionFailed):
        pass


def connection_sizes(conn: Connection) -> list[tuple[str, int, int]]:
    """The buffers of one connection; one segment may overshoot the receive buffer."""
    info = conn.info()
    return [
        ("send_queue", info.send_queue, conn.options.send_buffer),
        ("receive_queue", info.receive_queue, conn.options.receive_buffer + 1460),
        ("out_of_order", info.out_of_order, conn.options.receive_buffer + 1460),
    ]


class TheArpCache(Subject):
    cls = ArpCache
    verb_names = (
        *("resolve", "claim", "claim_link_local", "release"),
        *("add_static", "remove", "flush"),
    )

    def make(self, seed: int, trace: Trace | None = None) -> ArpCache:
        cache = ArpCache(
            MAC,
            config=ArpConfig(table_limit=4, reply_limit=3, claim_limit=2),
            entropy=Entropy.of(seed),
            counters=Counters(),
            trace=trace,
        )
        cache.claim(US)
        return cache

    def items(self, machine: Any, memory: Memory, dice: Entropy) -> list[Any]:
        frames = []
        for _ in range(1 + dice.below(4)):
            mac = pick(dice, OTHER_MAC, OTHER_MAC, MAC, bytes(6), b"\x02\0\0\0\0\x09")
            hosts = [bytes((10, 0, 0, 1 + dice.below(8))) for _ in range(2)]
            if machine is not None and machine.link_local and dice.below(4) == 0:
                hosts[0] = machine.link_local
            body = build_arp(
                pick(dice, 1, 1, 2, 2, 9), mac, hosts[0], MAC, pick(dice, US, hosts[1])
            )
            to = pick(dice, MAC, b"\xff" * 6, OTHER_MAC)
            frame = build_ethernet(to, mac, ETHERTYPE_ARP) + body
            if dice.below(8) == 0:
                frame = wreck(frame, dice)
            frames.append(pick(dice, frame, Packet.received(frame)))
        return frames

    def malformed(self) -> list[Any]:
        head = build_ethernet(MAC, OTHER_MAC, ETHERTYPE_ARP)
        body = build_arp(1, OTHER_MAC, THEM, bytes(6), US)
        return [b"", head, head + body[:27], head + b"\xff" + body[1:]]

    def verb(self, machine: Any, memory: Memory, dice: Entropy) -> None:
        ip = bytes((10, 0, 0, 1 + dice.below(8)))
        try:
            match dice.below(10):
                case 0 | 1 | 2:
                    machine.resolve(ip)
                case 8:
                    machine.claim_link_local()
                case 9:
                    machine.release(machine.link_local or ip)
                case 3:
                    machine.claim(ip, probe=bool(dice.below(2)))
                case 4:
                    machine.release(ip)
                case 5:
                    machine.add_static(ip, OTHER_MAC)
                case 6:
                    machine.remove(ip)
                case _:
                    machine.flush()
        except (StateError, LimitError):
            pass

    def counters(self, machine: Any) -> dict[str, int]:
        return dict(machine._counters.as_dict())

    def sizes(self, machine: Any) -> list[tuple[str, int, int]]:
        return [("neighbours", len(machine.neighbours()), 4)]


class TheReassembler(Subject):
    cls = Reassembler
    CONFIG = ReassemblyConfig(max_bytes=16 * KIB, max_datagrams=4, max_fragments=6)

    def make(self, seed: int, trace: Trace | None = None) -> Reassembler:
        return Reassembler(self.CONFIG, counters=Counters(), trace=trace)

    def items(self, machine: Any, memory: Memory, dice: Entropy) -> list[Any]:
        items = []
        for _ in range(1 + dice.below(5)):
            packet = ip_packet(
                THEM,
                US,
                17,
                dice.bytes(pick(dice, 8, 16, 16, 5, 1400)),
                identification=dice.below(6),
                flags=pick(dice, 1, 1, 1, 0),
                fragment_offset=8 * pick(dice, 0, 1, 2, 3, dice.below(8192)),
            )
            if dice.below(10) == 0:
                packet = wreck(packet, dice)
            items.append(pick(dice, packet, Packet(b"x" * 14 + packet, offset=14)))
        return items

    def malformed(self) -> list[Any]:
        whole = ip_packet(THEM, US, 17, bytes(9), flags=1)
        return [b"", whole[:19], whole, b"\x65" + whole[1:], whole[:-8]]

    def counters(self, machine: Any) -> dict[str, int]:
        return dict(machine._counters.as_dict())

    def sizes(self, machine: Any) -> list[tuple[str, int, int]]:
        return [
            ("datagrams", len(machine), self.CONFIG.max_datagrams),
            ("bytes", machine.held_bytes, self.CONFIG.max_bytes),
        ]


TCP_KINDS = (
    "Accepted",
    "Connected",
    "DataReceived",
    "EofReceived",
    "SpaceFreed",
    "Stalled",
    "Closed",
    "ConnectionLost",
)
TCP_VERBS = ("connect", "send", "recv", "recv_chunks", "shutdown", "close", "abort")


class TheConnection(Subject):
    cls = Connection
    verb_names = (*TCP_VERBS, "info", "set")
    source_kinds = TCP_KINDS

    def make(self, seed: int, trace: Trace | None = None) -> Connection:
        conn = Connection(
            US,
            OUR_PORT,
            THEM,
            THEIR_PORT,
            isn=IsnGenerator(Entropy.of(seed)),
            options=OPTIONS,
            counters=Counters(),
            trace=trace,
        )
        conn.connect()
        return conn

    def items(self, machine: Any, memory: Memory, dice: Entropy) -> list[Any]:
        items = []
        for _ in range(1 + dice.below(3)):
            fields = segment_fields(memory, None, dice)
            if dice.below(20):
                fields["source"] = (THEM, THEIR_PORT)
                fields["destination"] = (US, OUR_PORT)
            items.append(at_tcp_header(fields, dice))
        return items

    def malformed(self) -> list[Any]:
        good = tcp_segment((THEM, THEIR_PORT), (US, OUR_PORT), flags=ACK)
        info = PacketInfo(THEM, US)
        bad = [b"", good[:19], good[:12] + b"\x40" + good[13:], good[:-1] + b"\x01"]
        return [Packet(data, info=info) for data in bad]

    def verb(self, machine: Any, memory: Memory, dice: Entropy) -> None:
        connection_verb(machine, dice)

    def counters(self, machine: Any) -> dict[str, int]:
        return dict(machine.counters.as_dict())

    def sizes(self, machine: Any) -> list[tuple[str, int, int]]:
        return connection_sizes(machine)


class TheListener(Subject):
    cls = Listener
    verb_names = ("pause", "resume", "close")
    source_kinds = TCP_KINDS

    def make(self, seed: int, trace: Trace | None = None) -> Listener:
        return Listener(
            US,
            OUR_PORT,
            isn=IsnGenerator(Entropy.of(seed)),
            backlog=3,
            options=replace(OPTIONS, max_half_open=2),
            counters=Counters(),
            trace=trace,
        )

    def items(self, machine: Any, memory: Memory, dice: Entropy) -> list[Any]:
        items = []
        for _ in range(1 + dice.below(4)):
            fields = segment_fields(memory, None, dice)
            if dice.below(3) == 0:
                fields["flags"], fields["ack"] = SYN, 0
                fields["source"] = (THEM, THEIR_PORT + dice.below(8))
            fields["destination"] = (US, OUR_PORT)
            items.append(at_tcp_header(fields, dice))
        return items

    def malformed(self) -> list[Any]:
        return [*TheConnection().malformed(), Packet(bytes(20))]

    def verb(self, machine: Any, memory: Memory, dice: Entropy) -> None:
        match dice.below(8):
            case 0 | 1 | 2:
                machine.pause()
            case 3 | 4 | 5 | 6:
                machine.resume()
            case _:
                if dice.below(20) == 0:
                    machine.close()

    def counters(self, machine: Any) -> dict[str, int]:
        return dict(machine.counters.as_dict())

    def sizes(self, machine: Any) -> list[tuple[str, int, int]]:
        return [
            ("half open", machine.half_open, 2),
            ("waiting", machine.pending, 3),
            ("answers", len(machine._answers), MAX_ANSWERS),
        ]


class TheLink(Subject):
    cls = Link
    verb_names = ("set", "lose", "lose_next", "partition", "heal")
    counts_malformed = False

    def make(self, seed: int, trace: Trace | None = None) -> Link:
        link = Link(
            seed,
            latency="20ms",
            jitter="5ms",
            loss="5%",
            reordering="5%",
            duplication="5%",
            corruption="5%",
            wreckage="5%",
            rate="1mbit",
            queue=5,
            capacity=20,
            reordering_segments=2,
            ecn_threshold=2,
        )
        link.trace = trace
        return link

    def items(self, machine: Any, memory: Memory, dice: Entropy) -> list[Any]:
        items = []
        for _ in range(1 + dice.below(6)):
            packet = udp_packet((THEM, 1), (US, 2), dice.bytes(dice.below(200)))
            items.append((dice.below(2), Packet.received(ethernet_frame(packet))))
        return items

    def wrap(self, data: bytes, packet: Packet) -> list[Any]:
        return [(0, packet), (1, Packet.received(data))]

    def verb(self, machine: Any, memory: Memory, dice: Entropy) -> None:
        end = dice.below(2)
        match dice.below(4):
            case 0:
                machine.partition(end)
            case 1:
                machine.heal()
            case 2:
                machine.lose_next(end, 2)
            case _:
                machine.set(end, latency=dice.below(100 * MILLISECOND))

    def counters(self, machine: Any) -> dict[str, int]:
        counts = [machine.counts(end) for end in (0, 1)]
        return {
            f"{end}.{name}": getattr(counts[end], name)
            for end in (0, 1)
            for name in counts[end].__slots__
        }

    def sizes(self, machine: Any) -> list[tuple[str, int, int]]:
        return [("held", machine.held, 2 * 20)]


class TheStack(Subject):
    cls = Stack
    verb_names = ("tcp_listen", "tcp_connect", "udp_bind", "echo_open", "close")
    source_kinds = (*TCP_KINDS, "UdpReceived", "SocketSpaceFreed")
    MEDIUM = Medium.ETHERNET
    FORWARD = False
    MTUS = (600, 1500)

    def make(self, seed: int, trace: Trace | None = None) -> Stack:
        config = StackConfig(
            tcp=OPTIONS,
            arp=ArpConfig(table_limit=4),
            reassembly=TheReassembler.CONFIG,
            max_connections=8,
            max_time_wait=4,
            max_sockets=8,
            max_hops=8,
            forward=self.FORWARD,
        )
        stack = Stack(config, Entropy.of(seed).bytes(32), trace=trace)
        mac = MAC if self.MEDIUM is Medium.ETHERNET else None
        stack.add_interface(
            mac=mac,
            addresses=["10.0.0.2/24"],
            capabilities=Capabilities(medium=self.MEDIUM),
        )
        stack.add_route("default", via="10.0.0.1")
        options = replace(config.tcp, max_half_open=3)
        stack.tcp_listen(("", OUR_PORT), backlog=3, options=options)
        stack.udp_bind(("", 53))
        return stack

    def framed(self, packet: bytes, dice: Entropy) -> bytes:
        if self.MEDIUM is Medium.IP:
            return packet
        to = pick(dice, MAC, MAC, MAC, MAC, b"\xff" * 6, OTHER_MAC)
        vlan = pick(dice, (), (), (), (0,), (9,))
        return ethernet_frame(packet, source=OTHER_MAC, destination=to, vlan=vlan)

    def packet(self, memory: Memory, dice: Entropy) -> bytes:
        match dice.below(8):
            case 0 | 1 | 2 | 3:
                return tcp_packet(**segment_fields(memory, self.MEDIUM, dice))
            case 4:
                data = dice.bytes(dice.below(100))
                return udp_packet((THEM, 99), (US, pick(dice, 53, 54)), data)
            case 5:
                quoted = b""
                if memory.sent:
                    sent = memory.sent[-1]
                    quoted = sent.join()[sent.offset :][: 20 + dice.below(30)]
                kind = pick(dice, 8, 8, 3, 3, 11, 4, 5, 0)
                return icmp_packet(
                    THEM, US, kind, dice.below(6), rest=dice.bytes(4), body=quoted
                )
            case 6:
                return ip_packet(
                    THEM,
                    US,
                    pick(dice, 17, 6, 1),
                    dice.bytes(16),
                    identification=dice.below(4),
                    flags=pick(dice, 1, 0),
                    fragment_offset=8 * dice.below(4),
                )
            case _:
                return ip_packet(dice.bytes(4), US, dice.below(256), dice.bytes(20))

    def items(self, machine: Any, memory: Memory, dice: Entropy) -> list[Any]:
        items = []
        for _ in range(1 + dice.below(4)):
            if self.MEDIUM is Medium.ETHERNET and dice.below(4) == 0:
                frame = pick(dice, *TheArpCache().items(None, memory, dice))
                frame = frame if isinstance(frame, bytes) else frame.join()
            else:
                frame = self.framed(self.packet(memory, dice), dice)
            if dice.below(10) == 0:
                frame = wreck(frame, dice)
            items.append(pick(dice, frame, Packet.received(frame)))
        return items

    def malformed(self) -> list[Any]:
        whole = tcp_packet((THEM, 1), (US, OUR_PORT), flags=SYN)
        bad = [b"", whole[:19], b"\x99" + whole[1:], whole[:-1] + b"\1"]
        if self.MEDIUM is Medium.IP:
            return list(bad)
        return [b"", *(ethernet_frame(data, destination=MAC) for data in bad[1:])]

    def verb(self, machine: Any, memory: Memory, dice: Entropy) -> None:
        connections = machine.connections()
        sockets = machine.sockets()
        try:
            match dice.below(14):
                case 0 | 1 | 2 | 3 | 4 if connections:
                    connection_verb(pick(dice, *connections), dice)
                case 5:
                    host = f"10.0.0.{1 + dice.below(4)}"
                    machine.tcp_connect((host, THEIR_PORT))
                case 6:
                    machine.udp_bind(("", 0), reuse=bool(dice.below(2)))
                case 7 | 8:
                    sock = pick(dice, *sockets)
                    if isinstance(sock, UdpSocket):
                        sock.send_to(bytes(dice.below(3000)), ("10.0.0.1", 99))
                        sock.receive()
                case 9:
                    sock = pick(dice, *sockets)
                    if isinstance(sock, EchoSocket):
                        sock.send_to("10.0.0.1", 1, b"ping")
                case 10:
                    machine.echo_open()
                case 11:
                    nic = machine.interface("eth0")
                    pick(dice, nic.down, nic.up, nic.up, nic.up)()
                case _:
                    self.administer(machine, dice)
        except (StateError, LimitError, ConnectionFailed):
            pass

    def administer(self, machine: Any, dice: Entropy) -> None:
        """What `ip addr`, `ip link` and `ip route` do."""
        nic = machine.interface("eth0")
        match dice.below(8):
            case 0 | 1:
                nic.add_address("10.0.0.7/24", probe=bool(dice.below(2)))
            case 2:
                nic.remove_address("10.0.0.7")
            case 3:
                nic.set_mtu(pick(dice, *self.MTUS))
            case 4:
                machine.add_route("192.168.0.0/16", via="10.0.0.3")
            case 5:
                machine.remove_route("192.168.0.0/16", via="10.0.0.3")
            case 6:
                nic.carrier(dice.below(4) > 0)
            case _:
                if dice.below(8) == 0:
                    machine.close(5 * SECOND)

    def counters(self, machine: Any) -> dict[str, int]:
        return dict(machine.counters())

    def sizes(self, machine: Any) -> list[tuple[str, int, int]]:
        nic = machine.interface("eth0")
        config = machine.config
        return [
            ("connections", len(machine.connections()), config.max_connections),
            ("time-wait", len(machine.time_wait), config.max_time_wait),
            ("sockets", len(machine.sockets()), config.max_sockets),
            ("hops", len(machine.hops), config.max_hops),
            ("outbox", len(nic.outbox), config.output_queue),
            ("reassembly", machine.reassembler.held_bytes, config.reassembly.max_bytes),
            ("neighbours", len(nic.arp.neighbours()) if nic.arp else 0, 4),
        ]


class TheStackOnTun(TheStack):
    MEDIUM = Medium.IP


class TheStackWithRawSockets(TheStack):
    """And with frame sockets: all that arrives is copied, all that leaves is shown."""

    source_kinds = (
        *TheStack.source_kinds,
        *("RawReceived", "RawError", "RawSpaceFreed"),
        *("FrameReceived", "FrameSpaceFreed"),
    )
    verb_names = (*TheStack.verb_names, "raw_open", "frame_open")
    RAW = RawOptions(receive_datagrams=4, send_datagrams=3, error_limit=2)
    FRAMES = FrameOptions(receive_frames=4, send_frames=3)

    def make(self, seed: int, trace: Trace | None = None) -> Stack:
        stack = super().make(seed, trace)
        stack.config.raw, stack.config.frames = self.RAW, self.FRAMES
        for protocol in (1, 6, 17):
            stack.raw_open(protocol)
        stack.raw_open(1, peer="10.0.0.1", include_header=True)
        stack.frame_open(stack.interface("eth0"), outgoing=bool(seed & 1))
        stack.frame_open(stack.interface("eth0"), 0x0800, flatten=False)
        return stack

    def verb(self, machine: Any, memory: Memory, dice: Entropy) -> None:
        sock = pick(dice, *machine.sockets(), None)
        if not isinstance(sock, RawSocket | FrameSocket):
            super().verb(machine, memory, dice)
            return
        try:
            match dice.below(10):
                case 0:
                    sock.close()
                case 1:
                    machine.raw_open(pick(dice, 1, 6, 17, 89), peer="10.0.0.1")
                case 2:
                    machine.frame_open(machine.interface("eth0"), outgoing=True)
                case 3 | 4 | 5:
                    sock.receive()
                case _ if isinstance(sock, FrameSocket):
                    sock.send(self.framed(self.packet(memory, dice), dice))
                case _:
                    whole = ip_packet(US, THEM, 17, dice.bytes(dice.below(50)))
                    host = pick(dice, "10.0.0.1", "10.0.0.2", "10.0.0.9", "224.0.0.1")
                    sock.send_to(pick(dice, whole, bytes(3000), b""), host)
        except (StateError, LimitError, ConnectionFailed, ValueError):
            pass

    def sizes(self, machine: Any) -> list[tuple[str, int, int]]:
        sockets = machine.sockets()
        raws = [one for one in sockets if isinstance(one, RawSocket)]
        taps = [one for one in sockets if isinstance(one, FrameSocket)]
        return [
            *super().sizes(machine),
            ("raw received", max((one.count for one in raws), default=0), 4),
            ("raw to send", max((len(one._sending) for one in raws), default=0), 3),
            ("raw errors", max((len(one._errors) for one in raws), default=0), 2),
            ("frames received", max((one.count for one in taps), default=0), 4),
            ("frames to send", max((len(one._sending) for one in taps), default=0), 3),
        ]


class TheTunWithRawSockets(TheStackWithRawSockets):
    MEDIUM = Medium.IP


class TheTransparentStack(TheStack):
    """For addresses that are not its own as well, and for every port."""

    FAR = (pack_ip("198.51.100.7"), pack_ip("198.51.100.8"))

    def make(self, seed: int, trace: Trace | None = None) -> Stack:
        stack = super().make(seed, trace)
        options = replace(OPTIONS, max_half_open=3)
        kind = {"transparent": True, "any_port": True}
        stack.tcp_listen(("", 0), backlog=3, options=options, **kind)
        stack.udp_bind(("", 0), **kind)
        return stack

    def asked(self, memory: Memory, dice: Entropy) -> bytes:
        """In whose name it spoke last, or somebody's."""
        for packet in reversed(memory.sent if dice.below(4) else []):
            source = packet.join()[packet.offset :][12:16]
            if source in self.FAR:
                return source
        return bytes(pick(dice, *self.FAR))

    def packet(self, memory: Memory, dice: Entropy) -> bytes:
        host = self.asked(memory, dice)
        match dice.below(8):
            case 0 | 1:
                return super().packet(memory, dice)
            case 2:
                port = pick(dice, 0, 53, 54, 65535)
                return udp_packet((THEM, 99), (host, port), dice.bytes(dice.below(99)))
            case 3:
                kind = pick(dice, 8, 3, 3, 11)
                quoted = memory.sent[-1].join()[14:60] if memory.sent else b""
                return icmp_packet(THEM, host, kind, dice.below(5), body=quoted)
            case _:
                fields = segment_fields(memory, self.MEDIUM, dice)
                fields["destination"] = host, fields["destination"][1]
                return tcp_packet(**fields)

    def verb(self, machine: Any, memory: Memory, dice: Entropy) -> None:
        host = format_ip(pick(dice, *self.FAR))
        sock = pick(dice, *machine.sockets(), None)
        try:
            match dice.below(12):
                case 0:
                    machine.udp_bind(
                        (host, 53), peer=("10.0.0.1", 99), transparent=True
                    )
                case 1:
                    machine.tcp_listen((host, pick(dice, 0, 80)), transparent=True)
                case 2 if sock is not None:
                    sock.close()
                case 3 | 4 if isinstance(sock, UdpSocket):
                    where = host, pick(dice, sock.lport, 53, 0)
                    sock.send_to(b"answer", ("10.0.0.1", 99), source=where)
                case _:
                    super().verb(machine, memory, dice)
        except (StateError, LimitError, ConnectionFailed, OSError, ValueError):
            pass

    def sizes(self, machine: Any) -> list[tuple[str, int, int]]:
        known = machine.socket_table.transparent
        limit = machine.config.max_sockets
        return [*super().sizes(machine), ("transparent", len(known), limit)]


class TheTransparentTun(TheTransparentStack):
    MEDIUM = Medium.IP


class TheRouter(TheStack):
    """One-armed: what comes by eth0 for others leaves by it again."""

    FORWARD = True
    MTUS = (1280, 1500)

    def make(self, seed: int, trace: Trace | None = None) -> Stack:
        stack = super().make(seed, trace)
        nic = stack.interface("eth0")
        nic.add_address("fd00::2/64", probe=False)
        stack.add_route("2001:db8::/32", via="fd00::1", nic=nic)
        return stack

    def packet(self, memory: Memory, dice: Entropy) -> bytes:
        ttl, data = pick(dice, 0, 1, 2, 64), dice.bytes(dice.below(1500))
        match dice.below(6):
            case 0:
                return super().packet(memory, dice)
            case 1:
                to = pick(dice, "2001:db8::1", "fd00::9", "fe80::1", "::", "ff02::1")
                source = pick(dice, "fd00::1", "fd00::5", "2001:db9::1", "fe80::9")
                return udp_packet((source, 1), (to, 2), data, ttl=ttl)
            case 2:
                option = build_hop_by_hop(17, [(dice.below(256), dice.bytes(4))])
                return ip_packet("fd00::1", "2001:db8::1", 0, option + data, ttl=ttl)
            case 3:
                return ip_packet(
                    THEM,
                    "192.168.7.7",
                    pick(dice, 1, 6, 17, 99),
                    data,
                    ttl=ttl,
                    flags=pick(dice, 0, 1, 2, 3),
                    fragment_offset=8 * pick(dice, 0, 0, 100, 8191),
                    options=pick(dice, b"", bytes((7, 7, 4)) + bytes(4), dice.bytes(4)),
                )
            case _:
                to = pick(dice, "192.168.0.1", "10.0.0.9", "10.0.0.255", "8.8.8.8")
                return udp_packet((THEM, 1), (to, 2), data, ttl=ttl)

    def items(self, machine: Any, memory: Memory, dice: Entropy) -> list[Any]:
        items = super().items(machine, memory, dice)
        for item in items:
            if isinstance(item, Packet) and dice.below(2):
                item.gso_size = pick(dice, 0, 1, 100, 1400)
                item.csum = pick(dice, CSUM_NONE, CSUM_VALID, CSUM_PARTIAL)
                item.csum_start = pick(dice, 34, 54, dice.below(2000))
                item.csum_offset = pick(dice, 6, 16, dice.below(100))
        return items


SUBJECTS: tuple[Subject, ...] = (
    TheArpCache(),
    TheNeighbourDiscovery(),
    TheAutoconfiguration(),
    TheMembership(),
    TheMembership6(),
    TheBridge(),
    TheReassembler(),
    TheConnection(),
    TheListener(),
    TheLink(),
    TheStack(),
    TheStackOnTun(),
    TheStackWithRawSockets(),
    TheTunWithRawSockets(),
    TheTransparentStack(),
    TheTransparentTun(),
    TheRouter(),
    TheTraceroute(),
)

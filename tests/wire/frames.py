"""Frames of every kind that a summary knows, from a seed: half of them a bit wrong."""

from __future__ import annotations

from random import Random

from sansio_net.errors import MalformedError
from sansio_net.wire import arp, icmp, ipv4, tcp, udp
from sansio_net.wire.ethernet import (
    ETHERTYPE_ARP,
    ETHERTYPE_IPV4,
    ETHERTYPE_IPV6,
    build_ethernet,
)
from sansio_net.wire.ipv6 import build_ipv6
from sansio_net.wire.tcp_options import build_tcp_options

HOSTS = [bytes((10, 0, 0, n)) for n in (1, 2, 3)]
PORTS = [40000, 40001, 40002]  # of no protocol that tcpdump decodes
OPTION_SIZES = {
    2: 2,
    3: 1,
    4: 0,
    5: 8,
    6: 4,
    7: 4,
    8: 8,
    11: 4,
    12: 4,
    13: 4,
    20: 2,
    28: 2,
}
NOT_COMPARED = (19, 29, 30)  # md5's words depend on the capture; tcp-ao, mptcp
FLAGS = [tcp.SYN, tcp.SYN | tcp.ACK, tcp.ACK, tcp.PSH | tcp.ACK, tcp.FIN | tcp.ACK]


class Frames:
    """`frame()` gives the next one."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)

    def chance(self, percent: int) -> bool:
        return self.random.randrange(100) < percent

    def frame(self) -> bytes:
        random = self.random
        kind = random.randrange(100)
        if kind < 15:
            return self.ethernet(ETHERTYPE_ARP, self.arp())
        if kind < 18:
            return self.ethernet(random.randrange(0x9200, 0xFFFF), random.randbytes(50))
        protocol, data = self.transport()
        if self.chance(5):
            protocol, data = 253, random.randbytes(20)
        if kind < 28 and protocol != ipv4.PROTO_ICMP:
            source, there = bytes(15) + b"\1", b"\xfe\x80" + bytes(13) + b"\2"
            header = build_ipv6(source, there, protocol, len(data))
            return self.ethernet(ETHERTYPE_IPV6, header + data)
        flags = fragment_offset = 0
        if self.chance(10):
            flags = random.choice((0, ipv4.MF, ipv4.DF))
            fragment_offset = random.choice((0, 0, 8, 1480))
        header = ipv4.build_ipv4(
            random.choice(HOSTS),
            random.choice(HOSTS),
            protocol,
            len(data) + 5 * self.chance(3),
            flags=flags,
            fragment_offset=fragment_offset,
            options=b"\x94\x04\0\0" * self.chance(15),
        )
        frame = self.ethernet(ETHERTYPE_IPV4, header + data)
        return frame + bytes(random.choice((0, max(0, 60 - len(frame)))))

    def ethernet(self, ethertype: int, data: bytes) -> bytes:
        macs = b"\2" + self.random.randbytes(5), b"\2" + self.random.randbytes(5)
        vlan = self.random.choice(((), (), (), (), (5,), (5, 6)))
        return build_ethernet(*macs, ethertype, vlan) + data

    def arp(self) -> bytes:
        random = self.random
        op = random.choice((1, 1, 2, 2, 3, 4, 8, 9))
        target = random.choice((bytes(6), random.randbytes(6)))
        packet = arp.build_arp(
            op, random.randbytes(6), random.randbytes(4), target, random.randbytes(4)
        )
        if self.chance(20):
            sizes = bytes((random.choice((6, 0, 8)), random.choice((4, 4, 6))))
            packet = packet[:4] + sizes + packet[6:]
        return packet + bytes(18 * self.chance(50))

    def transport(self) -> tuple[int, bytes]:
        kind = self.random.randrange(3)
        if kind == 0:
            return ipv4.PROTO_TCP, self.tcp()
        if kind == 1:
            return ipv4.PROTO_UDP, self.udp()
        return ipv4.PROTO_ICMP, self.icmp()

    def tcp(self) -> bytes:
        random = self.random
        header = tcp.build_tcp(
            random.choice(PORTS),
            random.choice(PORTS),
            random.choice((0, 5, 2**32 - 3, random.getrandbits(32))),
            random.getrandbits(32),
            random.choice((*FLAGS, random.randrange(256))),
            random.randrange(65536),
            urgent=random.randrange(9),
            options=self.tcp_options(),
        )
        data = header + random.randbytes(random.choice((0, 0, 1, 30)))
        if self.chance(5):
            data = data[:12] + random.randbytes(1) + data[13:]
        return data

    def tcp_options(self) -> bytes:
        random = self.random
        if self.chance(40):
            blocks = ((), (), ((1, 2),), ((3, 4), (5, 2**32 - 1)))
            try:
                return build_tcp_options(
                    mss=random.choice((None, 1460)),
                    wscale=random.choice((None, 7)),
                    sack_permitted=self.chance(50),
                    ts_val=random.choice((None, 5)),
                    ts_ecr=9,
                    sack=random.choice(blocks),
                )
            except MalformedError:
                return b""
        data = b""
        while len(data) < random.randrange(36):
            kind = random.choice((0, 1, *OPTION_SIZES, 34, 254, random.randrange(256)))
            if kind in NOT_COMPARED:
                continue
            if kind < 2:
                data += bytes((kind,))
                continue
            size = OPTION_SIZES.get(kind, 4)
            if self.chance(20):
                size = random.randrange(12)
            value = random.randbytes(size)
            if kind == 254 and size > 1 and self.chance(60):
                value = b"\xf9\x89" + value[2:]
            length = random.randrange(40) if self.chance(5) else size + 2
            data += bytes((kind, length)) + value
        data = data[:40]
        return data + bytes(-len(data) % 4)

    def udp(self) -> bytes:
        random = self.random
        size = random.choice((0, 1, 20, 50))
        said = random.randrange(60000) if self.chance(10) else size
        header = udp.build_udp(random.choice(PORTS), random.choice(PORTS), said)
        if self.chance(5):
            header = header[:4] + bytes((0, random.randrange(12))) + header[6:]
        return header + b"\x11" * size

    def icmp(self) -> bytes:
        random = self.random
        kind = random.choice(
            (0, 8, *[3] * 4, 4, 5, 10, 11, 12, 13, 14, 15, 16, 17, 18, 99)
        )
        protocol, data = self.transport() if self.chance(70) else (253, bytes(8))
        source, there = random.choice(HOSTS), random.choice(HOSTS)
        body = ipv4.build_ipv4(source, there, protocol, len(data)) + data[:8]
        if self.chance(10):
            body = body[: random.randrange(len(body) + 1)]
        rest = random.randbytes(4) if self.chance(80) else bytes(4)
        return icmp.build_icmp(kind, random.choice((0, 1, 2, 3, 4, 9, 17)), rest, body)

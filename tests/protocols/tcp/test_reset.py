"""RFC 9293 3.10.7.1."""

from __future__ import annotations

from sansio_net.entropy import Entropy
from sansio_net.packet import Packet
from sansio_net.protocols.tcp import reset_for
from sansio_net.protocols.tcp.reset import ResetLimit
from sansio_net.units import SECOND
from sansio_net.wire.checksum import pseudo_sum
from sansio_net.wire.tcp import ACK, FIN, RST, SYN, TcpHeader, parse_tcp
from sansio_net.wire.tcp_options import build_tcp_options, parse_tcp_options

from .dialogue import PEER, US


def answer(
    seq: int, ack: int, flags: int, length: int = 0, options: bytes = b""
) -> Packet | None:
    return reset_for(
        seq,
        ack,
        flags,
        length,
        laddr=US,
        lport=80,
        raddr=PEER,
        rport=4000,
        options=options,
    )


def header(packet: Packet | None) -> TcpHeader:
    assert packet is not None
    found = parse_tcp(packet.head)
    assert found.checksum == pseudo_sum(US, PEER, 6, len(packet))
    return found


def test_never_to_a_reset() -> None:
    assert answer(1, 2, RST) is None
    assert answer(1, 2, RST | ACK) is None
    # so two ends never answer each other for ever
    first = header(answer(1, 2, ACK))
    assert answer(first.seq, first.ack, first.flags) is None


def test_to_an_ack() -> None:
    found = header(answer(100, 200, ACK, 50))
    assert (found.seq, found.ack, found.flags) == (200, 0, RST)


def test_without_an_ack_everything_counts() -> None:
    found = header(answer(2**32 - 1, 0, SYN | FIN, 3))
    assert (found.seq, found.ack, found.flags) == (0, 4, RST | ACK)


def test_stamps_are_echoed() -> None:
    stamp = build_tcp_options(ts_val=5, ts_ecr=6)
    options = parse_tcp_options(header(answer(1, 2, ACK, 0, stamp)).options)
    assert (options.ts_val, options.ts_ecr) == (0, 5)  # RFC 7323 5.2
    assert not header(answer(1, 2, ACK, 0, b"\1\1\1\1")).options


def test_so_many_resets_a_second() -> None:
    limit = ResetLimit(100, Entropy.of(1))
    allowed = []
    for second in range(1, 30):
        now = second * SECOND
        allowed.append(sum(limit.allows(now + n) for n in range(300)))
    assert 75 <= min(allowed) < max(allowed) <= 100
    assert len(set(allowed)) > 5

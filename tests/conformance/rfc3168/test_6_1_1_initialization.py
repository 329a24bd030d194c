"""RFC 3168 6.1.1: agreeing on ECN."""

from __future__ import annotations

import pytest

from sansio_net.testing import Script
from sansio_net.testing.craft import tcp_packet
from sansio_net.wire.checksum import update
from sansio_net.wire.tcp import CWR, ECE, SYN
from tests.conformance.peers import MS, SEC, plain
from tests.conformance.requirements import requirement

RFC = "RFC 3168"

NOT_ECT, ECT0, CE = 0, 2, 3


def opening(syn_ack: str) -> Script:
    """We ask for ECN; the peer's SYN-ACK has these flags."""
    t = Script(options=plain(ecn="on"))
    t.connect()
    t.us("SEW", seq=0, ecn=NOT_ECT)
    t.peer(syn_ack, seq=0, ack=1, mss=1000)
    t.us(".", ecn=NOT_ECT)
    return t


@requirement(RFC, "6.1.1-1", "An ECN-setup SYN MAY be answered by an ECN-setup SYN-ACK")
@requirement(RFC, "6.1.1-6", "MUST NOT set ECT on SYN or SYN-ACK packets")
def test_asked_and_answered() -> None:
    t = Script()
    t.listen()
    t.peer("SEW", mss=1000)
    t.us("SE.", ecn=NOT_ECT)
    t.peer(".")
    t.conn.send(b"text")
    t.us("P.", ecn=ECT0)
    t = opening("SE.")
    t.conn.send(b"text")
    t.us("P.", ecn=ECT0)


@requirement(RFC, "6.1.1-1", "An ECN-setup SYN MAY be answered by an ECN-setup SYN-ACK")
def test_accurate_ecn_is_asked_for() -> None:
    """AE, CWR and ECE together: a host that would speak AccECN, and takes RFC 3168."""
    t = Script()
    t.listen()
    ends = (t.peer_address, t.peer_port), (t.address, t.port)
    syn = bytearray(tcp_packet(*ends, seq=t.peer_isn, flags=SYN | ECE | CWR))
    offset, check = syn[32:34], int.from_bytes(syn[36:38], "big")
    syn[32] |= 0x01  # the last of the reserved bits
    old, new = (int.from_bytes(word, "big") for word in (offset, syn[32:34]))
    syn[36:38] = update(check, old, new).to_bytes(2, "big")
    t.arrive(bytes(syn))
    t.us("SE.", ecn=NOT_ECT, ack=1)
    t.peer(".", seq=1, ack=1)
    t.conn.send(b"text")
    t.us("P.", ecn=ECT0)
    t.peer("P.", data=b"text", ecn=CE)
    t.us("E.", ack=5)


@requirement(RFC, "6.1.1-2", "Otherwise an ECN-setup SYN-ACK MUST NOT be sent")
@pytest.mark.parametrize("flags", ["S", "SE", "SW"])
def test_not_asked(flags: str) -> None:
    t = Script()
    t.listen()
    t.peer(flags, mss=1000)
    t.us("S.")
    t.peer(".")
    t.conn.send(b"text")
    t.us("P.", ecn=NOT_ECT)


@requirement(RFC, "6.1.1-3", "MUST NOT set ECT on data unless both asked or agreed")
@requirement(RFC, "6.1.1-5", "MUST handle all forms of non-ECN-setup SYN-ACKs")
@pytest.mark.parametrize("flags", ["S.", "SEW.", "SW."])
def test_not_agreed(flags: str) -> None:
    t = opening(flags)
    t.conn.send(b"text")
    t.us("P.", ecn=NOT_ECT)
    t.peer("P.", data=b"marked", ecn=CE)
    t.wait(SEC)
    t.us(".", ack=7)


@requirement(RFC, "6.1.1-3", "MUST NOT set ECT on data unless both asked or agreed")
def test_by_default_we_answer_and_do_not_ask() -> None:
    t = Script(options=plain())
    t.connect()
    t.us("S")
    t.peer("SE.", mss=1000)
    t.us(".")
    t.conn.send(b"text")
    t.us("P.", ecn=NOT_ECT)


@requirement(RFC, "6.1.1-4", "Who agreed MUST process CE as for an ECN connection")
def test_marks_are_heard() -> None:
    t = opening("SE.")
    t.peer("P.", data=b"text", ecn=CE)
    t.us("E.", ack=5)


@requirement(RFC, "6.1.1.1-1", "A SYN without answer MAY be repeated without ECE, CWR")
def test_asking_ends_after_two_losses() -> None:
    t = Script(options=plain(ecn="on"))
    t.connect()
    t.us("SEW", at=0)
    t.wait(7 * SEC)
    t.us("SEW", at=SEC)
    t.us("S", at=3 * SEC)
    t.us("S", at=7 * SEC)
    # 6.1.1: ECN was asked for once, but then not: hear marks, set no ECT
    t.peer("SE.", mss=1000)
    t.us(".")
    t.conn.send(b"text")
    t.us("P.", ecn=NOT_ECT)
    t.peer("P.", data=b"text", ecn=CE)
    t.wait(200 * MS)
    t.us("E.", ack=5)


@requirement(RFC, "6.1.1-7", "Unwilling hosts SHOULD clear ECE and CWR in their SYNs")
def test_switched_off() -> None:
    t = Script(options=plain(ecn="off"))
    t.listen()
    t.peer("SEW")
    t.us("S.")
    t = Script(options=plain(ecn="off"))
    t.connect()
    t.us("S")

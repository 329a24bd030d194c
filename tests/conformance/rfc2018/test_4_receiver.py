"""RFC 2018 2 to 4: the options, and what a receiver says."""

from __future__ import annotations

from sansio_net.testing import Script
from tests.conformance.peers import accepted, connected
from tests.conformance.requirements import requirement

RFC = "RFC 2018"


@requirement(RFC, "2-1", "SACK-Permitted MUST NOT be sent without SYN")
def test_permitted_on_syn_alone() -> None:
    t = Script()
    t.connect()
    t.us("S", sack_ok=True)
    t.peer("S.", mss=1000, sack_ok=True)
    t.us(".", sack_ok=False)
    t.conn.send(bytes(5000))
    t.conn.close()
    assert not any(seen.options.sack_permitted for seen in t.sent())


@requirement(RFC, "4-1", "Without SACK-Permitted received, MUST NOT send SACK")
def test_not_permitted() -> None:
    t = accepted(sack_ok=False)
    t.peer(".", seq=1001, data=bytes(1000))
    t.us(".", ack=1, sack=[])


@requirement(RFC, "4-2", "SACK SHOULD be in all ACKs below the highest number queued")
@requirement(RFC, "4-3", "Every segment of new data SHOULD get an ACK with SACK")
def test_every_ack_while_there_is_a_hole() -> None:
    t = accepted(sack_ok=True)
    for n in range(1, 5):
        t.peer(".", seq=1 + 1000 * n, data=bytes(1000))
        t.us(".", ack=1, sack=[(1001, 1001 + 1000 * n)])
    # on text, too, and on what fills a part
    t.conn.send(b"text")
    t.us("P.", ack=1, sack=[(1001, 5001)])
    t.peer(".", seq=1, data=bytes(500))
    t.us(".", ack=501, sack=[(1001, 5001)])
    t.peer(".", seq=501, data=bytes(500))
    t.us(".", ack=5001, sack=[])


@requirement(RFC, "4-4", "The first block MUST hold the segment that triggered the ACK")
@requirement(RFC, "4-5", "As many distinct blocks as possible SHOULD be included")
@requirement(RFC, "4-6", "Others SHOULD repeat the most recently reported")
def test_the_newest_comes_first() -> None:
    t = accepted(sack_ok=True)
    blocks: list[tuple[int, int]] = []
    for seq in (2001, 8001, 4001, 6001, 12_001, 10_001):
        t.peer(".", seq=seq, data=bytes(500))
        blocks.insert(0, (seq, seq + 500))
        t.us(".", ack=1, sack=blocks[:4])
    # one that grows is the first again
    t.peer(".", seq=4501, data=bytes(500))
    t.us(".", sack=[(4001, 5001), *blocks[:3]])


@requirement(RFC, "4-5", "As many distinct blocks as possible SHOULD be included")
def test_three_beside_timestamps() -> None:
    t = accepted(sack_ok=True, stamps=True)
    for seq in (2001, 4001, 6001, 8001):
        t.peer(".", seq=seq, data=bytes(500))
    assert t.sent()[-1].options.sack[2][1] - t.peer_isn == 4501
    t.peer(".", seq=10_001, data=bytes(500))
    t.us(".", ts=True, sack=[(10_001, 10_501), (8001, 8501), (6001, 6501)])


@requirement(RFC, "4-7", "Two segments that meet are one block")
def test_blocks_join() -> None:
    t = connected(sack_ok=True)
    t.peer(".", seq=1001, data=bytes(1000))
    t.us(".", sack=[(1001, 2001)])
    t.peer(".", seq=3001, data=bytes(1000))
    t.us(".", sack=[(3001, 4001), (1001, 2001)])
    t.peer(".", seq=2001, data=bytes(1000))
    t.us(".", sack=[(1001, 4001)])


@requirement(RFC, "8-1", "MAY discard what was SACKed, with care")
def test_what_was_sacked_is_kept() -> None:
    t = connected(sack_ok=True)
    t.peer(".", seq=1001, data=b"b" * 1000)
    t.us(".", sack=[(1001, 2001)])
    t.wait(3600 * 10**9)
    t.peer(".", seq=1, data=b"a" * 1000)
    t.us(".", ack=2001)
    assert t.conn.recv(5000) == b"a" * 1000 + b"b" * 1000

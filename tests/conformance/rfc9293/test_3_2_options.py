"""RFC 9293 3.2: the options that every TCP knows, and those it does not."""

from __future__ import annotations

import pytest

from sansio_net.testing import Script
from tests.conformance.peers import accepted, connected, sizes
from tests.conformance.requirements import requirement

RFC = "RFC 9293"

MSS_700 = b"\x02\x04\x02\xbc"
UNKNOWN = b"\xfd\x06\xf9\x89\x01\x02"  # RFC 6994's kind for experiments


def mss_after(options: bytes) -> int:
    """What a SYN with these options lets us send in a segment."""
    t = Script()
    t.listen()
    t.peer("S", seq=0, options=options)
    t.us("S.", seq=0, ack=1)
    t.peer(".", seq=1, ack=1)
    t.conn.send(bytes(2000))
    return sizes(t)[0]


@requirement(RFC, "MUST-4", "MUST support the options EOL, NOP and MSS")
def test_the_mandatory_set() -> None:
    assert mss_after(b"\x01\x01" + MSS_700 + b"\x01\x00") == 700


@requirement(RFC, "MUST-5", "MUST be able to receive an option in any segment")
def test_options_in_every_segment() -> None:
    t = accepted()
    t.peer("P.", data=b"text", options=b"\x01" * 4 + UNKNOWN + b"\x01\x01")
    assert t.conn.recv(10) == b"text"
    t.conn.send(b"answer")
    t.us("P.", ack=5)
    t.peer(".", ack=7, options=UNKNOWN + b"\x00\x00")
    t.peer("F.", options=MSS_700)
    assert t.happened() == ["DataReceived", "EofReceived"]
    assert t.conn.info().unacked == 0


@requirement(RFC, "MUST-6", "MUST ignore without error an option not implemented")
def test_unknown_options() -> None:
    assert mss_after(UNKNOWN + MSS_700 + b"\x1b\x02") == 700


@requirement(RFC, "MUST-68", "All options but EOL and NOP MUST have length fields")
def test_ours_have_lengths() -> None:
    t = connected(stamps=True, sack_ok=True)
    t.peer(".", seq=11, data=b"hole")
    t.us(".", sack=[(11, 15)])
    assert t.last is not None
    options, at = t.last.header.options, 0
    while at < len(options):
        at += 1 if options[at] < 2 else options[at + 1]
    assert at == len(options)
    assert t.last.kinds == [1, 1, 8, 1, 1, 5]


@pytest.mark.parametrize("bad", ["0200", "0201", "fd00", "fd01", "02ff", "fd"])
@requirement(RFC, "MUST-7", "MUST be prepared to handle an illegal option length")
def test_illegal_lengths(bad: str) -> None:
    options = bytes.fromhex(bad)
    padding = bytes(-len(options) % 4)
    assert mss_after(MSS_700 + options + padding) == 700
    assert mss_after(options + padding) == 536
    t = accepted()
    t.peer("P.", data=b"text", options=options + padding)
    assert t.happened() == ["DataReceived"]


@requirement(RFC, "MUST-64", "MUST process options that begin off a word boundary")
def test_unaligned_options() -> None:
    for before in range(4):
        after = b"\x01" * (4 - before)
        assert mss_after(b"\x01" * before + MSS_700 + after) == 700

"""RFC 9293 3.1: the header."""

from __future__ import annotations

import itertools

from sansio_net.protocols.tcp import TcpOptions
from sansio_net.testing import Script
from sansio_net.testing.craft import tcp_packet
from sansio_net.wire.tcp import ACK, format_flags
from tests.conformance.peers import accepted, connected, sizes
from tests.conformance.requirements import requirement

RFC = "RFC 9293"


@requirement(RFC, "MUST-1", "The window MUST be treated as an unsigned number")
def test_the_window_is_unsigned() -> None:
    t = connected(win=40_000, initial_window=50)
    t.conn.send(bytes(60_000))
    assert sizes(t) == [1000] * 40
    t.silent()


@requirement(RFC, "REC-1", "RECOMMENDED to compute windows with 32 bits")
def test_the_largest_window() -> None:
    t = connected(wscale=14)
    t.peer(".", win=0xFFFF)
    assert t.conn.info().snd_wnd == 0xFFFF << 14


@requirement(RFC, "MUST-2", "The sender MUST generate the checksum")
def test_every_segment_has_its_checksum() -> None:
    t = Script()
    t.peer("S", seq=0)  # nobody listens
    t.listen()
    t.peer("S", seq=10)
    t.peer(".", seq=11, ack=1)
    t.conn.send(b"odd")
    sent = t.sent()
    t.conn.close()
    sent += t.sent()
    t.peer("P.", data=b"unread")
    sent += t.sent()
    flags = [format_flags(seen.header.flags) for seen in sent]
    assert flags == ["R.", "S.", "P.", "F.", "R."]
    assert all(seen.checksum_holds for seen in sent)


@requirement(RFC, "MUST-3", "The receiver MUST check the checksum")
def test_a_wrong_checksum() -> None:
    t = accepted()
    whole = tcp_packet(
        (t.peer_address, t.peer_port),
        (t.address, t.port),
        seq=t.peer_isn + 1,
        ack=(t.our_isn or 0) + 1,
        flags=ACK,
        payload=b"text",
    )
    t.arrive(whole[:-1] + b"x")
    t.silent()
    assert t.happened() == []
    assert t.stack.counters()["drop.tcp_bad_checksum"] == 1
    t.arrive(whole)
    assert t.happened() == ["DataReceived"]


@requirement(RFC, "MUST-69", "Beyond End of Option List MUST be zeros")
def test_our_padding() -> None:
    names = ("timestamps", "window_scale", "sack", "fast_open")
    for chosen in itertools.product((False, True), repeat=len(names)):
        offered = dict(zip(names, chosen, strict=True))
        t = Script(options=TcpOptions(**offered))
        t.connect()
        t.us("S")
        assert t.last is not None
        options = t.last.header.options
        assert t.last.kinds[0] == 2
        assert (0 in t.last.kinds) == offered["fast_open"]
        if offered["fast_open"]:
            # a request for a cookie: the one option of ours that has to be filled up
            assert options[options.rindex(b"\x22\x02") :] == b"\x22\x02\0\0"


@requirement(RFC, "MUST-69", "Beyond End of Option List MUST be zeros")
def test_nothing_is_read_beyond_the_end_of_options() -> None:
    t = Script()
    t.listen()
    t.peer("S", seq=0, options=b"\x00\x02\x04\x00\x64\x00\x00\x00")
    t.us("S.")
    t.peer(".", seq=1, ack=1)
    assert t.conn.info().snd_mss == 536

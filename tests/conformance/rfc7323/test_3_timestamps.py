"""RFC 7323 3 and 4: the Timestamps option and round trips."""

from __future__ import annotations

from sansio_net.protocols.tcp import State
from sansio_net.testing import Script
from tests.conformance.peers import MS, SEC, accepted, plain
from tests.conformance.requirements import requirement

RFC = "RFC 7323"


@requirement(RFC, "3.2-1", "Without ACK the TSecr SHOULD be zero")
@requirement(RFC, "3.2-4", "The option MAY be sent in a SYN")
def test_the_stamps_of_a_syn() -> None:
    t = Script()
    t.connect()
    t.us("S", ts=(0, 0))


@requirement(RFC, "3.2-2", "With ACK a recently received TSval MUST be echoed")
def test_the_echo() -> None:
    t = Script()
    t.listen()
    t.peer("S", ts=(7777, 0))
    t.us("S.", ts=(0, 7777))
    t.peer(".", ts=(7778, 0))
    t.conn.send(b"x")
    t.us("P.", ts=(0, 7778))


@requirement(RFC, "3.2-3", "Without ACK the TSecr received MUST be ignored")
def test_the_echo_of_a_syn() -> None:
    t = Script()
    t.listen()
    t.peer("S", ts=(1, 123_456))
    t.us("S.")
    t.wait(100 * MS)
    t.peer(".", ts=(2, 0))
    assert t.conn.info().rtt == 100 * MS


@requirement(RFC, "3.2-5", "In a SYN-ACK it MAY be sent only if the SYN had it")
def test_only_where_offered() -> None:
    t = Script()
    t.listen()
    t.peer("S")
    t.us("S.", ts=False)


@requirement(RFC, "3.2-6", "Once negotiated it MUST be in every segment but RSTs")
@requirement(RFC, "3.2-7", "and SHOULD be in a RST")
def test_every_segment() -> None:
    t = accepted(stamps=True)
    t.conn.send(bytes(3000))
    t.wait(SEC)
    t.peer("P.", data=b"x", ack=989)
    t.wait(SEC)
    sent = t.sent()
    assert len(sent) > 5
    assert all(seen.options.ts_val is not None for seen in sent)
    t.conn.abort()
    t.us("R.", ts=True)


@requirement(RFC, "3.2-8", "A segment without it SHOULD be dropped in silence")
@requirement(RFC, "3.2-9", "The connection MUST NOT be aborted for that")
def test_a_segment_without() -> None:
    t = accepted(stamps=True)
    t.stamps = False
    t.peer("P.", data=b"text")
    t.silent()
    assert t.conn.pending == 0
    t.stamps = True
    t.peer("P.", seq=1, data=b"text")
    assert t.conn.pending == 4
    assert t.conn.state is State.ESTABLISHED


@requirement(RFC, "3.2-10", "Where it was not negotiated it MUST be ignored")
def test_stamps_nobody_asked_for() -> None:
    t = accepted()
    t.peer("P.", data=b"one", ts=(100, 0))
    t.peer("P.", data=b"two", ts=(50, 0))
    assert t.conn.recv(10) == b"onetwo"
    t.us(".", ts=False)
    # asked for by the peer alone
    t = Script(options=plain(timestamps=False))
    t.listen()
    t.peer("S", seq=0, ts=(100, 0))
    t.us("S.", ts=False)
    t.peer(".", ts=(100, 0))
    t.peer("P.", data=b"old", ts=(50, 0))
    assert t.conn.recv(10) == b"old"
    t.conn.send(b"text")
    t.us("P.", ts=False)


@requirement(RFC, "3.2-11", "Crossing SYNs: both MAY send it in the SYN-ACK")
def test_crossing_syns() -> None:
    t = Script()
    t.connect()
    t.us("S", ts=True)
    t.peer("S", seq=0, ts=(5, 0))
    t.us("S.", ts=(0, 5))


@requirement(RFC, "4.1-1", "The clock MUST be proportional to real time")
@requirement(RFC, "5.4-1", "It MUST tick once for each 2^31 bytes, SHOULD each window")
@requirement(RFC, "5.4-2", "Its recycling time MUST be greater than MSL")
def test_our_clock_ticks_milliseconds() -> None:
    t = accepted(stamps=True)
    for elapsed in (0, 1, 10, 1000, 100_000, 86_400_000):
        t.at(elapsed * MS)
        t.conn.send(b"x")
        t.us("P.", ts=(elapsed, t.conn.receiver.ts_recent))
        t.peer(".")


@requirement(RFC, "4.1-2", "TSecr MAY be used only if SND.UNA advances")
def test_what_acknowledges_nothing_is_no_sample() -> None:
    t = accepted(stamps=True)
    t.conn.send(b"x")
    t.us("P.")
    t.wait(50 * MS)
    t.peer(".")
    before = t.conn.info().rtt
    t.wait(10 * SEC)
    t.peer("P.", data=b"after a pause")
    assert t.conn.info().rtt == before


@requirement(RFC, "4.2-1", "Several samples per RTT SHOULD weigh as RFC 6298's one")
def test_history_is_that_of_rfc_6298() -> None:
    """Only one segment a round trip is timed."""
    t = accepted(stamps=True, initial_window=20)
    t.conn.send(bytes(1000))
    t.sent()
    t.wait(100 * MS)
    t.peer(".")
    start = t.conn.info().rtt
    t.conn.send(bytes(19_760))
    assert len(t.sent()) == 20
    t.wait(200 * MS)
    una = t.conn.sender.snd_una - t.conn.sender.iss
    for n in range(20):
        t.peer(".", ack=una + 988 * (n + 1))
    # at least as much history as one sample leaves
    assert t.conn.info().rtt <= start + (200 * MS - start) // 4


# 4.3 Which timestamp to echo


@requirement(RFC, "4.3-1", "Delayed ACKs SHOULD echo the earliest unacknowledged")
def test_the_echo_of_a_delayed_ack() -> None:
    t = accepted(stamps=True)
    t.stamps = False
    t.peer(".", data=bytes(1000), ts=(100, 0))
    t.peer(".", data=bytes(1000), ts=(110, 0))
    t.us(".", ack=2001, ts=(0, 100))


@requirement(RFC, "4.3-2", "A hole: SHOULD echo what last advanced RCV.NXT")
@requirement(RFC, "4.3-3", "A hole filled: the segment that did it MUST be echoed")
def test_the_echo_around_a_hole() -> None:
    t = accepted(stamps=True, delayed_ack=0)
    t.stamps = False
    t.peer(".", seq=1, data=b"A", ts=(100, 0))
    t.us(".", ack=2, ts=(0, 100))
    t.peer(".", seq=3, data=b"C", ts=(120, 0))
    t.us(".", ack=2, ts=(0, 100))
    t.peer(".", seq=2, data=b"B", ts=(130, 0))
    t.us(".", ack=4, ts=(0, 130))
    t.peer(".", seq=5, data=b"E", ts=(150, 0))
    t.us(".", ack=4, ts=(0, 130))
    t.peer(".", seq=4, data=b"D", ts=(140, 0))
    t.us(".", ack=6, ts=(0, 140))


@requirement(RFC, "7.1-1", "RECOMMENDED: a random offset for each connection")
def test_offsets() -> None:
    stamps = set()
    for seed in range(4):
        t = Script(seed=seed, options=plain())
        t.connect()
        t.us("S")
        assert t.last is not None
        stamps.add(t.last.options.ts_val)
    assert len(stamps) == 4

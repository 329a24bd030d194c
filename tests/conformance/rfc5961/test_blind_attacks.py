"""RFC 5961 3 to 7: resets, SYNs and data of somebody who guesses."""

from __future__ import annotations

import pytest

from sansio_net.errors import ConnectionReset
from sansio_net.protocols.tcp import State
from sansio_net.testing import Script
from tests.conformance.peers import SEC, accepted, connected, lost
from tests.conformance.requirements import requirement

RFC = "RFC 5961"


# 3.2 Resets


@requirement(RFC, "3.2-1", "A RST outside the window MUST be dropped in silence")
@pytest.mark.parametrize("seq", [0, -1, -70_000, 65_537, 1 << 31])
def test_a_reset_outside_the_window(seq: int) -> None:
    t = accepted()
    t.peer("R", seq=seq)
    t.silent()
    assert t.conn.state is State.ESTABLISHED


@requirement(RFC, "3.2-2", "A RST with exactly RCV.NXT MUST reset the connection")
def test_a_reset_at_the_edge() -> None:
    t = accepted()
    t.peer("R", seq=1)
    assert isinstance(lost(t), ConnectionReset)
    t.silent()


@requirement(RFC, "3.2-3", "A RST elsewhere in the window MUST get a challenge ACK")
@requirement(RFC, "3.2-4", "The segment MUST be dropped and not processed further")
@pytest.mark.parametrize("seq", [2, 1000, 65_535])
def test_a_reset_in_the_window(seq: int) -> None:
    t = accepted()
    t.conn.send(b"text")
    t.us("P.")
    t.peer("R.", seq=seq, ack=5)
    t.us(".", seq=5, ack=1, length=0)
    assert t.conn.state is State.ESTABLISHED
    assert t.conn.info().unacked != 0
    # what comes of the challenge, from who had really reset
    t.peer("R", seq=1)
    assert isinstance(lost(t), ConnectionReset)


@requirement(
    RFC, "3.2-5", "SYN-SENT: a RST that does not acknowledge MUST be discarded"
)
def test_a_reset_of_an_attempt() -> None:
    t = Script()
    t.connect()
    t.us("S")
    for ack in (0, 2, 100_000):
        t.peer("R.", seq=0, ack=ack)
    t.peer("R", seq=1)
    t.silent()
    assert t.conn.state is State.SYN_SENT
    t.peer("R.", seq=0, ack=1)
    assert t.happened() == ["ConnectionLost"]


# 4.2 SYNs


@requirement(RFC, "4.2-1", "A SYN MUST get a challenge ACK, whatever its number")
@requirement(RFC, "4.2-2", "It MUST be dropped")
@pytest.mark.parametrize("seq", [0, 1, 1000, -5, 100_000, 1 << 31])
@pytest.mark.parametrize("flags", ["S", "S."])
def test_a_syn(seq: int, flags: str) -> None:
    t = accepted()
    t.peer(flags, seq=seq, data=b"x")
    t.us(".", seq=1, ack=1, length=0)
    t.silent()
    assert t.conn.state is State.ESTABLISHED
    assert t.happened() == []


@requirement(RFC, "4.2-3", "A valid RST after it MUST end the connection")
def test_a_peer_that_restarted() -> None:
    t = accepted()
    t.peer("S", seq=5000)
    t.us(".", seq=1, ack=1)
    t.peer("R", seq=1)
    assert isinstance(lost(t), ConnectionReset)
    # and the SYN comes again
    t.wait(SEC)
    t.peer("S", seq=5000)
    t.us("S.", ack=5001)


# 5.2 Data


@requirement(RFC, "5.2-1", "ACKs MUST be from SND.UNA - MAX.SND.WND to SND.NXT")
@requirement(RFC, "5.2-2", "Others MUST be discarded and an ACK sent back")
@pytest.mark.parametrize("ack", [3002, 100_000, 1 << 31, -62_536])
def test_data_with_a_guessed_ack(ack: int) -> None:
    t = connected(win=65_535)
    t.conn.send(bytes(3000))
    t.sent()
    t.peer("P.", ack=3001)
    t.peer("P.", seq=1, ack=ack, data=b"injected")
    t.us(".", seq=3001, ack=1, length=0)
    assert t.conn.pending == 0


@requirement(RFC, "5.2-1", "ACKs MUST be from SND.UNA - MAX.SND.WND to SND.NXT")
@pytest.mark.parametrize("ack", [3001, 1, -62_534])
def test_data_with_an_ack_that_may_be_old(ack: int) -> None:
    t = connected(win=65_535)
    t.conn.send(bytes(3000))
    t.sent()
    t.peer(".", ack=3001)
    t.peer("P.", seq=1, ack=ack, data=b"taken")
    assert t.conn.pending == 5


# 7 Throttling


@requirement(RFC, "7-1", "SHOULD include an ACK throttling mechanism")
def test_challenges_are_limited() -> None:
    t = accepted()
    for _ in range(100):
        t.peer("S", seq=7)
    assert 0 < len(t.sent()) <= 10
    t.wait(6 * SEC)
    t.peer("S", seq=7)
    t.us(".", seq=1, ack=1)
    assert t.stack.counters()["tcp.challenge_ack_limited"] >= 90


@requirement(RFC, "7-2", "Time and number of the ACKs SHOULD be tunable")
def test_the_limit_is_an_option() -> None:
    t = accepted(challenge_acks=3, challenge_interval=60 * SEC)
    for _ in range(50):
        t.peer("S", seq=7)
        t.wait(SEC)
    assert len(t.sent()) == 3

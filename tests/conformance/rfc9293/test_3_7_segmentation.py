"""RFC 9293 3.7: segment sizes, Nagle."""

from __future__ import annotations

import pytest

from sansio_net.testing import Script
from tests.conformance.peers import accepted, connected, plain, sizes
from tests.conformance.requirements import requirement

RFC = "RFC 9293"


@requirement(RFC, "MUST-14", "MUST implement both sending and receiving the MSS option")
def test_mss_both_ways() -> None:
    t = Script(options=plain(mss=1200))
    t.connect()
    t.us("S", mss=1200)
    t.peer("S.", mss=700)
    t.us(".")
    t.conn.send(bytes(2000))
    assert sizes(t) == [700, 700, 600]
    t = Script(options=plain(mss=1200))
    t.listen()
    t.peer("S", mss=1400)
    t.us("S.", mss=1200)


@requirement(
    RFC, "SHLD-5", "SHOULD send MSS when it differs from 536, or 1220 for IPv6"
)
@requirement(RFC, "MAY-3", "MAY send the MSS option always")
@pytest.mark.parametrize("mtu", [576, 1280, 1500, 9000])
def test_mss_is_always_sent(mtu: int) -> None:
    t = Script(mtu=mtu)
    t.connect()
    t.us("S", mss=mtu - 40)
    t = Script(mtu=mtu)
    t.listen()
    t.peer("S")
    t.us("S.", mss=mtu - 40)
    if mtu >= 1280:
        t = Script(mtu=mtu, us="fd00::2/64", peer="fd00::1")
        t.connect()
        t.us("S", mss=mtu - 60)


@requirement(RFC, "MUST-15", "Without an MSS option MUST assume 536, or 1220 for IPv6")
@pytest.mark.parametrize(
    ("us", "peer", "size"),
    [("10.0.0.2/24", "10.0.0.1", 536), ("fd00::2/64", "fd00::1", 1220)],
)
def test_the_default_mss(us: str, peer: str, size: int) -> None:
    t = Script(us=us, peer=peer, options=plain())
    t.connect()
    t.us("S")
    t.peer("S.")
    t.us(".")
    t.conn.send(bytes(2 * size))
    assert sizes(t) == [size, size]


@requirement(
    RFC, "MUST-16", "The effective MSS MUST be the smaller of the peer's and IP's"
)
def test_the_effective_mss() -> None:
    t = connected(mss=9000)
    t.conn.send(bytes(3000))
    assert sizes(t)[:2] == [1460, 1460]
    # less what the options take (3.7.1, Eff.snd.MSS)
    t = connected(mss=9000, stamps=True)
    t.conn.send(bytes(3000))
    assert sizes(t)[:2] == [1448, 1448]
    t = connected(mss=1000, stamps=True)
    t.conn.send(bytes(3000))
    assert sizes(t)[:2] == [988, 988]


@requirement(RFC, "SHLD-6", "SHOULD use the smallest effective MTU for the MSS option")
def test_mss_follows_the_mtu() -> None:
    t = Script()
    t.stack.interface("eth0").set_mtu(800)
    t.connect()
    t.us("S", mss=760)


@requirement(RFC, "MUST-65", "The MSS option MUST NOT be sent without SYN")
def test_mss_on_syn_alone() -> None:
    t = accepted(stamps=True, sack_ok=True)
    t.conn.send(bytes(3000))
    t.peer(".", seq=11, data=b"hole")
    t.conn.close()
    t.peer(".")
    seen = t.sent()
    assert len(seen) >= 4
    assert [each.options.mss for each in seen] == [None] * len(seen)


@requirement(RFC, "MUST-67", "The MSS option MUST NOT exceed MMS_R - 20")
def test_mss_is_what_ip_can_take() -> None:
    t = Script(mtu=1500, options=plain(mss=9000))
    t.connect()
    t.us("S", mss=1460)  # MMS_R is 1500 - 20


@requirement(RFC, "SHLD-7", "SHOULD implement the Nagle algorithm")
def test_nagle() -> None:
    t = connected()
    t.conn.send(b"one")
    t.us("P.", data=b"one")
    t.conn.send(b"two")
    t.silent()
    t.conn.send(bytes(997))
    t.us("P.", length=1000)  # a full segment need not wait
    t.conn.send(b"three")
    t.silent()
    t.peer(".")
    t.us("P.", data=b"three")


@requirement(RFC, "MUST-17", "MUST have a way to disable Nagle on a connection")
def test_nagle_disabled() -> None:
    t = connected()
    t.conn.set(nodelay=True)
    for word in (b"one", b"two", b"three"):
        t.conn.send(word)
        t.us("P.", data=word)

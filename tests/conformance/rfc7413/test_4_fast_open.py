"""RFC 7413 4: TCP Fast Open."""

from __future__ import annotations

import pytest

from sansio_net.protocols.tcp import State
from sansio_net.stack import Accepted, DataReceived
from sansio_net.testing import Script
from sansio_net.units import HOUR
from sansio_net.wire.tcp_options import build_tcp_options
from tests.conformance.peers import MS, SEC, plain
from tests.conformance.requirements import requirement

RFC = "RFC 7413"

KIND = 34
COOKIE = b"8 bytes!"


def option(cookie: bytes = b"", kind: int = KIND) -> bytes:
    return build_tcp_options(unknown=((kind, cookie),))


def cookie_of(t: Script) -> bytes | None:
    """The cookie in the segment that was seen last; None: no option."""
    assert t.last is not None
    return dict(t.last.options.unknown).get(KIND)


def server(**options: int) -> Script:
    t = Script(options=plain(fast_open=True, **options))
    t.listen()
    return t


def client() -> Script:
    """With a cookie of the server, from an earlier connection."""
    t = Script(options=plain(fast_open=True))
    t.connect()
    t.us("S")
    assert cookie_of(t) == b""
    t.peer("S.", mss=1000, options=option(COOKIE))
    t.us(".")
    t.conn.abort()
    t.us("R.")
    t.port += 1
    return t


def granted(t: Script) -> bytes:
    """The server's cookie for this peer."""
    t.peer("S", seq=0, options=option())
    t.us("S.", ack=1)
    cookie = cookie_of(t)
    assert cookie
    t.peer("R", seq=1)
    t.peer_port += 1
    return cookie


# 4.1 Cookies


@requirement(RFC, "4.1.1-1", "Options of invalid length or without SYN MUST be ignored")
@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 17, 18])
def test_invalid_lengths(size: int) -> None:
    t = server()
    t.peer("S", seq=0, mss=1000, options=option(bytes(size)), data=b"text")
    t.us("S.", ack=1)
    assert cookie_of(t) is None


@requirement(RFC, "4.1.1-1", "Options of invalid length or without SYN MUST be ignored")
def test_without_syn() -> None:
    t = server()
    t.peer("S", seq=0)
    t.us("S.")
    t.peer("P.", options=option(COOKIE), data=b"text")
    assert t.happened() == ["Accepted", "DataReceived"]
    t.conn.send(b"x")
    t.us("P.")
    assert cookie_of(t) is None


@requirement(RFC, "4.1.2-1", "The cookie SHOULD be a MAC of the client's address")
def test_cookies_belong_to_an_address() -> None:
    cookies = set()
    for seed in (0, 1):
        for peer in ("10.0.0.1", "10.0.0.3"):
            t = Script(options=plain(fast_open=True), peer=peer, seed=seed)
            t.listen()
            cookies.add(granted(t))
            assert granted(t) in cookies  # the same from another port
    assert len(cookies) == 4


@requirement(RFC, "4.1.2-2", "The cookie expires after some time")
def test_cookies_expire() -> None:
    t = server()
    old = granted(t)
    t.wait(49 * HOUR)
    t.peer("S", seq=0, options=option(old), data=b"text")
    t.us("S.", ack=1)
    assert cookie_of(t) not in (None, old)


@requirement(RFC, "4.1.3-1", "The client MUST cache cookies")
@requirement(RFC, "4.2.2-1", "To open so it MUST have obtained a cookie")
def test_text_with_the_syn() -> None:
    t = client()
    t.connect()
    t.conn.send(b"early")
    t.us("S", seq=0, data=b"early")
    assert cookie_of(t) == COOKIE
    t.peer("S.", seq=0, ack=6, mss=1000)
    t.us(".", seq=6, ack=1)
    assert t.conn.info().syn_data


@requirement(RFC, "4.2.1-1", "A client MUST first request a cookie")
def test_no_text_without_a_cookie() -> None:
    t = Script(options=plain(fast_open=True))
    t.connect()
    t.conn.send(b"early")
    t.us("S", seq=0, length=0)
    assert cookie_of(t) == b""


@requirement(RFC, "4.1.3-2", "The cached MSS limits the text in the SYN")
def test_the_cached_mss() -> None:
    t = client()
    t.connect()
    t.conn.send(bytes(5000))
    t.us("S", seq=0)
    assert t.last is not None
    assert len(t.last.data) + len(t.last.header.options) == 1000


@requirement(RFC, "4.1.3.1-1", "The client MUST cache negative responses")
@requirement(RFC, "4.1.3.1-2", "It SHOULD disable Fast Open on the path for a time")
@requirement(RFC, "4.2.2-2", "A SYN SHOULD be repeated without data and option")
def test_no_answer_to_text_on_the_syn() -> None:
    t = client()
    t.connect()
    t.conn.send(b"early")
    t.us("S", seq=0, data=b"early")
    t.wait(SEC)
    t.us("S", seq=0, length=0)
    assert cookie_of(t) is None
    t.peer("S.", seq=0, ack=1, mss=1000)
    t.us("P.", seq=1, data=b"early")
    t.port += 1
    t.connect()
    t.conn.send(b"again")
    t.us("S", seq=0, length=0)
    assert cookie_of(t) is None


@requirement(RFC, "4.2.2-7", "Text not acknowledged SHOULD go with the first ACK")
def test_a_server_that_takes_the_syn_alone() -> None:
    t = client()
    t.connect()
    t.conn.send(b"early")
    t.us("S", seq=0, data=b"early")
    t.peer("S.", seq=0, ack=1, mss=1000)
    t.us("P.", seq=1, ack=1, data=b"early")


# 4.2 The server


@requirement(RFC, "4.2-1", "MUST be turned on explicitly; off: cookies MUST be ignored")
def test_off_by_default() -> None:
    t = Script(options=plain())
    t.listen()
    t.peer("S", seq=0, options=option(), data=b"text")
    t.us("S.", ack=1)
    assert cookie_of(t) is None
    t = Script(options=plain())
    t.connect()
    t.us("S")
    assert cookie_of(t) is None


@requirement(RFC, "4.2-2", "Over a limit the server MUST disable it for new requests")
def test_a_limit_on_what_is_half_open() -> None:
    t = server(max_fast_open=2)
    cookie = granted(t)
    taken = []
    for _ in range(4):
        t.peer_port += 1
        t.peer("S", seq=0, options=option(cookie), data=b"text")
        t.us("S.")
        assert t.last is not None
        taken.append(t.last.header.ack - t.peer_isn)
    assert taken == [5, 5, 1, 1]


@requirement(RFC, "4.2.2-3", "Valid: the text is taken, told and acknowledged")
@requirement(RFC, "4.2.2-4", "The SYN-ACK of others acknowledges the SYN alone")
def test_a_valid_and_an_invalid_cookie() -> None:
    t = server()
    cookie = granted(t)
    t.peer("S", seq=0, options=option(COOKIE), data=b"text")
    t.us("S.", ack=1)
    assert t.happened() == []
    t.peer_port += 1
    t.peer("S", seq=0, options=option(cookie), data=b"text")
    t.us("S.", ack=5)
    assert [type(event) for event in t.events[-2:]] == [Accepted, DataReceived]
    assert t.conn.recv(10) == b"text"
    assert t.conn.info().syn_data
    assert t.conn.state is State.SYN_RECEIVED


@requirement(RFC, "4.2.2-5", "The server MUST follow RFC 5681 for its initial window")
def test_an_answer_before_the_handshake_is_over() -> None:
    t = server(initial_window=3)
    cookie = granted(t)
    t.peer("S", seq=0, mss=1000, options=option(cookie), data=b"text")
    t.us("S.", seq=0, ack=5)
    t.conn.send(bytes(10_000))
    # the SYN, not acknowledged yet, takes its place in the window
    assert [len(seen.data) for seen in t.sent()] == [1000] * 2


@requirement(RFC, "4.2.2-6", "A SYN-ACK SHOULD be repeated without data and option")
def test_the_syn_ack_again() -> None:
    t = server()
    t.peer("S", seq=0, options=option())
    t.us("S.")
    assert cookie_of(t)
    t.wait(1000 * MS)
    t.us("S.", length=0)
    assert cookie_of(t) is None

"""RFC 5482: the user timeout, its local half."""

from __future__ import annotations

import pytest

from sansio_net.errors import StateError, TimedOut
from sansio_net.protocols.tcp import State, TcpOptions
from sansio_net.testing import Script
from tests.conformance.peers import SEC, connected, lost, plain
from tests.conformance.requirements import requirement

RFC = "RFC 5482"

OPTION = b"\x1c\x04\x80\x01"  # a minute


@requirement(RFC, "1-1", "Data unacknowledged for so long: the connection is closed")
@pytest.mark.parametrize("timeout", [1, 10, 100])
def test_the_local_timeout(timeout: int) -> None:
    t = connected(user_timeout=timeout * SEC)
    t.conn.send(b"x")
    t.us("P.")
    t.wait(timeout * SEC - 1)
    assert t.conn.state is State.ESTABLISHED
    t.wait(1)
    assert isinstance(lost(t), TimedOut)


@requirement(RFC, "1-1", "Data unacknowledged for so long: the connection is closed")
def test_progress_begins_it_again() -> None:
    t = connected(user_timeout=10 * SEC)
    t.conn.send(b"x")
    t.sent()
    t.wait(9 * SEC)
    t.peer(".")
    t.conn.send(b"y")
    t.wait(9 * SEC)
    assert t.conn.state is State.ESTABLISHED
    t.wait(1 * SEC)
    assert isinstance(lost(t), TimedOut)


@requirement(RFC, "3-1", "Hosts MUST impose limits on user timeouts")
def test_limits() -> None:
    with pytest.raises(StateError):
        TcpOptions(user_timeout=0)
    with pytest.raises(StateError):
        TcpOptions(user_timeout=1 << 62)


@requirement(RFC, "3-2", "Who does not support the option MUST silently ignore it")
def test_the_option_is_ignored() -> None:
    t = Script(options=plain())
    t.listen()
    t.peer("S", options=OPTION)
    t.us("S.")
    assert t.last is not None
    assert 28 not in t.last.kinds
    t.peer("P.", data=b"x", options=OPTION)
    assert t.happened() == ["Accepted", "DataReceived"]
    assert t.conn.options.user_timeout is None

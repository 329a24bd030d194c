"""UdpSocket against a list: order is kept, bounds hold, nothing is made up."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sansio_net import Datagram
from sansio_net.counters import Counters, DropReason
from sansio_net.errors import ConnectionFailed, ConnectionRefused, LimitError
from sansio_net.protocols.udp import (
    SocketSpaceFreed,
    UdpError,
    UdpEvent,
    UdpOptions,
    UdpReceived,
    UdpSocket,
)
from sansio_net.protocols.udp.config import OVERHEAD

US, PEER = bytes([10, 0, 0, 1]), bytes([10, 0, 0, 2])


class Routes:
    version = 0

    @property
    def routes(self) -> Routes:
        return self

    def source_for(self, destination: bytes, source: bytes, nic: str | None) -> bytes:
        return source or US

    def interface_for(self, group: bytes, nic: str | None) -> str:
        return nic or "eth0"

    def listen(
        self, owner: int, group: bytes, nic: str, exclude: bool, sources: object
    ) -> None:
        """Nobody has to be told."""

    def path_mtu(self, destination: bytes, nic: str | None) -> int:
        return 1500

    def is_broadcast(self, destination: bytes, nic: str | None) -> bool:
        return False


steps = st.one_of(
    st.tuples(st.just("arrive"), st.integers(0, 2000)),
    st.tuples(st.just("error"), st.integers(1, 3)),
    st.tuples(st.just("receive"), st.just(0)),
    st.tuples(st.just("send"), st.integers(0, 2000)),
    st.tuples(st.just("emit"), st.just(0)),
    st.tuples(st.just("drain"), st.just(0)),
)


@given(st.lists(steps, max_size=60))
def test_datagrams_and_errors_keep_their_order(script: list[tuple[str, int]]) -> None:
    """The model is one list of what arrived; the verbs walk along it."""
    counters = Counters()
    options = UdpOptions(receive_bytes=6000, receive_datagrams=5, error_limit=100)
    sock = UdpSocket(
        US, 1, router=Routes(), raddr=PEER, rport=2, options=options, counters=counters
    )
    model: list[bytes | str] = []
    arrived = dropped = 0
    for serial, (step, size) in enumerate(script):
        if step == "arrive":
            data = serial.to_bytes(2, "big") + bytes(size)
            arrived += 1
            sock.datagram_arrives(data, PEER, 2, US, 64, 0, "eth0", serial)
            if counters.dropped(DropReason.UDP_QUEUE_FULL) > dropped:
                dropped += 1
            else:
                model.append(data)
        elif step == "error":
            error = ConnectionRefused(f"{serial}")
            sock.error_arrives(error, (PEER, 2))
            model.append(f"{serial}")
        elif step == "receive":
            try:
                datagram = sock.receive()
                got: bytes | str | None = datagram and datagram.data
            except ConnectionFailed as error:
                got = error.args[1]
            assert got == (model.pop(0) if model else None)
        elif step == "send":
            hard = [one for one in model if isinstance(one, str)]
            raised: list[str] = []
            try:
                sock.send(b"x")
            except ConnectionFailed as error:
                raised = [error.args[1]]
            assert raised == hard[:1]
            model = [one for one in model if one not in raised]
        datagrams = [one for one in model if isinstance(one, bytes)]
        assert sock.count == len(datagrams) <= 5
        pinned = sum(len(one) + OVERHEAD for one in datagrams)
        assert pinned <= 6000 or len(datagrams) == 1


@given(st.lists(steps, max_size=60), st.booleans())
def test_events_are_due_and_at_most_one_of_a_kind(
    script: list[tuple[str, int]], is_connected: bool
) -> None:
    notified: list[UdpSocket] = []
    options = UdpOptions(send_bytes=4000, send_datagrams=4, error_limit=4)
    sock = UdpSocket(
        US,
        1,
        router=Routes(),
        raddr=PEER if is_connected else None,
        rport=2 if is_connected else None,
        options=options,
        notified=notified,
    )
    refused = False
    queued = 0
    for serial, (step, size) in enumerate(script):
        if step == "arrive":
            sock.datagram_arrives(bytes(size), PEER, 2, US, 64, 0, "eth0", serial)
        elif step == "error":
            sock.error_arrives(ConnectionRefused(), (PEER, size))
        elif step == "receive":
            try:
                datagram = sock.receive()
                assert datagram is None or isinstance(datagram, Datagram)
            except ConnectionFailed:
                assert is_connected
        elif step == "send":
            try:
                sock.send_to(bytes(size), ("10.0.0.2", 2))
                queued += 1
            except LimitError:
                refused = True
            except ConnectionFailed:
                assert is_connected
        elif step == "emit":
            packet = sock.emit(serial)
            assert (packet is None) is (queued == 0)
            queued -= packet is not None
        else:
            assert len(notified) == bool(sock.pending_kinds)
            notified.clear()
            out: list[UdpEvent] = []
            sock.drain(out)
            kinds = [type(event) for event in out]
            assert len(set(kinds)) == len(kinds)
            assert set(kinds) <= {UdpReceived, UdpError, SocketSpaceFreed}
            if SocketSpaceFreed in kinds:
                assert refused
                refused = False
            for event in out:
                if isinstance(event, UdpReceived):
                    assert event.count == sock.count > 0
        assert queued <= 4

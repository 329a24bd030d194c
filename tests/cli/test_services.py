from __future__ import annotations

from collections.abc import Sequence

import pytest

from sansio_net.cli.services import Services, chargen_block
from sansio_net.entropy import Entropy
from sansio_net.errors import AddressInUseError
from sansio_net.packet import Datagram
from sansio_net.protocols.tcp import Connection, TcpOptions
from sansio_net.protocols.udp import UdpOptions
from sansio_net.stack import (
    Closed,
    ConnectionLost,
    DataReceived,
    EofReceived,
    Event,
    SpaceFreed,
    Stack,
    StackConfig,
)
from sansio_net.testing import Link, Pair
from sansio_net.units import KIB, MINUTE, SECOND

A, B = "10.0.0.1", "10.0.0.2"


class Client:
    """Sends all it has as the space allows; reads only while it is told to."""

    def __init__(self) -> None:
        self.to_send = memoryview(b"")
        self.received = bytearray()
        self.reads = True
        self.ends_after_sending = True
        self.ended: list[str] = []
        self.conn: Connection | None = None

    def start(self, stack: Stack, port: int, data: bytes = b"") -> Connection:
        self.to_send = memoryview(data)
        self.conn = stack.tcp_connect((B, port))
        return self.conn

    def __call__(self, events: Sequence[Event], now: int) -> None:
        for event in events:
            if isinstance(event, Closed | ConnectionLost | EofReceived):
                self.ended.append(type(event).__name__)
        if any(isinstance(e, DataReceived | EofReceived) for e in events):
            self.read()
        if any(type(e).__name__ in ("Connected", "SpaceFreed") for e in events):
            self.send()

    def send(self) -> None:
        assert self.conn is not None
        if self.to_send:
            self.to_send = self.to_send[self.conn.send(self.to_send) :]
        if not self.to_send and self.ends_after_sending:
            self.conn.shutdown()

    def read(self) -> None:
        assert self.conn is not None
        while self.reads and (data := self.conn.recv(10_000)):
            self.received += data


class Net:
    def __init__(self, *ports: tuple[str, int], udp: UdpOptions | None = None) -> None:
        # buffers that stay as they are, so that a reader can be too slow for them
        tcp = TcpOptions(send_buffer=256 * KIB, receive_buffer=256 * KIB)
        config = StackConfig(tcp=tcp)
        self.a = Stack(config, Entropy.of(1).bytes(32))
        config = StackConfig(tcp=tcp)
        if udp is not None:
            config.udp = udp
        self.b = Stack(config, Entropy.of(2).bytes(32))
        for stack, address in ((self.a, A), (self.b, B)):
            stack.add_interface(addresses=[f"{address}/24"])
        self.services = Services(self.b, Entropy.of(3))
        self.services.open(ports)
        self.client = Client()
        self.pair: Pair[Event] = Pair(
            self.a,
            self.b,
            Link(1, latency="1ms"),
            app_a=self.client,
            app_b=self.services,
        )

    def udp_answers(self, *datagrams: bytes, port: int, local: int = 0) -> list[bytes]:
        sock = self.a.udp_bind(("", local), peer=(B, port))
        for datagram in datagrams:
            sock.send(datagram)
        self.pair.run_for(SECOND)
        answers = []
        while (got := sock.receive()) is not None:
            answers.append(got.data)
        sock.close()
        return answers


PATTERN = b"".join(b"%07d\n" % n for n in range(400_000))


def test_echo_gives_everything_back_and_ends_with_its_peer() -> None:
    net = Net(("echo", 7))
    net.client.start(net.a, 7, PATTERN)
    net.pair.run_for(MINUTE)
    assert net.client.received == PATTERN
    assert net.client.ended == ["EofReceived", "Closed"]
    assert net.b.connections() == []
    assert not net.services._conversations


def test_echo_to_a_peer_that_does_not_read_stops_reading_and_loses_nothing() -> None:
    net = Net(("echo", 7))
    net.client.reads = False
    conn = net.client.start(net.a, 7, PATTERN)
    net.pair.run_for(MINUTE)
    # far from all of it was taken: buffers are full, the windows are closed
    assert len(net.client.to_send) > len(PATTERN) // 3
    (theirs,) = net.b.connections()
    assert theirs.pending > 0
    net.client.reads = True
    net.client.read()
    net.pair.run_for(10 * MINUTE)
    assert net.client.received == PATTERN
    assert conn.state.name in ("TIME_WAIT", "CLOSED")


def test_discard_takes_everything_and_says_nothing() -> None:
    net = Net(("discard", 9))
    net.client.start(net.a, 9, PATTERN)
    net.pair.run_for(MINUTE)
    assert not net.client.to_send
    assert net.client.received == b""
    assert net.client.ended == ["EofReceived", "Closed"]


def test_chargen_is_paced_by_its_reader() -> None:
    net = Net(("chargen", 19))
    net.client.ends_after_sending = False
    net.client.reads = False
    conn = net.client.start(net.a, 19)
    net.pair.run_for(MINUTE)
    before = net.b.counters()["eth0.tx_bytes"]
    net.pair.run_for(MINUTE)
    # window probes and no more
    assert net.b.counters()["eth0.tx_bytes"] - before < 10_000
    got = bytearray()
    while len(got) < 3_000_000:
        got += conn.recv(10_000) or b""
        net.pair.run_for(SECOND // 100)
    block = chargen_block()
    expected = (block * (len(got) // len(block) + 1))[: len(got)]
    assert got == expected
    conn.abort()
    net.pair.run_for(SECOND)
    assert net.b.connections() == []
    assert not net.services._conversations


def test_chargen_ends_with_its_peer() -> None:
    net = Net(("chargen", 19))
    net.client.start(net.a, 19)  # half-closes at once
    net.pair.run_for(MINUTE)
    assert net.client.ended == ["EofReceived", "Closed"]
    assert net.client.received.startswith(b' !"#$')


def test_the_lines_of_chargen() -> None:
    lines = chargen_block().split(b"\r\n")
    assert lines[-1] == b""
    assert {len(line) for line in lines[:-1]} == {72}
    assert len(lines) == 96
    assert lines[1] == lines[0][1:] + b"h"
    assert lines[94].startswith(b"~ !")


def test_datagrams() -> None:
    net = Net(("echo", 7), ("discard", 9), ("chargen", 19))
    assert net.udp_answers(b"one", b"", b"three", port=7) == [b"one", b"", b"three"]
    assert net.udp_answers(b"one", b"two", port=9) == []
    texts = net.udp_answers(*[b"x"] * 20, port=19)
    assert len(texts) == 20
    assert all(chargen_block().startswith(text) for text in texts)
    assert len({len(text) for text in texts}) > 1
    assert max(map(len, texts)) <= 512


@pytest.mark.parametrize("port", [1, 7, 9, 13, 17, 19, 37, 53, 69, 123, 1023])
def test_services_do_not_talk_to_each_other_for_ever(port: int) -> None:
    net = Net(("echo", 8888), ("discard", 9))
    assert net.udp_answers(b"x", port=8888, local=port) == []
    assert net.udp_answers(b"x", port=8888, local=4000) == [b"x"]


def test_an_answer_that_does_not_fit_waits() -> None:
    net = Net(("echo", 7), udp=UdpOptions(send_bytes=3000))
    net.udp_answers(b"the neighbours know each other now", port=7)
    answers = net.udp_answers(*[b"%03d" % n + bytes(1200) for n in range(20)], port=7)
    assert [answer[:3] for answer in answers] == [b"%03d" % n for n in range(20)]


def test_a_datagram_that_nobody_can_be_answered() -> None:
    net = Net(("echo", 7))
    service = next(iter(net.services._datagrams.values()))
    net.b.interface("eth0").remove_address(f"{B}/24")
    service._send(b"x", Datagram(b"x", (A, 4000), (B, 7)))
    assert service._held is None


def test_a_port_that_is_taken() -> None:
    net = Net(("echo", 7))
    with pytest.raises(AddressInUseError):
        net.services.open([("discard", 7)])


def test_events_of_others_are_ignored() -> None:
    net = Net(("echo", 7))
    net.client.start(net.a, 7, b"x")
    (conn,) = net.a.connections()
    net.services([SpaceFreed(conn, 1), EofReceived(conn), Closed(conn)], 0)

"""TCP through routers whose devices cut, complete or do neither, in any mixture."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from sansio_net import Capabilities, Entropy
from sansio_net.protocols.tcp import Connection
from sansio_net.stack import (
    Accepted,
    Connected,
    DataReceived,
    EofReceived,
    Event,
    Interface,
    SpaceFreed,
    Stack,
    StackConfig,
)
from sansio_net.testing import Link, Network
from sansio_net.units import MINUTE

ABILITIES = st.sampled_from(
    [(False, 0), (True, 0), (True, 8000), (True, 65550), (False, 65550)]
)
MTUS = st.sampled_from([1280, 1400, 1500, 9000])


LOSSES = {
    f"drop.{name}"
    for name in (
        "device_metadata",
        "ip_bad_checksum",
        "tcp_bad_checksum",
        "tcp_malformed",
        "output_queue_full",
        "neighbour_queue_full",
        "no_route",
    )
}
"""What is too big for a link is lost as well, and how the path's MTU is found."""


class Transfer:
    """One connection; each end sends all it has and reads to the end."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.sent: dict[Connection, int] = {}
        self.got: dict[Connection, bytes] = {}
        self.ended = 0

    def app(self, events: list[Event], now: int) -> None:
        for event in events:
            if isinstance(event, Accepted | Connected):
                self.sent[event.conn], self.got[event.conn] = 0, b""
                self._write(event.conn)
            elif isinstance(event, SpaceFreed):
                self._write(event.conn)
            elif isinstance(event, DataReceived | EofReceived):
                while data := event.conn.recv(1 << 20):
                    self.got[event.conn] += data
                self.ended += isinstance(event, EofReceived)

    def _write(self, conn: Connection) -> None:
        while self.sent[conn] < len(self.data):
            taken = conn.send(self.data[self.sent[conn] :])
            self.sent[conn] += taken
            if not taken:
                return
        conn.shutdown()


def chain(
    size: int, links: Sequence[tuple[int, tuple[bool, int], tuple[bool, int], bool]]
) -> tuple[Network, list[Stack], str]:
    """Host, routers, host in a row; each link with its MTU and the ends' abilities."""
    network = Network(record=0)
    stacks = [
        Stack(
            StackConfig(forward=0 < n < len(links)),
            Entropy.of(n).bytes(32),
        )
        for n in range(len(links) + 1)
    ]
    for n, (mtu, left, right, carries) in enumerate(links):
        ends: list[Interface] = []
        for side, (checksum, gso_max) in enumerate((left, right)):
            host = (
                f"10.0.{n}.{side + 1}/24" if size == 4 else f"fd00:{n}::{side + 1}/64"
            )
            ends.append(
                stacks[n + side].add_interface(
                    addresses=[host],
                    capabilities=Capabilities(
                        mtu=mtu, checksum=checksum, gso_max=gso_max
                    ),
                    dad=False,
                )
            )
        network.connect(*ends, Link(n, offload=carries))
    for n, stack in enumerate(stacks):
        last = len(links) - 1
        for target in range(len(links)):
            name = f"10.0.{target}.0/24" if size == 4 else f"fd00:{target}::/64"
            via = "10.0.{}.{}" if size == 4 else "fd00:{}::{}"
            if target > n and n <= last:
                stack.add_route(name, via=via.format(n, 2))
            elif target < n - 1:
                stack.add_route(name, via=via.format(n - 1, 1))
    far = f"10.0.{len(links) - 1}.2" if size == 4 else f"fd00:{len(links) - 1}::2"
    return network, stacks, far


@given(
    st.sampled_from([4, 16]),
    st.lists(
        st.tuples(MTUS, ABILITIES, ABILITIES, st.booleans()), min_size=2, max_size=4
    ),
    st.integers(1, 60_000),
)
def test_every_byte_arrives(
    size: int,
    links: list[tuple[int, tuple[bool, int], tuple[bool, int], bool]],
    n_bytes: int,
) -> None:
    network, stacks, far = chain(size, links)
    transfer = Transfer((bytes(range(251)) * 600)[:n_bytes])
    network.apps = dict.fromkeys(stacks, transfer.app)
    stacks[-1].tcp_listen(("", 80))
    stacks[0].tcp_connect((far, 80))
    began = network.now
    assert network.run_until(lambda: transfer.ended == 2)
    assert network.now - began < MINUTE
    assert list(transfer.got.values()) == [transfer.data] * 2
    for stack in stacks:
        drops = {name for name in stack.counters() if name.startswith("drop.")}
        assert not drops & LOSSES, drops
    for link in network.links:
        for end in (0, 1):
            assert not link.counts(end).malformed
            assert not link.counts(end).too_big

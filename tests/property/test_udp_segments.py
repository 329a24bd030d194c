"""Many datagrams in one send: whatever the devices can, each arrives as it was."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from sansio_net import Capabilities, Datagram, Entropy
from sansio_net.errors import LimitError, MessageTooLongError
from sansio_net.protocols.udp import UdpSocket
from sansio_net.stack import Stack, StackConfig
from sansio_net.testing import Link, Network

ABLE = st.sampled_from(
    [
        Capabilities(),
        Capabilities(checksum=True),
        Capabilities(checksum=True, gso_max=65_535),
        Capabilities(checksum=True, gso_max=65_535, uso=True),
        Capabilities(checksum=True, gso_max=4_000, uso=True),
    ]
)
ADDRESSES = (["10.1.0.2", "fd00:1::2"], ["10.2.0.2", "fd00:2::2"])
TOP = (28, 48)
TEXT = bytes(range(256)) * 256


class Road:
    """Two hosts, and a router of ours between them. able: of the hosts' devices, then
    of the router's.
    """

    def __init__(self, able: list[Capabilities], loss: int, mtu: int) -> None:
        self.network = Network()
        self.hosts: list[Stack] = []
        router = Stack(StackConfig(forward=True), Entropy.of(9).bytes(32))
        for n in (0, 1):
            host = Stack(StackConfig(), Entropy.of(n).bytes(32))
            # what a device cannot cut the stack has cut: the wire carries what comes
            link = Link(n, offload=True, loss=loss)
            size = mtu if n else 1500
            near = host.add_interface(
                addresses=[f"10.{n + 1}.0.2/24", f"fd00:{n + 1}::2/64"],
                capabilities=replace(able[n], mtu=size),
                dad=False,
            )
            far = router.add_interface(
                addresses=[f"10.{n + 1}.0.1/24", f"fd00:{n + 1}::1/64"],
                capabilities=replace(able[2 + n], mtu=size),
                dad=False,
            )
            host.add_route("default", via=f"10.{n + 1}.0.1")
            host.add_route("::/0", via=f"fd00:{n + 1}::1")
            self.network.connect(near, far, link)
            self.hosts.append(host)
        self.network.run_until_idle()


def taken(sock: UdpSocket) -> Iterator[Datagram]:
    while (datagram := sock.receive()) is not None:
        yield datagram


@given(
    able=st.lists(ABLE, min_size=4, max_size=4),
    family=st.sampled_from([0, 1]),
    sends=st.lists(
        st.tuples(st.integers(0, 65_000), st.integers(1, 2_000)), max_size=6
    ),
    gro=st.booleans(),
    mtu=st.sampled_from([1500, 1300, 1280]),
)
def test_each_datagram_arrives_as_it_was(
    able: list[Capabilities],
    family: int,
    sends: list[tuple[int, int]],
    gro: bool,
    mtu: int,
) -> None:
    road = Road(able, 0, mtu)
    one, other = road.hosts
    far = other.udp_bind(("", 7))
    far.set(gro=gro)
    near = one.udp_bind(("", 9))
    for size, segment in sends:
        data = TEXT[:size]
        try:
            near.send_to(data, (ADDRESSES[1][family], 7), segment_size=segment)
        except MessageTooLongError:
            assert min(size, segment) + TOP[family] > (1280 if family else 1500)
            continue
        except ValueError:
            assert size > 64 * segment
            continue
        except LimitError:
            raise AssertionError("nothing waits") from None
        road.network.run_until_idle()
        expected = [data[at : at + segment] for at in range(0, size, segment)] or [b""]
        got: list[bytes] = []
        for datagram in taken(far):
            step = datagram.segment_size
            assert gro or not step
            assert not step or len(datagram.data) > step
            step = step or max(len(datagram.data), 1)
            got += [
                datagram.data[at : at + step]
                for at in range(0, max(len(datagram.data), 1), step)
            ]
        lost = other.counters().get("drop.udp_queue_full", 0)
        fits = min(size, segment) + TOP[family] <= mtu
        if fits and not lost:
            assert got == expected
        else:
            # IPv6: the first of them told the sender of the path
            assert set(got) <= set(expected)
        if lost:
            return
    assert not any("malformed" in name or "bad_" in name for name in other.counters())

"""One device, several ports: sorted by tags, bounded, ended together."""

from __future__ import annotations

import pytest

from sansio_net.drivers import Loop, Trunk, turn
from sansio_net.drivers.trunk import QUEUE_FRAMES
from sansio_net.errors import DeviceGone, StateError
from sansio_net.machine import ASAP
from sansio_net.packet import Capabilities, Medium

from .fakes import FakeDevice, FakeNic, FakeStack, SocketDevice

MACS = bytes(12)
BARE = MACS + b"\x08\x00" + bytes(46)
PRIORITY = MACS + b"\x81\0\xe0\0\x08\x00" + bytes(42)
SEVEN = MACS + b"\x81\0\xe0\x07\x08\x00" + bytes(42)
EIGHT = MACS + b"\x81\0\0\x08\x08\x00" + bytes(42)
STACKED = MACS + b"\x88\xa8\0\x64\x81\0\0\x07\x08\x00" + bytes(38)


class Host:
    """A loop's view of a trunk with three ports on a fake device."""

    def __init__(self, *vlans: int | tuple[int, ...]) -> None:
        self.log: list[object] = []
        self.stack = FakeStack(self.log)
        self.device = FakeDevice("device", self.log)
        self.trunk = Trunk(self.device)
        self.ports = [self.trunk.port(vlan) for vlan in vlans]
        self.nics = [FakeNic(str(vlan), self.log, self.stack) for vlan in vlans]
        self.devices = dict(zip(self.nics, self.ports, strict=True))

    def receive(self, *frames: bytes) -> list[list[bytes]]:
        self.device.inbox.extend(frames)
        return [[one.head for one in port.receive(0)] for port in self.ports]


def test_frames_go_to_the_port_of_their_tags() -> None:
    host = Host((), 7, 8, (100, 7))
    frames = (SEVEN, STACKED, BARE, SEVEN, PRIORITY, EIGHT)
    assert host.receive(*frames) == [
        [BARE, PRIORITY],
        [SEVEN, SEVEN],
        [EIGHT],
        [STACKED],
    ]
    assert host.trunk.counters.as_dict() == {}


def test_what_no_port_has_is_dropped_and_counted() -> None:
    host = Host(7, (7, 8))
    cut = MACS + b"\x81\0\0\x07"
    short = MACS[:9]
    assert host.receive(BARE, EIGHT, STACKED, cut, short, SEVEN) == [[SEVEN], []]
    assert host.trunk.counters.as_dict() == {"drop.vlan": 5}


def test_a_port_that_nobody_asks_has_a_bound() -> None:
    host = Host(7, 8)
    host.device.inbox.extend([EIGHT] * (QUEUE_FRAMES + 3))
    first, second = host.ports
    assert first.receive(0) == []
    assert (second.readable(), second.next_timeout()) == (True, ASAP)
    assert len(second.receive(0)) == QUEUE_FRAMES
    assert host.trunk.counters.as_dict() == {"drop.device_queue_full": 3}
    assert (second.readable(), second.next_timeout()) == (False, None)


def test_both_hear_of_the_carrier_and_share_the_room() -> None:
    host = Host(7, 8)
    host.device.news = False
    first, second = host.ports
    assert first.link() is False
    assert second.next_timeout() == ASAP
    assert (second.link(), second.link(), first.link()) == (False, None, None)
    host.device.space = 3
    host.nics[1].to_send = 2
    turn(host.stack, host.devices, (), 0, lambda *_: None)
    assert ("device", "send", 2) in host.log
    assert ("8", "transmit", 3) in host.log


@pytest.mark.parametrize("method", ["receive", "room", "send", "link"])
def test_all_ports_end_with_the_device(method: str) -> None:
    host = Host(7, 8)
    host.device.inbox.append(SEVEN)
    host.device.fails = method
    for nic in host.nics:
        nic.to_send = 1
    gone: list[str] = []
    with Loop(
        host.stack, host.devices, lambda: 0, gone=lambda nic, _: gone.append(nic.name)
    ) as loop:
        for _ in range(3):
            if method == "receive" and host.device.inbox:
                with pytest.raises(DeviceGone):
                    host.ports[0].receive(0)
            turn(loop.stack, loop.devices, (), 0, lambda *_: None, loop._lose)
    assert sorted(gone) == ["7", "8"]
    assert host.device.closed


def test_a_loop_reads_for_all_of_them() -> None:
    log: list[object] = []
    stack = FakeStack(log)
    device = SocketDevice("device", log)
    trunk = Trunk(device)
    # the port that reads comes last: the others get their frames a turn later
    seven = trunk.port(7)
    eight = trunk.port(8)
    nics = [FakeNic("8", log, stack), FakeNic("7", log, stack)]
    device.peer.send(EIGHT)
    n_turns = 0

    def app(events: list[str], now: int) -> bool:
        return False

    def clock() -> int:
        nonlocal n_turns
        n_turns += 1
        if n_turns > 3:
            loop.stop()
        else:
            loop.wake()
        return n_turns

    with Loop(stack, {nics[0]: eight, nics[1]: seven}, clock) as loop:
        loop.run(app)
    assert ("8", "receive", [EIGHT]) in log
    eight.close()
    assert not device.closed
    seven.close()
    assert device.closed


def test_misuse() -> None:
    host = Host(7)
    with pytest.raises(StateError, match="already"):
        host.trunk.port((7,))
    host.device.capabilities = Capabilities(medium=Medium.IP)
    with pytest.raises(ValueError, match="Ethernet"):
        Trunk(host.device)

"""A stack on a VLAN of a veth; at the other end the tag is put in by hand."""

from __future__ import annotations

import select
import socket
import struct
import subprocess
import time
from collections.abc import Iterator

import pytest

from sansio_net.addresses import pack_ip, pack_mac
from sansio_net.drivers import Device, RawSocketDevice, TapDevice, Trunk, turn
from sansio_net.stack import Interface, Stack
from sansio_net.wire.arp import REQUEST, build_arp, parse_arp
from sansio_net.wire.ethernet import ETHERTYPE_ARP, parse_ethernet

pytestmark = [pytest.mark.root, pytest.mark.usefixtures("namespace")]

MAC, PEER_MAC = pack_mac("02:00:00:00:00:02"), pack_mac("02:00:00:00:00:01")
US, PEER = "10.0.0.2", "10.0.0.1"
SOL_PACKET, PACKET_AUXDATA = 263, 8
AUXDATA = struct.Struct("=IIIHHHH")
VLAN_VALID = 1 << 4

TAG7, TAG8 = b"\x81\0\0\x07", b"\x81\0\0\x08"
PRIORITY7 = b"\x81\0\xe0\x07"  # priority 7
PRIORITY0 = b"\x81\0\xa0\x00"  # no VLAN, only a priority
SERVICE = b"\x88\xa8\0\x64"


def run(command: str) -> None:
    subprocess.run(command.split(), check=True)


class Peer:
    """An AF_PACKET socket on the far end: `ask` says who wants to know."""

    def __init__(self, name: str) -> None:
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self.socket.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        self.socket.setsockopt(SOL_PACKET, 23, 1)  # PACKET_IGNORE_OUTGOING
        self.socket.bind((name, 3))

    def ask(self, tags: bytes, target: str = US) -> None:
        arp = build_arp(REQUEST, PEER_MAC, pack_ip(PEER), bytes(6), pack_ip(target))
        ethertype = ETHERTYPE_ARP.to_bytes(2, "big")
        self.socket.send(b"\xff" * 6 + PEER_MAC + tags + ethertype + arp)

    def answer(self) -> tuple[bytes, tuple[int, ...]] | None:
        """Of an ARP reply to us: who it is from and its tags; None: nothing yet."""
        if not select.select([self.socket], [], [], 0)[0]:
            return None
        frame, ancillary, _, _ = self.socket.recvmsg(2000, 64)
        tags: tuple[int, ...] = ()
        for _, _, value in ancillary:
            status, _, _, _, _, tci, tpid = AUXDATA.unpack_from(value)
            if status & VLAN_VALID:
                tags = (tpid << 16 | tci,)
        header = parse_ethernet(frame)
        if header.ethertype != ETHERTYPE_ARP or header.destination != PEER_MAC:
            return None
        arp = parse_arp(frame, header.size)
        return arp.spa, (*tags, *(0x81000000 | tag for tag in header.vlan))


class Host:
    def __init__(self, device: Device, *vlans: tuple[int, ...]) -> None:
        self.stack = Stack(seed=bytes(32))
        self.devices: dict[Interface, Device] = {}
        ports: list[Device] = [device]
        if len(vlans) > 1:
            trunk = Trunk(device)
            ports = [trunk.port(vlan) for vlan in vlans]
        for n, (vlan, port) in enumerate(zip(vlans, ports, strict=True)):
            nic = self.stack.add_interface(
                mac=MAC,
                addresses=[f"10.0.0.{2 + n}/24"],
                vlan=vlan,
                capabilities=port.capabilities,
            )
            self.devices[nic] = port

    def answers(self, peer: Peer, n: int) -> list[tuple[bytes, tuple[int, ...]]]:
        """The next `n` replies."""
        found = []
        end = time.monotonic() + 10
        while len(found) < n:
            assert time.monotonic() < end, found
            fds = [fd for d in self.devices.values() if (fd := d.fileno()) is not None]
            select.select([*fds, peer.socket], [], [], 0.1)
            now = time.monotonic_ns()
            arrived = [(nic, d.receive(now)) for nic, d in self.devices.items()]
            turn(self.stack, self.devices, arrived, now, lambda *_: None)
            answer = peer.answer()
            if answer is not None:
                found.append(answer)
        return found


@pytest.fixture(params=["virtio headers", "status alone", "tap"])
def ends(request: pytest.FixtureRequest) -> Iterator[tuple[Device, Peer]]:
    """Our device, and a socket of the host at the other end of its cable."""
    device: Device
    run("sysctl -qw net.ipv6.conf.default.disable_ipv6=1")  # nobody else speaks
    if request.param == "tap":
        device = TapDevice("tap0")
        theirs = "tap0"
    else:
        run("ip link add ours type veth peer name theirs")
        run("ip link set ours up")
        run("ip link set theirs up")
        theirs = "theirs"
        device = RawSocketDevice("ours", vnet=request.param == "virtio headers")
    peer = Peer(theirs)
    yield device, peer
    device.close()
    peer.socket.close()


@pytest.mark.parametrize(
    ("vlans", "own", "others", "answered"),
    [
        ((), b"", [TAG7, SERVICE + TAG7], ()),
        ((), PRIORITY0, [TAG7, PRIORITY7], ()),
        ((7,), TAG7, [b"", TAG8, PRIORITY0, SERVICE + TAG7], (0x81000007,)),
        ((7,), PRIORITY7, [PRIORITY0, TAG7 + TAG8], (0x81000007,)),
        ((100, 7), SERVICE + TAG7, [TAG7, SERVICE], (0x88A80064, 0x81000007)),
    ],
)
def test_only_its_own_frames(
    ends: tuple[Device, Peer],
    vlans: tuple[int, ...],
    own: bytes,
    others: list[bytes],
    answered: tuple[int, ...],
) -> None:
    device, peer = ends
    host = Host(device, vlans)
    for tags in (*others, own):
        peer.ask(tags)
    # frames keep their order: the one answer is to the last
    assert host.answers(peer, 1) == [(pack_ip(US), answered)]
    assert host.stack.counters()["drop.vlan"] == len(others)


def test_several_on_one_device(ends: tuple[Device, Peer]) -> None:
    device, peer = ends
    host = Host(device, (7,), (), (100, 7))
    for tags, target in (
        (TAG8, "10.0.0.2"),
        (SERVICE + TAG7, "10.0.0.4"),
        (b"", "10.0.0.3"),
        (TAG7, "10.0.0.2"),
        (TAG7, "10.0.0.3"),  # not there
        (PRIORITY0, "10.0.0.3"),
    ):
        peer.ask(tags, target)
    found = host.answers(peer, 4)
    assert sorted(found) == [
        (pack_ip("10.0.0.2"), (0x81000007,)),
        (pack_ip("10.0.0.3"), ()),
        (pack_ip("10.0.0.3"), ()),
        (pack_ip("10.0.0.4"), (0x88A80064, 0x81000007)),
    ]

"""How often a byte of payload is copied on its way, by the allocator's own account.

A copy of payload is a new object, so the bytes that were allocated in large blocks,
divided by those that were carried, is the number of copies. glibc's mtrace(3) writes
every allocation down: ``python -m tests.drivers.copies`` starts itself again with it
and prints the table of docs/offload.md as JSON; with names, these rows alone.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sansio_net import Capabilities, Entropy
from sansio_net.adapters.asyncio import open_nic
from sansio_net.capture import Recording
from sansio_net.drivers import Device, run
from sansio_net.drivers.descriptor import READ_SIZE
from sansio_net.drivers.tap import TapDevice
from sansio_net.packet import Medium
from sansio_net.protocols.tcp import Connection
from sansio_net.protocols.udp import UdpSocket
from sansio_net.stack import Event, Interface, Stack, StackConfig
from sansio_net.stack.events import (
    Accepted,
    Connected,
    DataReceived,
    EofReceived,
    SpaceFreed,
)
from sansio_net.units import MILLISECOND, SECOND

LIBRARY: Final = "libc_malloc_debug.so.0"
LEAST: Final = 1024
"""Blocks below this are headers and the objects of the machines."""
SIZE: Final = 1 << 18
READ_BLOCK: Final = READ_SIZE + sys.getsizeof(b"")
LINE: Final = re.compile(r"@ .*?([<>+-]) (0x[0-9a-f]+)(?: (0x[0-9a-f]+))?$")


class Meter:
    """Counts what is allocated while it is on."""

    def __init__(self) -> None:
        library = ctypes.CDLL(LIBRARY)
        dlvsym = ctypes.CDLL(None).dlvsym
        dlvsym.restype = ctypes.c_void_p
        dlvsym.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p]
        # old names, that the loader alone finds
        self._start, self._stop = (
            ctypes.CFUNCTYPE(None)(dlvsym(library._handle, name, b"GLIBC_2.2.5"))
            for name in (b"mtrace", b"muntrace")
        )
        self.bytes = 0

    @contextmanager
    def on(self) -> Iterator[None]:
        self._start()
        try:
            yield
        finally:
            self._stop()
            self.bytes += allocated(Path(os.environ["MALLOC_TRACE"]).read_text())


def allocated(text: str) -> int:
    """Bytes in large new blocks, as large as they stayed: a read gets a block for the
    longest frame, and gives back what was not needed, or all of it.
    """
    total, sizes = 0, dict[str, int]()
    moved = 0
    for line in text.splitlines():
        found = LINE.match(line)
        if found is None:
            continue
        what, place, size = found[1], found[2], int(found[3] or "0", 16)
        if what == "<":
            moved = sizes.pop(place, 0)
        elif what == ">":
            sizes[place] = size
            total += counted(size) - counted(moved)
        elif what == "+":
            sizes[place] = size
            total += counted(size)
        elif sizes.pop(place, 0) == READ_BLOCK:
            total -= READ_BLOCK  # nothing was there to be read
    return total


def counted(size: int) -> int:
    return size if size >= LEAST else 0


class End:
    """A stack on one end of a socket pair."""

    def __init__(self, *links: tuple[int, str], offload: str, gro: bool) -> None:
        self.stack = Stack(StackConfig(forward=len(links) > 1), Entropy.of(1).bytes(32))
        self.devices: dict[Interface, Device] = {}
        for fd, address in links:
            vnet = offload != "none"
            device = TapDevice.from_fd(fd, Medium.IP, vnet)
            if vnet:
                full = offload == "full"
                gso_max = 65_535 if full else 0
                device.capabilities = Capabilities(
                    medium=Medium.IP, checksum=True, gso_max=gso_max, uso=full
                )
            nic = self.stack.add_interface(
                addresses=[address], capabilities=device.capabilities
            )
            self.devices[nic] = device
        self.gro = gro
        self.socks: list[UdpSocket] = []
        self.conns: list[Connection] = []

    def turn(self, now: int) -> bool:
        """True: something came or went."""
        busy = False
        for nic, device in self.devices.items():
            while packets := device.receive(now):
                nic.receive(packets, now)
                busy = True
        self.stack.handle_timeout(now)
        for event in self.stack.events():
            if isinstance(event, Accepted | Connected):
                self.conns.append(event.conn)
        for nic, device in self.devices.items():
            while packets := nic.transmit(now, device.room()):
                device.send(packets, now)
                busy = True
        return busy


class Road:
    """Two stacks, or three with a router between them; whose turns are metered."""

    def __init__(
        self,
        offload: str = "full",
        *,
        metered: str,
        router: bool = False,
        gro: bool = False,
        capture: str = "",
    ) -> None:
        self.meter = Meter()
        self.now = SECOND
        pairs = [_pair() for _ in range(2 if router else 1)]
        left, right = (pairs[0][0], "10.0.0.2/24"), (pairs[-1][1], "10.0.0.3/24")
        if router:
            right = (pairs[-1][1], "10.1.0.2/24")
        self.ends = {
            "left": End(left, offload="full" if router else offload, gro=gro),
            "right": End(right, offload="full" if router else offload, gro=gro),
        }
        if router:
            middle = ((pairs[0][1], "10.0.0.1/24"), (pairs[1][0], "10.1.0.1/24"))
            self.ends["router"] = End(*middle, offload=offload, gro=gro)
            self.ends["left"].stack.add_route("default", via="10.0.0.1")
            self.ends["right"].stack.add_route("default", via="10.1.0.1")
        self.far = "10.1.0.2" if router else "10.0.0.3"
        self.metered = metered
        self.recording: Recording | None = None
        if capture:
            # the file is somebody else's memory
            self.recording = Recording(lambda data: None, flatten=capture == "flat")
            end = self.ends[metered]
            for nic, device in list(end.devices.items()):
                end.devices[nic] = self.recording.device(device, nic)

    def turns(self, end: str, meter: bool = True) -> bool:
        if self.recording is not None and end == self.metered:
            self.recording.open_turn(self.now)
        if not meter or end != self.metered:
            return self.ends[end].turn(self.now)
        with self.meter.on():
            return self.ends[end].turn(self.now)

    def settle(self, meter: bool = True) -> None:
        for _ in range(10_000):
            busy = [self.turns(end, meter) for end in self.ends]
            if not any(busy):
                due = [end.stack.next_timeout() for end in self.ends.values()]
                if not any(one is not None and one <= self.now for one in due):
                    return
            self.now += MILLISECOND // 10
        raise AssertionError("never idle")

    def connected(self) -> tuple[Connection, Connection]:
        """With windows that are open wide: what is measured is copies."""
        self.ends["right"].stack.tcp_listen(("", 7))
        self.ends["left"].stack.tcp_connect((self.far, 7))
        self.settle(meter=False)
        left, right = self.ends["left"].conns[0], self.ends["right"].conns[0]
        for _ in range(6):
            left.send(bytes(100_000))
            self.settle(meter=False)
            while right.pending:
                right.recv(1 << 20)
            self.settle(meter=False)
        return left, right


def _pair() -> tuple[int, int]:
    ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for end in ends:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    return ends[0].detach(), ends[1].detach()


def tcp_out(offload: str = "full", capture: str = "") -> float:
    road = Road(offload, metered="left", capture=capture)
    left, right = road.connected()
    data = os.urandom(SIZE)
    sent = got = 0
    while got < SIZE:
        with road.meter.on():
            # what the buffer has no room for is not given again as a copy
            sent += left.send(memoryview(data)[sent:])
        road.settle()
        while right.pending:
            got += len(right.recv(1 << 20) or b"")
        road.settle(meter=False)
    return road.meter.bytes / SIZE


def tcp_in(offload: str = "full", how: str = "recv", capture: str = "") -> float:
    road = Road(offload, metered="right", capture=capture)
    left, right = road.connected()
    data = os.urandom(SIZE)
    sent = got = 0
    while got < SIZE:
        sent += left.send(memoryview(data)[sent:])
        road.settle()
        with road.meter.on():
            while right.pending:
                if how == "recv":
                    got += len(right.recv(1 << 20) or b"")
                else:
                    got += sum(map(len, right.recv_chunks()))
        road.settle(meter=False)
    return road.meter.bytes / SIZE


def udp(which: str, offload: str, segment: int, gro: bool = False) -> float:
    road = Road(offload, metered=which, gro=gro)
    near = road.ends["left"].stack.udp_bind(("", 5))
    far = road.ends["right"].stack.udp_bind(("", 7))
    far.set(gro=gro)
    size = segment * 40
    data = os.urandom(size)
    total = 0
    for _ in range(4):
        with road.meter.on() if which == "left" else _nothing():
            near.send_to(data, (road.far, 7), segment_size=segment)
        road.settle()
        with road.meter.on() if which == "right" else _nothing():
            while (datagram := far.receive()) is not None:
                total += len(datagram.data)
    assert total == 4 * size
    return road.meter.bytes / total


@contextmanager
def _nothing() -> Iterator[None]:
    yield


def forwarded(offload: str) -> float:
    road = Road(offload, metered="router", router=True)
    left, right = road.connected()
    data = os.urandom(SIZE)
    sent = got = 0
    while got < SIZE:
        sent += left.send(memoryview(data)[sent:])
        road.settle()
        while right.pending:
            got += len(right.recv(1 << 20) or b"")
        road.settle(meter=False)
    return road.meter.bytes / SIZE


# -- asyncio, whose turns are the loop's: all of the process is metered, the peer has
# one of its own


class Far(asyncio.Protocol):
    """Writes all at once, or reads all, and says when it is over."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.n_received = 0
        self.over = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        if self.data:
            transport.write(self.data)
            transport.write_eof()

    def data_received(self, data: bytes) -> None:
        assert type(data) is bytes
        self.n_received += len(data)

    def connection_lost(self, error: Exception | None) -> None:
        self.over.set_result(error)


async def _through_asyncio(data: bytes) -> float:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    plain = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
    fd = theirs.fileno()
    argv = [sys.executable, "-m", __spec__.name, "peer", str(fd)]
    peer = await asyncio.create_subprocess_exec(*argv, pass_fds=[fd], env=plain)
    theirs.close()
    device = TapDevice.from_fd(ours.detach(), Medium.IP, True)
    meter = Meter()
    async with open_nic(device, ["10.0.0.2/24"]) as nic:
        with meter.on():
            _, far = await nic.create_connection(
                lambda: Far(data), "10.0.0.3", 7 if data else 8
            )
            assert await far.over is None
    peer.terminate()
    await peer.wait()
    assert data or far.n_received == SIZE
    return meter.bytes / SIZE


def peer(fd: int) -> None:
    """Reads what comes to port 7, sends to who comes to port 8; until it is ended."""
    end = End((fd, "10.0.0.3/24"), offload="full", gro=False)
    end.stack.tcp_listen(("", 7))
    end.stack.tcp_listen(("", 8))
    data, left = os.urandom(SIZE), dict[Connection, int]()

    def app(events: Sequence[Event], now: int) -> bool:
        for event in events:
            if isinstance(event, Accepted):
                left[event.conn] = SIZE if event.listener.local[1] == 8 else 0
            if isinstance(event, Accepted | SpaceFreed):
                conn = event.conn
                if left[conn]:
                    left[conn] -= conn.send(memoryview(data)[-left[conn] :])
                    if not left[conn]:
                        conn.close()
            elif isinstance(event, DataReceived):
                event.conn.recv_chunks()
            elif isinstance(event, EofReceived):
                event.conn.close()
        return False

    run(end.stack, end.devices, time.monotonic_ns, app)


ROWS: Final[dict[str, Callable[[], float]]] = {
    "TCP out, full": lambda: tcp_out("full"),
    "TCP out, checksum": lambda: tcp_out("checksum"),
    "TCP out, none": lambda: tcp_out("none"),
    "TCP in, full, recv_chunks": lambda: tcp_in("full", "chunks"),
    "TCP in, full, recv": lambda: tcp_in("full"),
    "TCP in, checksum, recv": lambda: tcp_in("checksum"),
    "TCP in, none, recv": lambda: tcp_in("none"),
    "UDP out, full": lambda: udp("left", "full", 1400),
    "UDP out, checksum": lambda: udp("left", "checksum", 1400),
    "UDP out, none": lambda: udp("left", "none", 1400),
    "UDP in, full, gro": lambda: udp("right", "full", 1400, gro=True),
    "UDP in, full": lambda: udp("right", "full", 1400),
    "UDP in, none": lambda: udp("right", "none", 1400),
    "forwarded, full": lambda: forwarded("full"),
    "forwarded, checksum": lambda: forwarded("checksum"),
    "asyncio, write": lambda: asyncio.run(_through_asyncio(os.urandom(SIZE))),
    "asyncio, data_received": lambda: asyncio.run(_through_asyncio(b"")),
    "TCP out, full, recorded": lambda: tcp_out("full", "whole"),
    "TCP out, full, recorded flat": lambda: tcp_out("full", "flat"),
    "TCP in, full, recv, recorded": lambda: tcp_in("full", capture="whole"),
    "TCP in, full, recv, recorded flat": lambda: tcp_in("full", capture="flat"),
}


def measured(names: list[str]) -> dict[str, float]:
    """In a process of its own, with mtrace's library in front of the allocator."""
    with tempfile.NamedTemporaryFile() as file:
        environment = {
            **os.environ,
            "LD_PRELOAD": LIBRARY,
            "MALLOC_TRACE": file.name,
            "PYTHONMALLOC": "malloc",
        }
        done = subprocess.run(
            [sys.executable, "-m", __spec__.name, *(names or ROWS)],
            env=environment,
            capture_output=True,
            text=True,
        )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


if __name__ == "__main__":
    if sys.argv[1:2] == ["peer"]:
        peer(int(sys.argv[2]))
    elif "MALLOC_TRACE" in os.environ:
        print(json.dumps({name: round(ROWS[name](), 2) for name in sys.argv[1:]}))
    else:
        for name, copies in measured(sys.argv[1:]).items():
            print(f"{copies:6.2f}  {name}")

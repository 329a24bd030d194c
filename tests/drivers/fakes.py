"""A stack and devices that only write down what the loop does with them."""

from __future__ import annotations

import os
import socket
from collections import deque
from collections.abc import Sequence

from sansio_net.errors import DeviceGone
from sansio_net.machine import ASAP
from sansio_net.packet import Capabilities, Packet


class FakeStack:
    def __init__(self, log: list[object]) -> None:
        self.log = log
        self.rounds: deque[list[str]] = deque()
        self.due: int | None = None

    def handle_timeout(self, now: int) -> None:
        self.log.append(("timeout", now))

    def next_timeout(self) -> int | None:
        return ASAP if self.rounds else self.due

    def events(self) -> list[str]:
        return self.rounds.popleft() if self.rounds else []


class FakeNic:
    def __init__(self, name: str, log: list[object], stack: FakeStack) -> None:
        self.name = name
        self.log = log
        self.stack = stack
        self.to_send = 0

    def receive(self, items: Sequence[Packet], now: int) -> None:
        self.log.append((self.name, "receive", [item.head for item in items]))

    def transmit(self, now: int, limit: int = 64) -> list[Packet]:
        self.log.append((self.name, "transmit", limit))
        n = min(limit, self.to_send)
        self.to_send -= n
        return [Packet(b"out")] * n

    def carrier(self, up: bool) -> None:
        self.log.append((self.name, "carrier", up))
        self.stack.rounds.append([f"{self.name} {'up' if up else 'down'}"])


class FakeDevice:
    """Without a descriptor; `fails` names the method that raises DeviceGone."""

    capabilities = Capabilities()

    def __init__(self, name: str, log: list[object]) -> None:
        self.name = name
        self.log = log
        self.inbox: deque[bytes] = deque()
        self.due: int | None = None
        self.space = 64
        self.news: bool | None = None
        self.fails = ""
        self.closed = False

    def _maybe_fail(self, method: str) -> None:
        if self.fails == method:
            raise DeviceGone(f"{self.name} in {method}")

    def fileno(self) -> int | None:
        return None

    def readable(self) -> bool:
        return bool(self.inbox)

    def receive(self, now: int) -> list[Packet]:
        self._maybe_fail("receive")
        if self.due is not None and self.due <= now:
            self.due = None
        packets = [Packet(frame) for frame in self.inbox]
        self.inbox.clear()
        return packets

    def room(self) -> int:
        self._maybe_fail("room")
        return self.space

    def send(self, packets: Sequence[Packet], now: int) -> None:
        self._maybe_fail("send")
        self.log.append((self.name, "send", len(packets)))

    def next_timeout(self) -> int | None:
        return self.due

    def link(self) -> bool | None:
        self._maybe_fail("link")
        news, self.news = self.news, None
        return news

    def close(self) -> None:
        self.closed = True


class SocketDevice(FakeDevice):
    """With a descriptor: `peer` is where its frames come from."""

    def __init__(self, name: str, log: list[object]) -> None:
        super().__init__(name, log)
        self._socket, self.peer = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self.hot = False

    def fileno(self) -> int | None:
        return self._socket.fileno()

    def readable(self) -> bool:
        return self.hot

    def receive(self, now: int) -> list[Packet]:
        self._maybe_fail("receive")
        try:
            return [Packet(os.read(self._socket.fileno(), 2048))]
        except BlockingIOError:
            return []

    def close(self) -> None:
        super().close()
        self._socket.close()
        self.peer.close()

"""Our stack with raw sockets that send back what they get, as a test's program.

``python -m tests.interop.raw_station --link tap:tap0 -a 10.0.0.2/24``: protocol 253
comes back reversed; 254 with a header of our own making, of which the stack fills in
what raw(7) says; IPv4 frames of protocol 251 come back by a frame socket, addresses
swapped. ICMP echo requests are counted. A JSON report at Ctrl-C.
"""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from collections.abc import Sequence

from sansio_net.addresses import pack_ip
from sansio_net.cli.links import add_link_options, check_link_options
from sansio_net.cli.session import Session
from sansio_net.errors import MessageTooLongError
from sansio_net.packet import Datagram, Medium
from sansio_net.protocols.raw import FrameSocket, RawSocket
from sansio_net.stack import Event, FrameReceived, RawReceived

REVERSED, WHOLE, FRAMED = 253, 254, 251


class Mirror:
    def __init__(self, session: Session) -> None:
        stack, self.nic = session.stack, session.links[0].nic
        self.session = session
        self.back = stack.raw_open(REVERSED)
        self.whole = stack.raw_open(WHOLE, include_header=True)
        self.pings = [stack.raw_open(1), stack.raw_open(58)]
        self.frames = stack.frame_open(self.nic, 0x0800)
        self.pings[0].set(icmp_filter=~(1 << 8) & 0xFFFFFFFF)
        self.pings[1].set(icmp_filter=~(1 << 128) & (1 << 256) - 1)
        self.counts = {"echo": 0, "echo6": 0, "too_long": 0}
        self.is_ready = False

    def start(self, session: Session) -> None:
        session.loop.call_at(0, lambda now: self.maybe_ready())

    def maybe_ready(self) -> None:
        usable = all(address.usable for address in self.nic.addresses)
        if not self.is_ready and usable and self.nic.has_carrier:
            self.is_ready = True
            print("ready", flush=True)

    def __call__(self, events: Sequence[Event], now: int) -> None:
        self.maybe_ready()
        for event in events:
            if isinstance(event, RawReceived):
                self.received(event.sock)
            elif isinstance(event, FrameReceived):
                self.passed(event.sock)

    def received(self, sock: RawSocket) -> None:
        for datagram in iter(sock.receive, None):
            host = datagram.source[0]
            if sock is self.back:
                sock.send_to(datagram.data[::-1], host)
            elif sock is self.whole:
                self.answer(sock, datagram)
            else:
                self.counts["echo" if sock is self.pings[0] else "echo6"] += 1

    def answer(self, sock: RawSocket, datagram: Datagram) -> None:
        data, host = datagram.data, datagram.source[0]
        to = pack_ip(host)
        if len(to) == 4:
            head = b"\x45" + bytes(7) + b"\x40" + bytes((WHOLE,)) + bytes(6)
            whole = head + to + data[20:]
        else:
            us = pack_ip(datagram.destination[0])
            whole = data[:8] + us + to + data[40:]
        try:
            sock.send_to(whole, host)
        except MessageTooLongError:
            self.counts["too_long"] += 1

    def passed(self, sock: FrameSocket) -> None:
        at = 14 if self.nic.medium is Medium.ETHERNET else 0
        for frame in iter(sock.receive, None):
            data = frame.data
            if data[at + 9] != FRAMED:
                continue
            macs = data[6:12] + data[:6] + data[12:14] if at else b""
            # a sum does not see places: the header's checksum stays right
            swapped = data[at + 16 : at + 20] + data[at + 12 : at + 16]
            sock.send(macs + data[at : at + 12] + swapped + data[at + 20 :])

    def stopped(self, number: int) -> int:
        counters = self.session.stack.counters()
        print(json.dumps({**self.counts, "counters": counters}), flush=True)
        return 0


def main() -> int:
    parser = ArgumentParser()
    add_link_options(parser)
    args = parser.parse_args()
    check_link_options(args)
    session = Session(args)
    return session.run(Mirror(session))


if __name__ == "__main__":
    sys.exit(main())

"""Our stack as a host that is spoken to: events out, commands in, a line of JSON each.

``python -m tests.interop.node --link veth:eth0 --slaac --udp 5000`` prints `ready`,
then every event. A command is a line of words on its input; its answer is the line
with "answer". It uses what any embedder would; `Node` is the test's end of it.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from typing import Any

from sansio_net.addresses import format_ip, pack_mac
from sansio_net.drivers.descriptor import Offload
from sansio_net.drivers.loop import Device, Loop
from sansio_net.drivers.rawsock import RawSocketDevice
from sansio_net.drivers.tap import TapDevice
from sansio_net.entropy import Entropy
from sansio_net.errors import SansioNetError
from sansio_net.protocols.udp import UdpSocket
from sansio_net.stack import (
    DataReceived,
    Event,
    FrameReceived,
    Interface,
    LinkUp,
    Stack,
    StackConfig,
    UdpReceived,
)


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser()
    made.add_argument("--link", required=True)
    made.add_argument("--mac", type=pack_mac)
    made.add_argument("-a", "--address", action="append", default=[])
    made.add_argument("--no-dad", action="store_true")
    made.add_argument("--slaac", action="store_true")
    made.add_argument("--seed", type=int, default=1)
    made.add_argument("--udp", type=int, help="a socket on this port")
    made.add_argument("--watch", type=str.encode, help="frames with this in them")
    made.add_argument(
        "--set", action="append", default=[], help="slaac.temporary=1, in ns and bytes"
    )
    return made


def config_of(words: list[str]) -> StackConfig:
    config = StackConfig()
    for word in words:
        path, _, value = word.partition("=")
        *parts, name = path.split(".")
        owner: Any = config
        for part in parts:
            owner = getattr(owner, part)
        getattr(owner, name)  # it has to be there
        setattr(owner, name, int(value))
    return config


class Node:
    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        kind, _, name = args.link.partition(":")
        self.device: Device = (
            RawSocketDevice(name, mac=args.mac, offload=Offload.NONE)
            if kind == "veth"
            else TapDevice(name, offload=Offload.NONE)
        )
        self.stack = Stack(config_of(args.set), Entropy.of(args.seed).bytes(32))
        self.nic = self.stack.add_interface(
            mac=args.mac,
            addresses=args.address,
            mtu=self.device.capabilities.mtu,
            capabilities=self.device.capabilities,
            dad=not args.no_dad,
            slaac=args.slaac,
        )
        self.socket: UdpSocket | None = None
        if args.udp:
            self.socket = self.stack.udp_bind(("", args.udp))
        if args.watch:
            self.stack.frame_open(self.nic)
        self.pieces = b""
        self.is_ready = False
        self.loop: Loop[Interface, Event] = Loop(self.stack, {self.nic: self.device})

    def run(self) -> None:
        with self.loop:
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, lambda *_: self.loop.stop())
            os.set_blocking(0, False)
            self.loop.watch(0, self.read)
            # after the first turn the device has been asked for its carrier
            self.loop.call_at(0, lambda now: self.loop.call_at(now + 1, self.ready))
            self.loop.run(self)
        self.device.close()

    def ready(self, now: int) -> None:
        if self.nic.has_carrier and not self.is_ready:
            self.is_ready = True
            print("ready", flush=True)

    def __call__(self, events: list[Event], now: int) -> None:
        for event in events:
            if isinstance(event, LinkUp):
                self.ready(now)
            if isinstance(event, FrameReceived):
                while (frame := event.sock.receive()) is not None:
                    _, found, text = bytes(frame.data).partition(self.args.watch)
                    if found:
                        say(event="Frame", text=text.decode())
                continue
            if isinstance(event, UdpReceived):
                while (datagram := event.sock.receive()) is not None:
                    data = bytes(datagram.data)
                    say(
                        event="UdpReceived",
                        source=datagram.source[0],
                        destination=datagram.destination[0],
                        data=data[:64].decode("latin-1"),
                        size=len(data),
                        ttl=datagram.ttl,
                    )
                continue
            if isinstance(event, DataReceived):
                data = event.conn.recv(65536) or b""
                say(event="Said", peer=event.conn.peer[0], data=data.decode("latin-1"))
                event.conn.close()
                continue
            fields = {
                name: plain(getattr(event, name)) for name in type(event).__slots__
            }
            say(event=type(event).__name__, **fields)

    def read(self, now: int) -> None:
        data = os.read(0, 65536)
        if not data:
            self.loop.unwatch(0)
        *lines, self.pieces = (self.pieces + data).split(b"\n")
        for line in lines:
            word, *words = line.decode().split()
            try:
                answer = getattr(self, f"do_{word}")(*words)
            except (SansioNetError, ValueError) as error:
                answer = {"error": type(error).__name__, "text": str(error)}
            say(answer=answer)

    # -- commands

    def do_tables(self) -> dict[str, tuple[int, int]]:
        """How much is in each table that strangers fill, and its bound."""
        nic, stack, config = self.nic, self.stack, self.stack.config
        assert nic.arp is not None
        assert nic.ndp is not None
        slaac = config.slaac
        typed = len(self.args.address)
        return {
            "arp": (len(nic.arp.neighbours()), config.arp.table_limit),
            "ndp": (len(nic.ndp.neighbours()), config.ndp.table_limit),
            "hops": (len(stack.hops), config.max_hops),
            "redirects": (len(stack.redirects), config.max_hops),
            "paths": (len(stack.datagram_paths), config.max_hops),
            "fragments": (
                stack.reassembler.held_bytes,
                config.reassembly.max_bytes,
            ),
            "addresses": (len(nic.addresses), typed + 1 + slaac.max_addresses),
            "routes": (stack.routes.n_routes, 8 + typed + slaac.max_routes),
            "connections": (len(stack.connections()), config.max_connections),
            "outbox": (len(nic.outbox), config.output_queue),
        }

    def do_state(self) -> dict[str, Any]:
        nic, stack = self.nic, self.stack
        ours = [] if nic.slaac is None else nic.slaac.addresses()
        formed = {one.ip: one for one in ours}
        return {
            "addresses": [
                {
                    "address": str(one),
                    "usable": one.usable,
                    "deprecated": one.deprecated,
                    "formed": one.formed,
                    "temporary": one.ip in formed and formed[one.ip].temporary,
                    "valid_until": formed[one.ip].valid_until
                    if one.ip in formed
                    else None,
                }
                for one in nic.addresses
            ],
            "routes": [[str(route), route.metric] for route in stack.routes],
            "versions": {
                str(size): one.version(self.loop.now)
                for size, one in nic.memberships.items()
            },
            "hop_limit": nic.hop_limit,
            "mtu": nic.mtu_for(bytes(16)),
            "counters": stack.counters(),
            "neighbours": {}
            if nic.ndp is None
            else {format_ip(one.ip): one.state.value for one in (nic.ndp.neighbours())},
        }

    def do_group(self, verb: str, *words: str) -> None:
        """join, leave, block, unblock GROUP [SOURCE]"""
        assert self.socket is not None
        group, *source = words
        if verb in ("join", "leave"):
            only = source[0] if source else None
            getattr(self.socket, verb)(group, nic=self.nic.name, source=only)
        else:
            getattr(self.socket.groups, verb)(group, *source, nic=self.nic.name)

    def do_send(self, host: str, port: str, size: str) -> None:
        assert self.socket is not None
        self.socket.send_to(b"x" * int(size), (host, int(port)))

    def do_ping(self, host: str, size: str) -> None:
        """EchoReplied or EchoFailed follows."""
        self.stack.echo_open(self.nic).send_to(host, 1, b"x" * int(size))

    def do_connect(self, host: str, port: str, text: str) -> None:
        """Say something over TCP; Said follows with what comes back, and the end."""
        conn = self.stack.tcp_connect((host, int(port)))
        conn.send(text.encode() + b"\n")

    def do_add(self, address: str) -> None:
        self.nic.add_address(address)

    def do_remove(self, address: str) -> None:
        self.nic.remove_address(address)

    def do_route(self, destination: str, via: str) -> None:
        self.stack.add_route(destination, via=via, nic=self.nic)


def plain(value: Any) -> Any:
    """What JSON can say of it."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, bytes | memoryview):
        return len(value)
    if isinstance(value, tuple | list):
        return [plain(one) for one in value]
    return getattr(value, "name", None) or str(value)


def say(**what: Any) -> None:
    print(json.dumps(what), flush=True)


if __name__ == "__main__":
    Node(parser().parse_args(sys.argv[1:])).run()

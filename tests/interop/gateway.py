"""Our stack as a router between real networks, as a test's program.

``python -m tests.interop.gateway --link veth:NAME -a 10.0.0.1/24 ... --route
192.0.2.0/24=10.0.0.2`` prints a line of addresses per link and `ready`, and its
counters as JSON at Ctrl-C. The options `-a` and `--offload` belong to the link before
them.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections.abc import Sequence
from typing import Any

from sansio_net.drivers.descriptor import Offload
from sansio_net.drivers.loop import Loop
from sansio_net.drivers.rawsock import RawSocketDevice
from sansio_net.drivers.tap import TapDevice
from sansio_net.entropy import Entropy
from sansio_net.stack import Event, Interface, LinkUp, Stack, StackConfig


class Link(argparse.Action):
    """Each `--link` opens a set of options."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        links = namespace.links
        if option_string == "--link":
            links.append({"name": values, "addresses": [], "offload": "none"})
        elif option_string == "-a":
            links[-1]["addresses"].append(values)
        else:
            links[-1]["offload"] = "full" if option_string == "--offload" else "bare"


def serve(stack: Stack, devices: dict[Interface, TapDevice | RawSocketDevice]) -> None:
    """Until Ctrl-C; `ready` once every cable carries, which may take a second."""
    waiting = True

    def ready(now: int) -> None:
        nonlocal waiting
        if waiting and all(nic.has_carrier for nic in devices):
            waiting = False
            print("ready", flush=True)

    def on(events: list[Event], now: int) -> None:
        if any(isinstance(event, LinkUp) for event in events):
            ready(now)

    with Loop(stack, devices, time.monotonic_ns) as loop:
        signal.signal(signal.SIGINT, lambda *_: loop.stop())
        for nic in devices:
            print(nic.name, *nic.addresses)
        # after the first turn the devices have been asked for their carriers
        loop.call_at(0, lambda now: loop.call_at(now + 1, ready))
        loop.run(on)


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser()
    parser.set_defaults(links=[])
    parser.add_argument("--link", action=Link)
    parser.add_argument("-a", action=Link)
    parser.add_argument("--offload", action=Link, nargs=0)
    parser.add_argument("--bare", action=Link, nargs=0, help="no virtio headers")
    parser.add_argument("--route", action="append", default=[])
    parser.add_argument("--rp-filter", default="off")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args(argv)

    config = StackConfig(forward=True, rp_filter=args.rp_filter)
    stack = Stack(config, Entropy.of(args.seed).bytes(32))
    devices: dict[Interface, TapDevice | RawSocketDevice] = {}
    for link in args.links:
        kind, _, name = link["name"].partition(":")
        device: TapDevice | RawSocketDevice
        if kind == "tap":
            device = TapDevice(name, offload=Offload(link["offload"]))
        else:
            bare = link["offload"] == "bare"
            offload = Offload.NONE if bare else Offload(link["offload"])
            device = RawSocketDevice(name, offload=offload, vnet=not bare)
        nic = stack.add_interface(
            name,
            addresses=link["addresses"],
            capabilities=device.capabilities,
            dad=False,
        )
        devices[nic] = device
    for route in args.route:
        destination, _, via = route.partition("=")
        via, _, name = via.partition("%")
        nic = stack.interface(name) if name else None
        stack.add_route(destination, via=via, nic=nic)
    serve(stack, devices)
    counters = stack.counters()
    for nic, device in devices.items():
        for name, n in device.counters.as_dict().items():
            counters[f"{nic.name}.{name}"] = n
    print(json.dumps(counters), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

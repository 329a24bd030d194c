"""`sansio-net up`: a NIC that answers, with small services on it."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sansio_net.addresses import format_mac
from sansio_net.entropy import Entropy
from sansio_net.errors import MissingExtraError
from sansio_net.stack import AddressAdded, AddressRemoved, Event, LinkUp, StackConfig

from .control import Control, folder
from .errors import MISSING_HTTP, OK, ControlError, UsageError
from .links import OpenLink, add_link_options, check_link_options, host_hint
from .services import Services
from .session import Session, refuse_captures, warn

if TYPE_CHECKING:
    from argparse import _SubParsersAction

NAME: Final = "up"
SERVICES: Final = ("echo", "discard", "chargen")


def parse_port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 65536:
        raise ArgumentTypeError(f"not a port: {text!r}")
    return int(text)


def parse_place(text: str) -> tuple[int, Path]:
    """``PORT:DIR``."""
    port, colon, folder = text.partition(":")
    if not colon or not folder:
        raise ArgumentTypeError(f"not PORT:DIR: {text!r}")
    if not Path(folder).is_dir():
        raise ArgumentTypeError(f"not a directory: {folder}")
    return parse_port(port), Path(folder)


def add_parser(commands: _SubParsersAction[ArgumentParser]) -> None:
    parser = commands.add_parser(NAME, help="bring up a NIC that answers")
    parser.set_defaults(command=command)
    add_link_options(parser, slaac=True)
    parser.add_argument(
        "--forward", action="store_true", help="be a router between the links"
    )
    for kind in SERVICES:
        parser.add_argument(
            f"--{kind}",
            type=parse_port,
            action="append",
            default=[],
            metavar="PORT",
            help=f"{kind} on TCP and UDP; repeatable",
        )
    parser.add_argument(
        "--http",
        type=parse_place,
        action="append",
        default=[],
        metavar="PORT:DIR",
        help="the files below DIR over HTTP; repeatable",
    )
    parser.add_argument(
        "--control",
        type=Path,
        metavar="PATH",
        help="the socket on which `sansio-net ss` is answered",
    )


def command(args: Namespace) -> int:
    check_link_options(args)
    session = open_session(args)
    try:
        control = open_control(session, args.control)
    except BaseException:
        session.loop.close()
        session.close()
        raise
    with control or nullcontext():
        return session.run(Up(session))


def open_session(args: Namespace) -> Session:
    config = StackConfig(forward=args.forward)
    if not args.http:
        return Session(args, config)
    refuse_captures(args, "--http")
    others = {port for kind in SERVICES for port in getattr(args, kind)}
    for port, _ in args.http:
        if port in others:
            raise UsageError(f"port {port} is there twice")
        others.add(port)
    try:
        from .asyncio_loop import AsyncioSession
        from .file_server import serving
    except ImportError as error:
        raise MissingExtraError(MISSING_HTTP.format("--http")) from error
    return AsyncioSession(lambda: serving(args.http), args, config)


def open_control(session: Session, path: Path | None) -> Control | None:
    """Where the path was not chosen, a host that has no place for it does without."""
    if path is None and folder() is None:
        return None
    try:
        return Control(session.stack, session.loop, path)
    except ControlError as error:
        if path is not None:
            raise
        warn(f"no control socket: {error}")
        return None


_NEWS: Final = (LinkUp, AddressAdded, AddressRemoved)


class Up:
    """Says what it offers, then `ready` once frames to all addresses are answered:
    IPv6's have to be checked for duplicates first.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        seed = Entropy(session.stack.entropy.child("services").bytes(32))
        self._services = Services(session.stack, seed)
        self._is_ready = False

    def start(self, session: Session) -> None:
        args = session.args
        ports = [(kind, port) for kind in SERVICES for port in getattr(args, kind)]
        self._services.open(ports)
        for link in session.links:
            self._say_addresses(link)
        if args.forward:
            print("forwarding between the links")
        for kind, port in ports:
            print(f"{kind} on port {port}, TCP and UDP")
        for port, place in args.http:
            print(f"http on port {port}: {place}")
        for link in session.links:
            options = link.options
            hint = host_hint(options.name, link.device, options.addresses)
            if hint is not None:
                print(f"the host's side has no address; type: {hint}", flush=True)
        # after the first turn the stack has said that it is there
        session.loop.call_at(0, self._first_turn)

    def _say_addresses(self, link: OpenLink) -> None:
        mac = f", MAC {format_mac(link.nic.mac)}" if link.nic.mac else ""
        for address in link.options.addresses:
            print(f"{address} on {link.text}{mac}")
        if link.options.slaac:
            print(f"asking routers on {link.text}{mac}")
        if link.options.link_local:
            print(f"choosing a link-local address on {link.text}{mac}")

    def _first_turn(self, now: int) -> None:
        self._session.loop.call_at(now + 1, self._maybe_ready)

    def _maybe_ready(self, now: int) -> None:
        if self._is_ready:
            return
        nics = [link.nic for link in self._session.links]
        for nic in nics:
            if not nic.has_carrier:
                warn(f"{nic.name}: waiting for the carrier")
                return
        if all(address.usable for nic in nics for address in nic.addresses):
            self._is_ready = True
            print("ready", flush=True)

    def __call__(self, events: Sequence[Event], now: int) -> None:
        self._services(events, now)
        for event in events:
            if isinstance(event, AddressAdded):
                self._say_formed(event)
        if not self._is_ready and any(isinstance(one, _NEWS) for one in events):
            self._maybe_ready(now)

    def _say_formed(self, event: AddressAdded) -> None:
        """An address that nobody typed, once it is usable."""
        nic = event.nic
        formed = (
            str(one) for one in nic.addresses if one.formed or one.ip == nic.link_local4
        )
        for link in self._session.links:
            if link.nic is event.nic and event.address in formed:
                print(f"{event.address} on {link.text}", flush=True)

    def stopped(self, number: int) -> int:
        return OK

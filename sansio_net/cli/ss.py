"""`sansio-net ss`: the sockets of running stacks, as iproute2's `ss` shows them."""

from __future__ import annotations

import json
import socket
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from .control import ask, folder, sweep
from .errors import FAILED, OK, ControlError
from .session import warn
from .tables import ALL, CONNECTED, KINDS, LISTENING

if TYPE_CHECKING:
    from argparse import _SubParsersAction

NAME: Final = "ss"
HEADINGS: Final = ("Netid", "State", "Recv-Q", "Send-Q")


def add_parser(commands: _SubParsersAction[ArgumentParser]) -> None:
    parser = commands.add_parser(NAME, help="show the sockets of a running up")
    parser.set_defaults(command=command)
    for flag, name, text in (
        ("-t", "tcp", "TCP"),
        ("-u", "udp", "UDP"),
        ("-l", "listening", "only what listens"),
        ("-a", "all", "also what listens, begins or lingers"),
        ("-n", "numeric", "ports and rates as numbers"),
        ("-i", "info", "what TCP knows of each connection"),
    ):
        parser.add_argument(flag, f"--{name}", action="store_true", help=text)
    parser.add_argument("--json", action="store_true", help="as one JSON array")
    parser.add_argument(
        "--control", type=Path, metavar="PATH", help="the socket of one `up`"
    )


def command(args: Namespace) -> int:
    kinds = [kind for kind in KINDS if getattr(args, kind)] or list(KINDS)
    states = ALL if args.all else LISTENING if args.listening else CONNECTED
    request: dict[str, object] = {"ask": "sockets", "kinds": kinds, "states": states}
    request["info"] = args.info or args.json
    rows: list[dict[str, object]] = []
    answered = 0
    for path in paths(args.control):
        try:
            rows += ask(path, request)
            answered += 1
        except ControlError as error:
            if args.control is not None:
                raise
            warn(str(error))
    if args.json:
        for row in rows:
            row.pop("numbers", None)
        print(json.dumps(rows, indent=1))
    elif answered:
        for line in table(rows, args.numeric, args.info, len(kinds) > 1, answered > 1):
            print(line)
    if not answered:
        warn("no running up answers")
        return FAILED
    return OK


def paths(named: Path | None) -> list[Path]:
    """The socket that was named, or all that live."""
    if named is not None:
        return [named]
    place = folder()
    try:
        return sweep(place) if place is not None and place.is_dir() else []
    except OSError as error:
        raise ControlError(f"{place}: {error.strerror}") from error


def table(
    rows: list[dict[str, object]],
    numeric: bool,
    with_info: bool,
    with_netid: bool,
    with_pid: bool,
) -> list[str]:
    """Columns as wide as they must be; the colons of addresses stand in line."""
    cells = [
        [
            *(str(row[name]) for name in ("netid", "state", "recv_q", "send_q")),
            *endpoint(row, "local", numeric),
            *endpoint(row, "peer", numeric),
            f"pid={row['pid']}" if with_pid else "",
        ]
        for row in rows
    ]
    process = "Process" if with_pid else ""
    heads = [*HEADINGS, "Local Address", "Port", "Peer Address", "Port", process]
    lines = []
    widths = [max(map(len, column)) for column in zip(heads, *cells, strict=True)]
    words = "numbers" if numeric else "words"
    infos = [str(row.get(words, "")) if with_info else "" for row in rows]
    for line, info in zip([heads, *cells], ["", *infos], strict=True):
        padded = [
            cell.rjust(width) if n in (4, 6) else cell.ljust(width)
            for n, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        netid, state, recv_q, send_q, *ends, last = padded
        shown = [netid] if with_netid else []
        shown += [state, recv_q, send_q]
        shown += [f"{ends[0]}:{ends[1]}", f"{ends[2]}:{ends[3]}", last]
        lines.append(" ".join(shown).rstrip())
        if info:
            lines.append(f"\t {info}")
    return lines


def endpoint(row: dict[str, object], name: str, numeric: bool) -> tuple[str, str]:
    """Address and port of one end, as ss writes them."""
    end = row[name]
    if end is None:
        local = row["local"]
        assert isinstance(local, dict)
        return any_of(local["address"]), "*"
    assert isinstance(end, dict)
    host, port = end["address"], end["port"]
    shown = "*" if not host else f"[{host}]" if ":" in host else host
    if name == "local" and row["interface"] is not None:
        shown += f"%{row['interface']}"
    if not port:
        return shown, "*"  # a socket of every port
    return shown, str(port) if numeric else service(port, str(row["netid"]))


def any_of(address: str) -> str:
    """Every peer, in the family of a local address."""
    if not address:
        return "*"
    return "[::]" if ":" in address else "0.0.0.0"


def service(port: int, netid: str) -> str:
    """The name that /etc/services has for a port, else its number."""
    try:
        return socket.getservbyport(port, netid)
    except OSError:
        return str(port)

"""`sansio-net get`: fetch a URL over the NIC, with curl's options and exit codes."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sansio_net.addresses import pack_ip
from sansio_net.errors import MissingExtraError

from .errors import MISSING_HTTP
from .links import add_link_options, check_link_options, parse_address
from .ping import parse_seconds
from .session import refuse_captures

if TYPE_CHECKING:
    from argparse import _SubParsersAction

NAME: Final = "get"


def parse_host(text: str) -> tuple[str, str]:
    """``NAME=ADDRESS``."""
    name, equals, address = text.partition("=")
    try:
        pack_ip(address.partition("%")[0])
    except ValueError:
        equals = ""
    if not equals or not name:
        raise ArgumentTypeError(f"not NAME=ADDRESS: {text!r}")
    return name.rstrip(".").lower(), address


def add_parser(commands: _SubParsersAction[ArgumentParser]) -> None:
    parser = commands.add_parser(NAME, help="fetch a URL, as curl does")
    parser.set_defaults(command=command)
    add_link_options(parser)
    add = parser.add_argument
    add("url", metavar="URL", help="http:// or https://")
    add("-o", "--output", type=Path, metavar="FILE", help="instead of standard output")
    add("-I", "--head", action="store_true", help="the headers alone")
    add("-L", "--location", action="store_true", help="follow redirects")
    add("-f", "--fail", action="store_true", help="status 22 for errors of the server")
    add("-s", "--silent", action="store_true", help="no progress, no errors")
    add("-S", "--show-error", action="store_true", help="errors in spite of -s")
    add("-k", "--insecure", action="store_true", help="trust any certificate")
    add("--cacert", type=Path, metavar="FILE", help="trust these alone (PEM)")
    add("--connect-timeout", type=parse_seconds, metavar="SECONDS")
    add("-m", "--max-time", type=parse_seconds, metavar="SECONDS")
    add(
        "--host",
        dest="hosts",
        type=parse_host,
        action="append",
        default=[],
        metavar="NAME=ADDRESS",
        help="where a name lives; repeatable",
    )
    add(
        "--dns",
        type=parse_address,
        action="append",
        default=[],
        metavar="ADDRESS",
        help="a server that is asked for other names; repeatable",
    )


def command(args: Namespace) -> int:
    check_link_options(args)
    refuse_captures(args, NAME)
    try:
        from .fetch import fetch
    except ImportError as error:
        raise MissingExtraError(MISSING_HTTP.format(NAME)) from error
    return fetch(args)

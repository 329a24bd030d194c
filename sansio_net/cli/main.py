"""`sansio-net`: the command line.

Data goes to standard output, everything else to standard error, one line an error.
Status 0 is success, 1 a negative result, 2 usage, 130 a client stopped by Ctrl-C.
"""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser
from collections.abc import Sequence

from sansio_net import __version__
from sansio_net.errors import SansioNetError

from . import demo, get, nc, ping, ss, traceroute, up
from .errors import FAILED, INTERRUPTED, USAGE, UsageError


def make_parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="sansio-net",
        description="A virtual NIC with a complete TCP/IP stack behind it.",
    )
    parser.add_argument(
        "--version", action="version", version=f"sansio-net {__version__}"
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for module in (up, ping, traceroute, nc, get, ss, demo):
        module.add_parser(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; its exit status."""
    args = make_parser().parse_args(argv)
    try:
        status: int = args.command(args)
        sys.stdout.flush()
    except UsageError as error:
        print(f"sansio-net: {error}", file=sys.stderr)
        return USAGE
    except BrokenPipeError:
        # nobody reads: say nothing, also not when Python flushes at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return FAILED
    except (SansioNetError, ValueError, OSError) as error:
        print(f"sansio-net: {describe(error)}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    return status


def describe(error: Exception) -> str:
    """One line, without Python's ``[Errno 98]``."""
    words = getattr(error, "strerror", None)
    name = getattr(error, "filename", None)
    if words:
        return f"{name}: {words}" if name else str(words)
    return " ".join(str(error).split())

"""ICMP: echo both ways, errors out within limits, errors in.

RFC 792, RFC 1122 3.2.2; RFC 4443 for IPv6.
"""

from .config import (
    EchoReply,
    IcmpError,
    IcmpOptions,
    IcmpRedirect,
    error_for,
    error_for6,
)
from .echo import EchoEvent, EchoFailed, EchoReplied, EchoSocket
from .limits import TokenBucket
from .messages import Icmp
from .messages6 import Icmp6

__all__ = [
    "EchoEvent",
    "EchoFailed",
    "EchoReplied",
    "EchoReply",
    "EchoSocket",
    "Icmp",
    "Icmp6",
    "IcmpError",
    "IcmpOptions",
    "IcmpRedirect",
    "TokenBucket",
    "error_for",
    "error_for6",
]

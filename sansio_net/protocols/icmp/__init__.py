"""ICMP: echo both ways, errors out within limits, errors in.

RFC 792, RFC 1122 3.2.2.
"""

from .config import EchoReply, IcmpError, IcmpOptions, IcmpRedirect, error_for
from .echo import EchoEvent, EchoFailed, EchoReplied, EchoSocket
from .limits import TokenBucket
from .messages import Icmp

__all__ = [
    "EchoEvent",
    "EchoFailed",
    "EchoReplied",
    "EchoReply",
    "EchoSocket",
    "Icmp",
    "IcmpError",
    "IcmpOptions",
    "IcmpRedirect",
    "TokenBucket",
    "error_for",
]

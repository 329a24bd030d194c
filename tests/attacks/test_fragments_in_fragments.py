"""Fragments in fragments (IPv6 chains that never end; INFRA:HALT and its kind), 2021.

Elsewhere: code that put a packet together looked into it again by calling itself, as
deep as the sender liked, or trusted lengths of headers that another fragment had.

Here: a packet that was put together is not taken for a fragment again, its source is
told; headers are read in the fragment that brought them.
"""

from __future__ import annotations

from sansio_net.addresses import pack_ip
from sansio_net.packet import Capabilities, Medium
from sansio_net.stack import Stack
from sansio_net.testing.craft import ip_packet
from sansio_net.wire.icmpv6 import build_icmpv6
from sansio_net.wire.ipv6_extensions import FRAGMENT, build_fragment, build_options
from sansio_net.wire.segment import flatten

from .arena import steps

PEER, VICTIM = pack_ip("fd00::1"), pack_ip("fd00::2")


def victim() -> Stack:
    stack = Stack(seed=bytes(16))
    stack.add_interface(
        addresses=["fd00::2/64"], capabilities=Capabilities(medium=Medium.IP)
    )
    stack.handle_timeout(1)
    stack.events()
    while stack.transmit(1):
        pass
    return stack


def answers(stack: Stack) -> list[bytes]:
    stack.handle_timeout(2)
    return [one for packet in stack.transmit(2) for one in flatten(packet)]


def cut(ident: int, start: int, more: bool, data: bytes) -> bytes:
    return ip_packet(
        PEER, VICTIM, FRAGMENT, build_fragment(FRAGMENT, start, more, ident) + data
    )


def nested(depth: int) -> list[bytes]:
    """The last of these completes a packet that completes another, `depth` times."""
    echo = build_icmpv6(128, 0, bytes(4), bytes(8), PEER, VICTIM)
    firsts = [  # 59: nothing follows, as far as a look at a first fragment tells
        cut(level, 0, True, build_fragment(59, 8, False, level + 1))
        for level in range(1, depth)
    ]
    firsts.append(cut(depth, 0, True, build_fragment(58, 0, False, 0)))
    return [*firsts, cut(1, 8, False, echo)]


def test_no_depth_is_too_deep() -> None:
    """Each level takes one fragment of 56 bytes; a hundred were too many for Python."""
    stack = victim()
    stack.receive(nested(500), 2)
    (error,) = answers(stack)
    assert error[40:42] == b"\x04\x00"
    assert error[44:48] == bytes((0, 0, 0, 40))


def test_the_depth_costs_nothing() -> None:
    shallow, deep = victim(), victim()
    *before, last = nested(2)
    shallow.receive(before, 2)
    *many, same = nested(200)
    deep.receive(many, 2)
    assert same == last
    cost = steps(lambda: shallow.receive([last], 2))
    assert steps(lambda: deep.receive([same], 2)) < cost * 1.2


def test_headers_of_another_fragment() -> None:
    """The first has none before its fragment header, the last has 40 bytes of them."""
    stack = victim()
    echo = build_icmpv6(128, 0, bytes(4), b"hello wo", PEER, VICTIM)
    options = build_options(FRAGMENT, [(0x1E, bytes(30))])
    last = options + build_fragment(58, 8, False, 9) + echo[8:]
    first = build_fragment(58, 0, True, 9) + echo[:8]
    sent = [
        ip_packet(PEER, VICTIM, FRAGMENT, first),
        ip_packet(PEER, VICTIM, 60, last),
    ]
    for order in (sent, sent[::-1]):
        stack.receive(order, 2)
        (reply,) = answers(stack)
        assert reply[40] == 129
        assert reply[48:] == b"hello wo"

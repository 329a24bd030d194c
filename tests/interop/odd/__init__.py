"""Odd packets by number: ``odd_packet(seed, index)`` is the same everywhere."""

from __future__ import annotations

from . import ipv4, ipv6, transport
from .tools import Answer, Dice, Maker, Odd

__all__ = ["MAKERS", "Answer", "Odd", "odd_packet"]

MAKERS: tuple[Maker, ...] = (
    *(ipv4.header, ipv4.padding, ipv4.option, ipv4.option, ipv4.address, ipv4.source),
    *(ipv4.fragment, ipv4.fragment_oddly, ipv4.big, ipv4.protocol, ipv4.icmp),
    *(ipv4.icmp_error, ipv4.echo, ipv4.arp),
    *(ipv6.header, ipv6.padding, ipv6.option, ipv6.option, ipv6.option, ipv6.chain),
    *(ipv6.chain, ipv6.chain_lies, ipv6.address, ipv6.source, ipv6.fragment),
    *(ipv6.fragment_oddly, ipv6.big, ipv6.icmp, ipv6.icmp_error, ipv6.echo),
    *(ipv6.solicitation, ipv6.discovery, transport.link),
    *(transport.udp4, transport.tcp4, transport.udp6, transport.tcp6),
)


def odd_packet(seed: int, index: int) -> Odd:
    return MAKERS[index % len(MAKERS)](Dice(seed, index))

"""What an ARP cache sends. RFC 826."""

from __future__ import annotations

from sansio_net.addresses import ZERO_MAC
from sansio_net.packet import Packet
from sansio_net.wire.arp import REPLY, REQUEST, build_arp
from sansio_net.wire.ethernet import ETHERTYPE_ARP, build_ethernet


class Reply:
    """An answer that has not left yet: who asked, and for which address."""

    __slots__ = ("asker_ip", "asker_mac", "ip", "listed")

    def __init__(self, ip: bytes, asker_mac: bytes, asker_ip: bytes) -> None:
        self.ip = ip
        self.asker_mac = asker_mac
        self.asker_ip = asker_ip
        self.listed = True


def request_frame(mac: bytes, destination: bytes, spa: bytes, tpa: bytes) -> Packet:
    """Who has `tpa`?"""
    header = build_ethernet(destination, mac, ETHERTYPE_ARP)
    body = build_arp(REQUEST, mac, spa, ZERO_MAC, tpa)
    return Packet(header + body, (), len(header))


def reply_frame(mac: bytes, destination: bytes, reply: Reply) -> Packet:
    """`mac` has it."""
    header = build_ethernet(destination, mac, ETHERTYPE_ARP)
    body = build_arp(REPLY, mac, reply.ip, reply.asker_mac, reply.asker_ip)
    return Packet(header + body, (), len(header))

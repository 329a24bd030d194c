"""The strategies give what they promise: packets that are right, or nearly."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

from sansio_net.protocols.tcp import TcpOptions
from sansio_net.testing import strategies
from sansio_net.testing.craft import icmp_packet, udp_packet
from sansio_net.wire.arp import parse_arp
from sansio_net.wire.checksum import checksum, pseudo_sum
from sansio_net.wire.icmp import parse_icmp
from sansio_net.wire.ipv4 import parse_ipv4
from sansio_net.wire.tcp import parse_tcp
from sansio_net.wire.udp import parse_udp

A, B = bytes((10, 0, 0, 1)), bytes((10, 0, 0, 2))
ends = st.tuples(st.just(A), st.just(1)), st.tuples(st.just(B), st.just(2))


@given(strategies.tcp_packets(*ends))
def test_tcp_packets_are_right(packet: bytes) -> None:
    header = parse_ipv4(packet)
    segment = packet[20:]
    assert checksum(segment, pseudo_sum(A, B, 6, len(segment))) == 0
    assert parse_tcp(segment).destination_port == 2
    assert header.total_length == len(packet)


@given(strategies.udp_packets(*ends))
def test_udp_packets_are_right(packet: bytes) -> None:
    datagram = packet[20:]
    header = parse_udp(datagram)
    assert header.checksum
    assert checksum(datagram, pseudo_sum(A, B, 17, len(datagram))) == 0


@given(strategies.icmp_packets(st.just(A), st.just(B)))
def test_icmp_packets_are_right(packet: bytes) -> None:
    parse_icmp(packet, 20)


@given(strategies.fragments(st.just(A), st.just(B)))
def test_fragments_have_right_headers(packet: bytes) -> None:
    assert parse_ipv4(packet).total_length == len(packet)


@given(strategies.arp_frames())
def test_arp_frames_are_right(frame: bytes) -> None:
    parse_arp(frame, 14)


@given(strategies.ips(4), strategies.ips(6), strategies.macs)
def test_addresses_have_their_sizes(four: bytes, six: bytes, mac: bytes) -> None:
    assert (len(four), len(six), len(mac)) == (4, 16, 6)


@given(strategies.frames(A, B, b"\x02\0\0\0\0\x01"))
def test_frames_are_bytes(frame: bytes) -> None:
    assert isinstance(frame, bytes)


@given(strategies.conditions(max_loss=7))
def test_conditions_lose_no_more_than_asked(bad: object) -> None:
    assert getattr(bad, "loss", 8) <= 7


@pytest.mark.parametrize("field", fields(TcpOptions), ids=lambda each: each.name)
def test_every_option_of_tcp_is_drawn(field: Any) -> None:
    """Also one that was added yesterday: with its default, and otherwise."""
    quick = settings(phases=(Phase.generate,))
    values = strategies.tcp_options().map(lambda options: getattr(options, field.name))
    find(values, lambda value: value == field.default, settings=quick)
    find(values, lambda value: value != field.default, settings=quick)


def test_options_may_be_fixed() -> None:
    options = strategies.tcp_options(patient=True, fixed={"sack": False})
    found = find(options, lambda options: options.nodelay)
    assert (found.sack, found.retries2, found.user_timeout) == (False, 255, None)


def test_a_zero_checksum_of_udp_is_sent_as_ones() -> None:
    for n in range(70_000):
        packet = udp_packet((A, 1), (B, 2), n.to_bytes(3, "big"))
        assert packet[26:28] != b"\0\0"
        if packet[26:28] == b"\xff\xff":
            return
    raise AssertionError("never met")


def test_an_echo_request_can_be_crafted() -> None:
    message = parse_icmp(icmp_packet(A, B, 8, body=b"data"), 20)
    assert (message.type, message.body) == (8, b"data")

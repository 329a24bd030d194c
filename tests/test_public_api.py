"""The public names: what is here is promised, what is not may go."""

from __future__ import annotations

import importlib

import pytest

PUBLIC: dict[str, str] = {
    "sansio_net": """
        ASAP Capabilities Datagram Entropy Machine Medium Packet compiled earliest
    """,
    "sansio_net.stack": """
        Accepted Address AddressAdded AddressConflict AddressRemoved Closed Connected
        Connection ConnectionLost DataReceived DnsServersChanged EchoFailed
        EchoReplied EofReceived Event FrameReceived FrameSpaceFreed Interface LinkDown
        LinkUp Listener RawError RawReceived RawSpaceFreed Route SocketSpaceFreed
        SpaceFreed Stack StackClosed StackConfig Stalled TcpOptions UdpError
        UdpReceived UdpSocket
    """,
    "sansio_net.drivers": """
        BusyPollSelector CaptureEnded Device LinkedDevice Loop MemoryDevice Offload
        PcapReplayDevice
        RawSocketDevice TapDevice Timer Trunk arrivals memory_pair memory_ports
        run turn
    """,
    "sansio_net.adapters.asyncio": """
        DatagramTransport DnsConfig NetworkLoop Nic Resolver Server StreamTransport
        VirtualClock VirtualLoop open_nic run using
    """,
    "sansio_net.adapters.trio": """
        HostnameResolver Nic Socket SocketFactory open_nic
    """,
    "sansio_net.adapters.blocking": """
        BridgeSocket Nic Socket open_nic
    """,
    "sansio_net.testing": """
        Conditions Link LinkCounts Livelock Network Pair Script ScriptError take_turn
    """,
    "sansio_net.capture": """
        Difference Recording Replayed SentPacket feed replay
    """,
    "sansio_net.protocols.arp": """
        ArpCache ArpConfig ArpEvent Claimed Conflict Neighbour NeighbourState
        ResolutionFailed Resolved
    """,
    "sansio_net.protocols.icmp": """
        EchoEvent EchoFailed EchoReplied EchoReply EchoSocket Icmp Icmp6 IcmpError
        IcmpOptions IcmpRedirect TokenBucket error_for error_for6
    """,
    "sansio_net.protocols.ndp": """
        Claimed Conflict NdpConfig NdpEvent Neighbour NeighbourDiscovery NeighbourState
        ResolutionFailed Resolved RouterLost solicited_node
    """,
    "sansio_net.protocols.neighbours": """
        Claimed Conflict Deadlines Neighbour NeighbourConfig NeighbourState
        NeighbourTable ResolutionFailed Resolved
    """,
    "sansio_net.protocols.multicast": """
        ANYTHING Filter Membership MulticastConfig NOTHING exclude include merge
    """,
    "sansio_net.protocols.raw": """
        Frame FrameEvent FrameOptions FrameReceived FrameSocket FrameSpaceFreed
        RawError RawEvent RawOptions RawReceived RawSocket RawSpaceFreed
    """,
    "sansio_net.protocols.slaac": """
        AddressDeprecated AddressExpired AddressFormed Autoconfiguration DnsAdvertised
        Formed LINK_LOCAL ParametersAdvertised RouteChanged SlaacConfig SlaacEvent
        is_reserved stable_identifier
    """,
    "sansio_net.protocols.udp": """
        SocketSpaceFreed UdpError UdpEvent UdpOptions UdpReceived UdpSocket
    """,
    "sansio_net.protocols.tcp": """
        TRANSITIONS Accepted Closed Connected Connection ConnectionLost DataReceived
        EofReceived IsnGenerator Listener SpaceFreed Stalled State TcpEvent TcpInfo
        TcpOptions TimeWaitRecord TimeWaitTable format_info reset_for
    """,
}

MODULES: dict[str, str] = {
    "sansio_net.errors": """
        AddressInUseError AddressNotAvailableError BroadcastError ChecksumError
        ConnectionAborted ConnectionFailed ConnectionRefused ConnectionReset
        DeviceError DeviceGone LimitError MalformedError MessageTooLongError
        MissingExtraError NotConnectedError SansioNetError StateError TimedOut
        TruncatedError Unreachable WireError
    """,
    "sansio_net.wire.checksum": """
        add checksum ones_sum pseudo_base pseudo_sum update words
    """,
    "sansio_net.wire.ethernet": "EthernetHeader build_ethernet parse_ethernet",
    "sansio_net.wire.arp": "Arp build_arp parse_arp",
    "sansio_net.wire.ipv4": """
        Ipv4Header build_ipv4 build_options pack_header parse_ipv4 parse_options
    """,
    "sansio_net.wire.ipv4_options": """
        OptionProblem check_options find_options for_the_way_back record
    """,
    "sansio_net.wire.ipv6": "Ipv6Header build_ipv6 pack_header parse_ipv6",
    "sansio_net.wire.ip": "ip_protocol ip_unwrap ip_wrap",
    "sansio_net.wire.icmp": "Icmp Quoted build_icmp parse_icmp parse_quoted",
    "sansio_net.wire.udp": "UdpHeader build_udp parse_udp",
    "sansio_net.wire.tcp": "TcpHeader build_tcp format_flags parse_tcp",
    "sansio_net.wire.tcp_options": """
        SegmentOptions build_tcp_options parse_tcp_options
    """,
    "sansio_net.wire.segment": "cut cut_size flatten network_start note_partial",
    "sansio_net.wire.summary": "Flows summary",
}
"""Modules whose functions and classes are public without an `__all__`."""


@pytest.mark.parametrize("name", PUBLIC)
def test_the_names_of_a_package(name: str) -> None:
    module = importlib.import_module(name)
    assert sorted(module.__all__) == sorted(PUBLIC[name].split())
    for public in module.__all__:
        assert hasattr(module, public)


def defined(name: str) -> list[str]:
    """Public classes and functions that a module defines itself."""
    module = importlib.import_module(name)
    return sorted(
        key
        for key, value in vars(module).items()
        if not key.startswith("_")
        and callable(value)
        and getattr(value, "__module__", None) == name
    )


@pytest.mark.parametrize("name", MODULES)
def test_the_names_of_a_module(name: str) -> None:
    assert defined(name) == sorted(MODULES[name].split())


def test_the_version_is_there() -> None:
    module = importlib.import_module("sansio_net")
    assert module.__version__

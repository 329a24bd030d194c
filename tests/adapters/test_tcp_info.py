"""TCP_INFO by getsockopt: the kernel's own says whether the layout is right."""

from __future__ import annotations

import asyncio
import errno
import os
import re
import socket
from pathlib import Path
from typing import Any

import pytest

from sansio_net.adapters.tcp_info import LAYOUT, tcp_info

from .asyncio.nics import A, B, echo, finish, run, two_nics

NAMES = """
    state ca_state retransmits probes backoff options wscales app_limited
    rto ato snd_mss rcv_mss unacked sacked lost retrans fackets
    last_data_sent last_ack_sent last_data_recv last_ack_recv
    pmtu rcv_ssthresh rtt rttvar snd_ssthresh snd_cwnd advmss reordering
    rcv_rtt rcv_space total_retrans pacing_rate max_pacing_rate
    bytes_acked bytes_received segs_out segs_in notsent_bytes min_rtt
    data_segs_in data_segs_out delivery_rate busy_time rwnd_limited sndbuf_limited
    delivered delivered_ce bytes_sent bytes_retrans dsack_dups reord_seen
    rcv_ooopack snd_wnd
"""
FIELDS = NAMES.split()

SAME = """
    state ca_state retransmits probes options wscales unacked sacked lost retrans
    fackets snd_ssthresh reordering max_pacing_rate bytes_acked bytes_received
    notsent_bytes data_segs_in data_segs_out delivered_ce bytes_sent bytes_retrans
    dsack_dups reord_seen rcv_ooopack total_retrans
"""
"""After the same short conversation."""


def fields(packed: bytes) -> dict[str, int]:
    return dict(zip(FIELDS, LAYOUT.unpack(packed), strict=True))


def kernels() -> dict[str, int]:
    """After five bytes there and five back."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        one = socket.create_connection(server.getsockname())
        other, _ = server.accept()
        with one, other:
            one.sendall(b"hello")
            other.sendall(other.recv(5))
            assert one.recv(5) == b"hello"
            packed = one.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, LAYOUT.size)
            return fields(packed)


async def ours() -> dict[str, int]:
    async with two_nics() as (a, b):
        await b.start_server(echo, B, 7)
        reader, writer = await a.open_connection(B, 7)
        writer.write(b"hello")
        await reader.readexactly(5)
        sock = writer.get_extra_info("socket")
        packed = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, LAYOUT.size)
        assert len(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)) == 104
        await finish(writer)
        return fields(packed)


def test_it_is_as_the_kernels() -> None:
    mine, theirs = run(ours()), kernels()
    for name in SAME.split():
        if name != "wscales":  # the kernel's depends on its memory
            assert mine[name] == theirs[name], name
    for info in (mine, theirs):  # of lo, or a link in memory: less than a second
        assert 0 < info["rtt"] < 1_000_000
        assert 0 < info["rto"] < 5_000_000
        assert info["min_rtt"] <= info["rtt"]
        assert 500 < info["snd_mss"] <= info["pmtu"] - 40
        assert info["advmss"] <= info["pmtu"] - 40
        assert 10 <= info["snd_cwnd"] <= 12
        assert info["segs_out"] >= info["data_segs_out"] == 1
        assert 0 < info["delivered"] <= 2
        assert info["last_data_sent"] < 1000
    assert mine["bytes_acked"] == 6  # with the SYN
    assert mine["rcv_space"] > 10_000


HEADER = Path("/usr/include/linux/tcp.h")


def test_the_header_says_the_same() -> None:
    if not HEADER.exists():
        pytest.skip("no linux/tcp.h; the kernel itself is asked above")
    body = HEADER.read_text().partition("struct tcp_info {")[2].partition("};")[0]
    names = re.findall(r"\btcpi_(\w+)", body)
    shown = [n for n in names if n != "fastopen_client_fail" and n in FIELDS]
    mine = [n for n in FIELDS if n not in ("wscales", "app_limited")]
    assert [n for n in shown if n != "delivery_rate_app_limited"] == mine


def test_a_connection_that_never_was() -> None:
    async def main() -> None:
        async with two_nics() as (a, _):
            conn = a.stack.tcp_connect(("10.0.0.77", 9))
            info = fields(tcp_info(conn))
            assert info["state"] == 2
            assert info["snd_ssthresh"] == 0x7FFFFFFF
            conn.abort()
            assert fields(tcp_info(conn))["state"] == 7

    run(main())


def test_what_can_only_be_read() -> None:
    async def main() -> None:
        async with two_nics() as (a, b):
            server = await b.start_server(echo, B, 7)
            _, writer = await a.open_connection(B, 7)
            sock = writer.get_extra_info("socket")
            listening = server.sockets[0]
            level = socket.SOL_SOCKET

            def read(one: Any, name: int) -> Any:
                value = one.getsockopt(level, name)
                packed = one.getsockopt(level, name, 4)
                assert int.from_bytes(packed, "little") == value
                return value

            assert read(sock, socket.SO_TYPE) == socket.SOCK_STREAM
            assert read(sock, socket.SO_DOMAIN) == socket.AF_INET
            assert read(sock, socket.SO_PROTOCOL) == socket.IPPROTO_TCP
            assert read(sock, socket.SO_ACCEPTCONN) == 0
            assert read(sock, socket.SO_ERROR) == 0
            assert read(listening, socket.SO_ACCEPTCONN) == 1
            with pytest.raises(OSError) as refused:
                sock.setsockopt(level, socket.SO_ERROR, 0)
            assert refused.value.errno == errno.ENOPROTOOPT
            await asyncio.sleep(0.01)
            for transport in list(server._transports.values()):
                transport.reset()
            async with asyncio.timeout(10):
                while not read(sock, socket.SO_ERROR):
                    await asyncio.sleep(0.001)
            assert os.strerror(read(sock, socket.SO_ERROR)).startswith("Connection re")
            transport, _ = await a.create_datagram_endpoint(
                asyncio.DatagramProtocol, (A, 53)
            )
            sock = transport.get_extra_info("socket")
            assert read(sock, socket.SO_TYPE) == socket.SOCK_DGRAM
            assert read(sock, socket.SO_PROTOCOL) == socket.IPPROTO_UDP
            transport.close()

    run(main())

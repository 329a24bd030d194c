"""What connections learn of a path, for those that come after them."""

from __future__ import annotations

import pytest

from sansio_net.addresses import pack_ip
from sansio_net.counters import Counters
from sansio_net.protocols.tcp.options import TcpOptions
from sansio_net.stack import StackConfig
from sansio_net.stack.paths import PathTable
from sansio_net.units import MINUTE, SECOND
from sansio_net.wire.icmp import FRAGMENTATION_NEEDED, UNREACHABLE, build_icmp
from sansio_net.wire.ipv4 import PROTO_ICMP
from sansio_net.wire.tcp import parse_tcp

from .bench import PEER, Bench, ethernet, ipv4_packet, tcp_packet


def too_big(frame: bytes, mtu: int) -> bytes:
    rest = mtu.to_bytes(4, "big")
    body = frame[14 : 14 + 28]
    message = build_icmp(UNREACHABLE, FRAGMENTATION_NEEDED, rest, body)
    return ethernet(ipv4_packet(message, PROTO_ICMP))


def shrunk(bench: Bench, mtu: int = 1000) -> None:
    connection = bench.established()
    connection.send(bytes(5000))
    first, *_ = bench.settle()
    bench.settle(too_big(first, mtu))
    connection.abort()
    bench.settle()


def test_the_next_connection_knows() -> None:
    bench = Bench()
    shrunk(bench)
    connection = bench.established()
    assert connection.info().pmtu == 1000
    connection.send(bytes(5000))
    assert max(map(len, bench.settle())) == 14 + 1000
    # and in ten minutes it may have grown
    bench.wait(10 * MINUTE)
    assert len(bench.stack.paths) == 0
    assert connection.info().pmtu == 1500


def test_what_we_can_take_has_nothing_to_do_with_it() -> None:
    """RFC 9293 3.7.1: the MSS option says what the first link carries."""
    bench = Bench()
    shrunk(bench)
    bench.stack.tcp_connect(("10.0.0.1", 80))
    (syn,) = bench.settle()
    assert parse_tcp(syn, 34).options[:4] == b"\x02\x04\x05\xb4"


def test_an_accepted_one_knows_as_well() -> None:
    bench = Bench()
    shrunk(bench)
    bench.stack.tcp_listen(("", 81))
    bench.settle(ethernet(tcp_packet(4000, 81, 1000, 0, 2)))
    (connection,) = bench.stack.connections()
    assert (connection.mtu, connection.link_mtu) == (1000, 1500)


def test_another_way_there_is_another_path() -> None:
    bench = Bench()
    shrunk(bench)
    connection = bench.established()
    bench.nic.set_mtu(1400)
    connection.send(b"x")
    bench.settle()
    assert connection.info().pmtu == 1400
    assert bench.stack.paths.mtu(PEER) == 0


def test_the_table_has_a_bound() -> None:
    counters = Counters()
    table = PathTable(2, 10 * SECOND, counters)
    for n in range(3):
        table.learn(bytes((10, 0, 0, n)), 1000 + n, n)
    assert len(table) == 2
    assert [table.mtu(bytes((10, 0, 0, n))) for n in range(3)] == [0, 1001, 1002]
    assert counters.as_dict() == {"paths_forgotten": 1}
    assert table.deadline() == 1 + 10 * SECOND
    table.learn(bytes((10, 0, 0, 1)), 900, 5)
    assert table.deadline() == 2 + 10 * SECOND
    table.handle_timeout(2 + 10 * SECOND)
    assert (len(table), table.deadline()) == (1, 5 + 10 * SECOND)


def test_a_route_may_have_an_mtu() -> None:
    bench = Bench()
    bench.stack.add_route("10.9.0.0/16", via="10.0.0.1", mtu=1200)
    connection = bench.stack.tcp_connect(("10.9.0.1", 80))
    assert connection.mtu == 1200
    (syn,) = bench.settle()
    assert parse_tcp(syn, 34).options[:4] == b"\x02\x04" + (1160).to_bytes(2, "big")
    bench.stack.add_route("10.8.0.0/16", via="10.0.0.1", mtu=9000)
    assert bench.stack.tcp_connect(("10.8.0.1", 80)).mtu == 1500
    socket = bench.stack.udp_bind(("", 9))
    socket.send_to(bytes(1300), ("10.9.0.1", 9))
    sizes = [len(frame) - 14 for frame in bench.settle() if frame[23] == 17]
    assert len(sizes) == 2
    assert max(sizes) <= 1200
    with pytest.raises(ValueError, match="no MTU of a route"):
        bench.stack.add_route("10.7.0.0/16", via="10.0.0.1", mtu=67)


@pytest.mark.parametrize(("pmtud", "df"), [("on", 0x40), ("off", 0), ("probe", 0x40)])
def test_df(pmtud: str, df: int) -> None:
    bench = Bench(StackConfig(tcp=TcpOptions(pmtud=pmtud)))
    bench.stack.tcp_connect(("10.0.0.1", 80))
    (syn,) = bench.settle()
    assert syn[14 + 6] == df
    assert syn[14 + 16 : 14 + 20] == pack_ip("10.0.0.1")

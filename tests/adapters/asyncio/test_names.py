"""Names that a server is asked for: what it says, and what it does not."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine
from typing import Any

import dns.flags
import dns.message
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sansio_net.adapters.asyncio import (
    DnsConfig,
    Nic,
    VirtualClock,
    VirtualLoop,
    open_nic,
)
from sansio_net.drivers import memory_pair
from sansio_net.testing.link import Link
from sansio_net.units import SECOND

Answer = Callable[[dns.message.Message], list[bytes]]


class Server(asyncio.DatagramProtocol):
    """Sends what a function makes of a question."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.asked: list[str] = []

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        query = dns.message.from_wire(data)
        self.asked.append(str(query.question[0]))
        for wire in self.answer(query):
            self.transport.sendto(wire, addr)


def silent(query: dns.message.Message) -> list[bytes]:
    return []


def right(query: dns.message.Message) -> list[bytes]:
    reply = dns.message.make_response(query)
    if "IN A" in str(query.question[0]).replace("AAAA", ""):
        name = query.question[0].name
        reply.answer.append(dns.rrset.from_text(name, 60, "IN", "A", "10.0.0.7"))
    return [reply.to_wire()]


def run(
    main: Callable[[Nic, Server], Coroutine[Any, Any, None]],
    answer: Answer,
    **config: Any,
) -> float:
    """Virtual seconds that it took."""
    clock = VirtualClock()

    async def outer() -> float:
        one, other = memory_pair(Link(1, latency="5ms"))
        dns = DnsConfig(servers=["10.0.0.2"], **config)
        async with (
            open_nic(one, ["10.0.0.1/24"], clock=clock, dns=dns) as a,
            open_nic(other, ["10.0.0.2/24"], clock=clock) as b,
        ):
            _, server = await b.create_datagram_endpoint(
                lambda: Server(answer), ("10.0.0.2", 53)
            )
            before = clock()
            await main(a, server)
            took = (clock() - before) / SECOND
            assert a.stack.sockets() == []
            return took

    with asyncio.Runner(loop_factory=lambda: VirtualLoop(clock)) as runner:
        return runner.run(outer())


async def failure(nic: Nic, name: str = "www.example", **kind: Any) -> int | None:
    with pytest.raises(socket.gaierror) as raised:
        await nic.getaddrinfo(name, 80, **kind)
    return raised.value.errno


def test_an_answer() -> None:
    async def main(nic: Nic, server: Server) -> None:
        (info,) = await nic.getaddrinfo("www.example", 80, type=socket.SOCK_STREAM)
        assert info[3:] == ("", ("10.0.0.7", 80))
        assert sorted(server.asked) == ["www.example. IN A", "www.example. IN AAAA"]
        code = await failure(nic, family=socket.AF_INET6)
        assert code == socket.EAI_NODATA
        assert await failure(nic, flags=socket.AI_NUMERICHOST) == socket.EAI_NONAME
        assert len(server.asked) == 3

    run(main, right)


def test_silence_is_temporary() -> None:
    async def main(nic: Nic, server: Server) -> None:
        assert await failure(nic) == socket.EAI_AGAIN
        assert len(server.asked) >= 4  # again and again, for both

    assert run(main, silent, search=["lab.test"]) == pytest.approx(5, abs=0.1)
    assert run(main, silent, lifetime=9 * SECOND) == pytest.approx(9, abs=0.1)


def test_what_is_not_the_answer_is_not_taken_for_it() -> None:
    def others(query: dns.message.Message) -> list[bytes]:
        (wire,) = right(query)
        wrong_id = bytes([wire[0] ^ 1]) + wire[1:]
        wrong_name = wire.replace(b"example", b"exampel")
        return [wrong_id, wrong_name, query.to_wire(), b"", wire[:9], wire]

    async def main(nic: Nic, server: Server) -> None:
        found = await nic.getaddrinfo("www.example", 80)
        assert {info[4][0] for info in found} == {"10.0.0.7"}

    run(main, others)


@given(st.lists(st.binary(max_size=60), max_size=4), st.integers(0, 15))
def test_whatever_it_says(tails: list[bytes], code: int) -> None:
    def anything(query: dns.message.Message) -> list[bytes]:
        head = query.to_wire()[:2] + bytes([0x81, 0x80 | code, 0, 1, 0, 1, 0, 0, 0, 0])
        return [head + tail for tail in tails]

    async def main(nic: Nic, server: Server) -> None:
        code = await failure(nic)
        assert code in (socket.EAI_AGAIN, socket.EAI_NONAME, socket.EAI_NODATA)

    assert run(main, anything) <= 6


def test_where_nobody_listens_it_is_known_at_once() -> None:
    async def main(nic: Nic, server: Server) -> None:
        server.transport.abort()
        assert await failure(nic) == socket.EAI_AGAIN

    assert run(main, silent) <= 5.1


def test_a_truncated_answer_is_asked_for_by_tcp() -> None:
    def cut(query: dns.message.Message) -> list[bytes]:
        reply = dns.message.make_response(query)
        reply.flags |= dns.flags.TC
        return [reply.to_wire()]

    async def main(nic: Nic, server: Server) -> None:
        # no server there: what UDP said is not believed
        assert await failure(nic) == socket.EAI_AGAIN

    run(main, cut)


def test_cancelled_it_leaves_nothing() -> None:
    async def main(nic: Nic, server: Server) -> None:
        task = asyncio.create_task(nic.open_connection("www.example", 80))
        await asyncio.sleep(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert nic.stack.sockets() == []

    run(main, silent)


@pytest.mark.parametrize(
    ("name", "ndots", "asked"),
    [
        ("www", 1, ["www.a.test.", "www.b.test.", "www."]),
        ("www.x", 1, ["www.x.", "www.x.a.test.", "www.x.b.test."]),
        ("www.x", 2, ["www.x.a.test.", "www.x.b.test.", "www.x."]),
        ("www.", 1, ["www."]),
    ],
)
def test_domains_to_search(name: str, ndots: int, asked: list[str]) -> None:
    config = DnsConfig(servers=[], search=["a.test", ".b.test."], ndots=ndots)
    assert config.candidates(name) == asked


def test_nobody_is_asked_unless_somebody_was_named() -> None:
    async def main() -> None:
        one, _ = memory_pair(Link(1))
        async with open_nic(one, ["10.0.0.1/24"], close_timeout=0) as nic:
            assert await failure(nic, "localhost.example") == socket.EAI_NONAME
            assert await failure(nic, "www.example") == socket.EAI_NONAME

    asyncio.run(main())

"""`open_nic` begins and ends; trio's hooks; several NICs by context; libraries."""

from __future__ import annotations

import socket
import subprocess
import sys
from functools import partial

import anyio
import dns.asyncresolver
import dns.message
import dns.rrset
import httpx
import pytest
import trio
import trio.testing

from sansio_net.adapters.trio import HostnameResolver, Nic, SocketFactory, open_nic
from sansio_net.drivers import memory_pair
from sansio_net.errors import ConnectionAborted, DeviceGone
from sansio_net.testing.link import Link
from sansio_net.units import SECOND

from .nics import A6, B6, A, B, echo, run, stream_pair, two_nics


async def exchange(port: int = 7) -> str:
    """By trio's own verb, wherever that leads. Who we were."""
    async with await trio.open_tcp_stream("b.test", port) as stream:
        await stream.send_all(b"x")
        assert await stream.receive_some() == b"x"
        host: str = stream.socket.getsockname()[0]
        return host


def test_trio_s_own_verbs_where_a_nic_is_in_use() -> None:
    async def main() -> None:
        async with two_nics() as (a, b), trio.open_nursery() as nursery:
            with b.use():
                await nursery.start(trio.serve_tcp, echo, 7)
            with a.use():
                assert await exchange() in (A, "fd00::1")
                assert await trio.socket.getnameinfo((B, 7), 0) == ("b.test", "7")
                with pytest.raises(socket.gaierror):
                    await trio.socket.getaddrinfo("example.org", 80)
            # outside it is the kernel's network
            with trio.socket.socket() as sock:
                assert sock.fileno() < 1 << 20
                await sock.bind(("127.0.0.1", 0))
            nursery.cancel_scope.cancel()

    run(main)


def test_tasks_inherit_their_nic() -> None:
    async def main() -> None:
        async with two_nics() as (a, b), trio.open_nursery() as nursery:
            asked: list[str] = []

            async def ask_back(stream: trio.SocketStream) -> None:
                asked.append(await exchange(8))
                await stream.send_all(await stream.receive_some())

            b.hosts["b.test"] = [A]  # where the server's own questions go
            with a.use():
                await nursery.start(trio.serve_tcp, echo, 8)
            with b.use():
                await nursery.start(trio.serve_tcp, ask_back, 7)
            results: list[str] = []

            async def ask() -> None:
                results.append(await exchange())

            async with trio.open_nursery() as inner:
                with a.use():
                    inner.start_soon(ask)
            assert results[0] in (A, "fd00::1")
            assert asked == [B]
            nursery.cancel_scope.cancel()

    run(main)


class Nowhere(trio.abc.SocketFactory):
    def socket(
        self, family: int = 0, type: int = 0, proto: int = 0
    ) -> trio.socket.SocketType:
        raise OSError("nowhere")


def test_hooks_that_were_there_come_back() -> None:
    async def main() -> None:
        before = Nowhere()
        trio.socket.set_custom_socket_factory(before)
        async with two_nics() as (a, _):
            with pytest.raises(OSError, match="nowhere"):
                trio.socket.socket()
            with a.use():
                trio.socket.socket().close()
        assert trio.socket.set_custom_socket_factory(None) is before
        assert trio.socket.set_custom_hostname_resolver(None) is None

    run(main)


def test_the_hooks_by_hand() -> None:
    async def main() -> None:
        async with two_nics() as (a, b), trio.open_nursery() as nursery:
            await nursery.start(b.serve_tcp, echo, 7)
            trio.socket.set_custom_socket_factory(SocketFactory(a))
            trio.socket.set_custom_hostname_resolver(HostnameResolver(a))
            assert await exchange() in (A, "fd00::1")
            trio.socket.set_custom_socket_factory(None)
            trio.socket.set_custom_hostname_resolver(None)
            nursery.cancel_scope.cancel()

    run(main)


def test_left_in_good_order_it_closes_and_waits() -> None:
    data = bytes(300_000)

    async def main() -> None:
        near, far = memory_pair(Link(1, latency="100ms"))
        got = bytearray()
        async with open_nic(far, [f"{B}/24"]) as b, trio.open_nursery() as nursery:

            async def read(stream: trio.SocketStream) -> None:
                async for part in stream:
                    got.extend(part)

            await nursery.start(b.serve_tcp, read, 7)
            async with open_nic(near, [f"{A}/24"]) as a:
                stream = await a.open_tcp_stream(B, 7)
                await stream.send_all(data)
                waiter: list[Exception] = []

                async def wait() -> None:
                    try:
                        await stream.receive_some()
                    except trio.BrokenResourceError as error:
                        waiter.append(error)

                nursery.start_soon(wait)
                await trio.testing.wait_all_tasks_blocked()
            assert got == data
            await trio.testing.wait_all_tasks_blocked()
            assert isinstance(waiter[0].__cause__, ConnectionAborted)
            with pytest.raises(OSError, match="closed"):
                a.socket()
            nursery.cancel_scope.cancel()

    run(main)


def test_a_deaf_peer_holds_it_up_for_the_timeout_alone() -> None:
    async def main() -> None:
        async with two_nics(close_timeout=3 * SECOND) as (_, b):
            near, _far = memory_pair(Link(1))
            del b
            opened = open_nic(near, [f"{A}/24"], close_timeout=3 * SECOND)
            async with opened as nic:
                with trio.move_on_after(1):
                    await nic.socket().connect((B, 7))
            async with two_nics(close_timeout=3 * SECOND) as (a, b2):
                client, _server = await stream_pair(a, b2)
                with trio.move_on_after(1):
                    await client.send_all(bytes(10_000_000))
                before = trio.current_time()
            assert trio.current_time() - before <= 8

    run(main)


@pytest.mark.parametrize("how", ["error", "cancelled"])
def test_left_otherwise_it_resets(how: str) -> None:
    async def main() -> None:
        near, far = memory_pair(Link(1, latency="100ms"))
        async with open_nic(far, [f"{B}/24"]) as b:
            (listener,) = await b.open_tcp_listeners(7, host=B)
            before = 0.0

            async def body() -> None:
                nonlocal before
                async with open_nic(near, [f"{A}/24"]) as a:
                    stream = await a.open_tcp_stream(B, 7)
                    await stream.send_all(bytes(10_000_000))

            async def crash() -> None:
                with trio.CancelScope() as scope:
                    async with open_nic(near, [f"{A}/24"]) as a:
                        _stream = await a.open_tcp_stream(B, 7)
                        before = trio.current_time()
                        if how == "error":
                            raise ZeroDivisionError
                        scope.cancel()
                        await trio.sleep_forever()
                assert trio.current_time() == before

            if how == "error":
                with pytest.raises(ZeroDivisionError):
                    await crash()
            else:
                await crash()
            stream = await listener.accept()
            with pytest.raises(trio.BrokenResourceError):
                await stream.receive_some()

    run(main)


def test_cancelled_before_its_addresses_are_usable() -> None:
    async def main() -> None:
        near, far = memory_pair(Link(1))
        with trio.move_on_after(0.1) as scope:
            async with open_nic(near, [f"{A6}/64"]):
                raise AssertionError("duplicate detection takes longer")
        assert scope.cancelled_caught
        assert near.room() == 0  # closed
        assert trio.socket.set_custom_socket_factory(None) is None
        # and nothing of it is left: the other end may begin
        async with open_nic(far, [f"{B}/24"]):
            pass

    run(main)


def test_without_trio_the_command_is_named() -> None:
    program = """
import sys
sys.modules["trio"] = None
import sansio_net.adapters.blocking  # does without
import sansio_net.adapters.trio
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30
    )
    assert 'pip install "sansio_net[trio]"' in done.stderr.splitlines()[-1]


class Failing:
    """A device whose cable is pulled, or that has a bug."""

    def __init__(self, device: object, error: Exception) -> None:
        self._device = device
        self._error: Exception | None = None
        self._later = error

    def __getattr__(self, name: str) -> object:
        return getattr(self._device, name)

    def notify(self, callback: object) -> None:
        self._device.notify(callback)  # type: ignore[attr-defined]

    def fail(self) -> None:
        self._error = self._later

    def room(self) -> int:
        if self._error is not None:
            raise self._error
        return 64


async def waits(stream: trio.SocketStream) -> None:
    with pytest.raises(trio.BrokenResourceError) as caught:
        await stream.receive_some()
    assert isinstance(caught.value.__cause__, ConnectionAborted)


async def through_a_failing_device(error: Exception) -> None:
    near, far = memory_pair(Link(1))
    failing = Failing(near, error)
    async with open_nic(far, [f"{B}/24"]) as b, trio.open_nursery() as nursery:
        await nursery.start(b.serve_tcp, echo, 7)
        async with open_nic(failing, [f"{A}/24"]) as a:  # type: ignore[arg-type]
            stream = await a.open_tcp_stream(B, 7)
            async with trio.open_nursery() as inner:
                inner.start_soon(waits, stream)
                await trio.testing.wait_all_tasks_blocked()
                failing.fail()
                a.wake()
            with pytest.raises(ConnectionAborted):
                a.socket()
            nursery.cancel_scope.cancel()
            await trio.lowlevel.checkpoint()


def test_a_device_that_goes_away() -> None:
    run(through_a_failing_device, DeviceGone("unplugged"))


def test_a_bug_in_a_device_ends_the_block() -> None:
    with pytest.raises(ExceptionGroup) as caught:  # of the test's own nursery
        run(through_a_failing_device, ValueError("a bug"))
    assert caught.group_contains(ValueError, match="a bug")


def test_time_is_the_stack_s_as_well() -> None:
    """Hours of keep-alive in no time; and a clock of one's own."""

    async def main() -> None:
        async with two_nics() as (a, b):
            client, _server = await stream_pair(a, b)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            sent = a.stack.counters()["eth0.tx_packets"]
            await trio.sleep(3 * 7200 - 100)
            assert 2 <= a.stack.counters()["eth0.tx_packets"] - sent < 50
        near, _ = memory_pair(Link(1))
        ticks = iter(range(10**9))
        async with open_nic(near, [f"{A}/24"], clock=lambda: next(ticks)):
            pass

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


PAGE = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\nhello"


async def serve_pages(b: Nic, nursery: trio.Nursery) -> None:
    async def serve(stream: trio.SocketStream) -> None:
        asked = b""
        async for data in stream:
            asked += data
            while b"\r\n\r\n" in asked:
                asked = asked.partition(b"\r\n\r\n")[2]
                await stream.send_all(PAGE)

    await nursery.start(partial(b.serve_tcp, serve, 80))


def test_httpx() -> None:
    async def main() -> None:
        async with two_nics() as (a, b), trio.open_nursery() as nursery:
            await serve_pages(b, nursery)
            with a.use():
                async with httpx.AsyncClient(trust_env=False) as client:
                    for host in ("b.test", B, f"[{B6}]"):
                        for _ in range(3):  # kept alive: is_readable is asked
                            answer = await client.get(f"http://{host}/")
                            assert answer.text == "hello"
            nursery.cancel_scope.cancel()

    run(main)


def test_anyio() -> None:
    async def main() -> None:
        async with two_nics() as (a, b), trio.open_nursery() as nursery:
            await serve_pages(b, nursery)
            with a.use():
                async with await anyio.connect_tcp("b.test", 80) as stream:
                    await stream.send(b"GET / HTTP/1.1\r\n\r\n")
                    assert await stream.receive() == PAGE
                    peer = stream.extra(anyio.abc.SocketAttribute.remote_port)
                    assert peer == 80
                with pytest.raises(OSError, match="All connection attempts failed"):
                    await anyio.connect_tcp("b.test", 81)
            nursery.cancel_scope.cancel()

    run(main)


def test_dnspython() -> None:
    """Its resolver finds trio, and trio's sockets the NIC."""

    async def serve(sock: trio.socket.SocketType) -> None:
        while True:
            data, source = await sock.recvfrom(512)
            asked = dns.message.from_wire(data)
            answer = dns.message.make_response(asked)
            name = asked.question[0].name
            answer.answer = [dns.rrset.from_text(name, 60, "IN", "A", "10.0.0.7")]
            await sock.sendto(answer.to_wire(), source)

    async def main() -> None:
        async with two_nics() as (a, b), trio.open_nursery() as nursery:
            with b.socket(type=socket.SOCK_DGRAM) as sock:
                await sock.bind((B, 53))
                nursery.start_soon(serve, sock)
                resolver = dns.asyncresolver.Resolver(configure=False)
                resolver.nameservers = [B]
                with a.use():
                    answer = await resolver.resolve("www.example.org", "A")
                assert [record.address for record in answer] == ["10.0.0.7"]
                nursery.cancel_scope.cancel()

    run(main)

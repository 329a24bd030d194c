"""UDP sockets over the NIC: trio's socket verbs, and anyio's on top of them."""

from __future__ import annotations

import errno
import socket

import anyio
import pytest
import trio
import trio.testing

from sansio_net.adapters.trio import Nic

from .nics import B6, A, B, run, two_nics

DATAGRAM = socket.SOCK_DGRAM


async def bound(nic: Nic, host: str, port: int = 0) -> trio.socket.SocketType:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = nic.socket(family, DATAGRAM)
    await sock.bind((host, port))
    return sock


def test_to_and_from() -> None:
    async def main() -> None:
        async with two_nics() as (a, b):
            for host in ("0.0.0.0", B6):
                one = await bound(a, host.replace("::2", "::1"))
                other = await bound(b, host, 5000)
                to = ("b.test", 5000)
                assert await one.sendto(b"hello", to) == 5
                data, source = await other.recvfrom(100)
                assert data == b"hello"
                assert source[1] == one.getsockname()[1]
                await other.sendto(b"answer", 0, source)
                assert (await one.recvfrom(3))[0] == b"ans"  # the rest is gone
                assert not one.is_readable()
                await other.sendto(b"again", source)
                await one.wait_readable()
                assert await one.recv(9, socket.MSG_PEEK) == b"again"
                buffer = bytearray(9)
                n, place = await one.recvfrom_into(buffer)
                assert bytes(buffer[:n]) == b"again"
                assert place[1] == 5000
                one.close()
                other.close()

    run(main)


def test_connected_ones_hear_of_errors_and_of_their_peer_alone() -> None:
    async def main() -> None:
        async with two_nics() as (a, b):
            sock, other = await bound(a, A), await bound(b, B, 5000)
            await other.sendto(b"before", sock.getsockname())
            await sock.wait_readable()
            await sock.connect((B, 5001))
            assert sock.getpeername() == (B, 5001)
            assert await sock.recv(100) == b"before"  # stays, as on Linux
            await other.sendto(b"of a stranger", sock.getsockname())
            await sock.send(b"nobody is there")
            with pytest.raises(ConnectionRefusedError):
                await sock.recv(100)
            await sock.send(b"nobody is there")
            await trio.sleep(1)
            assert sock.is_readable()
            with pytest.raises(ConnectionRefusedError):
                await sock.recv(100)
            assert not sock.is_readable()
            await sock.connect((B, 5000))
            await sock.send(b"here")
            data, source = await other.recvfrom(100)
            assert data == b"here"
            assert source == sock.getsockname()
            sock.close()
            other.close()

    run(main)


def test_options_are_remembered_until_there_is_a_socket() -> None:
    async def main() -> None:
        async with two_nics() as (a, b):
            sock = a.socket(type=DATAGRAM)
            with pytest.raises(PermissionError):
                await sock.sendto(b"x", ("10.0.0.255", 5000))
            sock.close()
            a.stack.add_route("default", nic=a.interface)
            sock = a.socket(type=DATAGRAM)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 7)
            other = await bound(b, "0.0.0.0", 5000)
            await sock.sendto(b"all", ("<broadcast>", 5000))
            assert await other.recv(100) == b"all"
            assert sock.getsockopt(socket.IPPROTO_IP, socket.IP_TTL) == 7
            sock.close()
            other.close()

    run(main)


def test_groups() -> None:
    async def main() -> None:
        group = socket.inet_aton("224.1.2.3") + socket.inet_aton("0.0.0.0")
        async with two_nics() as (a, b):
            a.stack.add_route("default", nic=a.interface)
            sock, other = a.socket(type=DATAGRAM), b.socket(type=DATAGRAM)
            other.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group)
            await other.bind(("0.0.0.0", 5000))
            await sock.sendto(b"group", ("224.1.2.3", 5000))
            assert await other.recv(100) == b"group"
            # `connect` makes another socket of the stack: it joins again
            await other.connect((A, sock.getsockname()[1]))
            await sock.sendto(b"group", ("224.1.2.3", 5000))
            assert await other.recv(100) == b"group"
            other.setsockopt(socket.IPPROTO_IP, socket.IP_DROP_MEMBERSHIP, group)
            await sock.sendto(b"group", ("224.1.2.3", 5000))
            await trio.sleep(1)
            assert not other.is_readable()
            sock.close()
            other.close()

    run(main)


def test_a_full_queue_makes_the_sender_wait() -> None:
    async def main() -> None:
        async with two_nics(rate="10mbit") as (a, b):
            sock, other = a.socket(type=DATAGRAM), await bound(b, B, 5000)
            await sock.sendto(b"who is there?", (B, 5000))
            await other.recv(2000)
            got = 0
            async with trio.open_nursery() as nursery:

                async def read() -> None:
                    nonlocal got
                    while True:
                        await other.recv(2000)
                        got += 1

                nursery.start_soon(read)
                for _ in range(2000):  # more than the socket's queue holds
                    await sock.sendto(bytes(1000), (B, 5000))
                await trio.sleep(10)
                nursery.cancel_scope.cancel()
            assert a.stack.counters()["eth0.tx_packets"] >= 2000
            assert got > 0
            sock.close()
            other.close()

    run(main)


def test_misuse() -> None:
    async def main() -> None:
        async with two_nics() as (a, _):
            sock = a.socket(type=DATAGRAM)
            for call, code in (
                (lambda: sock.listen(), errno.EOPNOTSUPP),
                (lambda: sock.shutdown(socket.SHUT_WR), errno.ENOTCONN),
                (lambda: a.socket(socket.AF_UNIX), errno.EAFNOSUPPORT),
                (lambda: a.socket(type=socket.SOCK_RAW), errno.EPROTONOSUPPORT),
                (lambda: sock.getpeername(), errno.ENOTCONN),
            ):
                with pytest.raises(OSError) as caught:
                    call()
                assert caught.value.errno == code
            with pytest.raises(OSError) as caught:
                await sock.send(b"x")
            assert caught.value.errno == errno.EDESTADDRREQ
            with pytest.raises(OSError) as caught:
                await sock.sendto(bytes(70_000), (B, 9))
            assert caught.value.errno == errno.EMSGSIZE
            with pytest.raises(TypeError):
                await sock.sendto(b"x", B)
            async with trio.open_nursery() as nursery:

                async def wait() -> None:
                    with pytest.raises(trio.ClosedResourceError):
                        await sock.recv(1)

                nursery.start_soon(wait)
                await trio.testing.wait_all_tasks_blocked()
                sock.close()

    run(main)


def test_anyio_on_trio() -> None:
    async def main() -> None:
        async with two_nics() as (a, b):
            other = await bound(b, B, 5000)
            with a.use():
                async with await anyio.create_connected_udp_socket(
                    "b.test", 5000, family=socket.AF_INET
                ) as udp:
                    await udp.send(b"hello")
                    data, source = await other.recvfrom(100)
                    assert data == b"hello"
                    await other.sendto(b"answer", source)
                    assert await udp.receive() == b"answer"
            other.close()

    run(main)

"""Clients that are libraries, against the servers of test_library_clients.py.

``python -m tests.interop.library_clients kernel|nic ADDRESS FOLDER NAME...`` prints a
line for each NAME: "NAME well", or what went wrong.
"""

from __future__ import annotations

import asyncio
import ssl
import sys
import traceback
from pathlib import Path

from sansio_net.adapters.asyncio import open_nic, run

from .lab import pattern

OURS, HOST = "10.0.0.2", "10.0.0.1"
SIZE = 1_000_000
DATA = pattern(SIZE)


class Clients:
    """A method for each library, which alone imports it: they take their time.

    `file` is pattern(SIZE) wherever files are served.
    """

    def __init__(self, address: str, folder: Path) -> None:
        self.address = address
        self.folder = folder

    def tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.folder / "ca.pem")

    async def httpx(self) -> None:
        """HTTP/1.1 and HTTP/2 over TLS, connections that are kept, many at once."""
        import httpx

        for http2, version in ((False, "HTTP/1.1"), (True, "HTTP/2")):
            async with httpx.AsyncClient(
                verify=self.tls(), http2=http2, trust_env=False
            ) as client:
                for _ in range(3):
                    answer = await client.get(f"https://{self.address}/file")
                    assert answer.content == DATA
                    assert answer.http_version == version
                urls = [f"https://{self.address}/small/{n}" for n in range(50)]
                answers = await asyncio.gather(*map(client.get, urls))
                assert [int(one.text) for one in answers] == list(range(50))
            plain = httpx.AsyncClient(trust_env=False)
            async with plain, plain.stream("GET", f"http://{self.address}/file") as got:
                assert b"".join([part async for part in got.aiter_bytes()]) == DATA

    async def aiohttp(self) -> None:
        import aiohttp

        connector = aiohttp.TCPConnector(ssl=self.tls())
        async with aiohttp.ClientSession(connector=connector) as session:
            for scheme in ("http", "https"):
                async with session.get(f"{scheme}://{self.address}/file") as answer:
                    assert await answer.read() == DATA
                urls = [f"{scheme}://{self.address}/small/{n}" for n in range(50)]
                answers = await asyncio.gather(*map(session.get, urls))
                texts = [await one.text() for one in answers]
                assert [int(text) for text in texts] == list(range(50))

    async def websockets(self) -> None:
        from websockets.asyncio.client import connect

        url = f"wss://{self.address}:8001"
        async with connect(url, ssl=self.tls(), max_size=1 << 24, proxy=None) as socket:
            for message in ("words", b"", DATA):
                await socket.send(message)
                assert await socket.recv() == message
            await (await socket.ping())
            for n in range(200):
                await socket.send(str(n))
            assert [int(await socket.recv()) for _ in range(200)] == list(range(200))
            assert socket.remote_address[1] == 8001

    async def aioquic(self) -> None:
        import aioquic.asyncio
        from aioquic.quic.configuration import QuicConfiguration

        configuration = QuicConfiguration(alpn_protocols=["echo"])
        configuration.load_verify_locations(str(self.folder / "ca.pem"))
        async with aioquic.asyncio.connect(
            self.address, 4433, configuration=configuration
        ) as client:
            await client.ping()

            async def echo(data: bytes) -> None:
                reader, writer = await client.create_stream()
                writer.write(data)
                writer.write_eof()
                assert await reader.read() == data

            await echo(DATA[:300_000])
            await asyncio.gather(*(echo(DATA[n * 1000 :][:3000]) for n in range(20)))

    async def asyncssh(self) -> None:
        import asyncssh
        import httpx

        async with asyncssh.connect(
            self.address,
            username="root",
            client_keys=[self.folder / "user_key"],
            known_hosts=None,
            config=None,
        ) as conn:
            done = await conn.run("cat; exit 3", input=DATA, encoding=None)
            assert (done.stdout, done.exit_status) == (DATA, 3)
            async with conn.start_sftp_client() as sftp:
                copy = self.folder / "copy"
                await sftp.get(str(self.folder / "site" / "file"), copy)
                assert copy.read_bytes() == DATA
            # a listener on the NIC, whose connections go on from the server; the kernel
            # would not let it bind our address
            listener = await conn.forward_local_port("0.0.0.0", 0, self.address, 80)
            async with httpx.AsyncClient(trust_env=False) as client:
                url = f"http://{OURS}:{listener.get_port()}/file"
                assert (await client.get(url)).content == DATA

    async def redis(self) -> None:
        from redis.asyncio import Redis

        async with Redis(host=self.address) as client:
            assert await client.ping()
            await client.set("data", DATA)
            assert await client.get("data") == DATA
            async with client.pipeline(transaction=False) as pipe:
                for n in range(1000):
                    pipe.incrby("sum", n)
                assert (await pipe.execute())[-1] == 499_500
            async with client.pubsub() as heard:
                await heard.subscribe("news")
                assert (await heard.get_message(timeout=5))["type"] == "subscribe"
                await client.publish("news", b"words")
                message = await heard.get_message(timeout=5)
                assert message["data"] == b"words"
            queued = asyncio.create_task(client.blpop(["queue"], 10))
            await asyncio.sleep(0.1)
            async with Redis(host=self.address) as other:
                await other.rpush("queue", b"job")
            assert (await queued)[1] == b"job"

    async def asyncpg(self) -> None:
        """Over TLS, which it asks the server for on the connection."""
        import asyncpg

        place = {"host": self.address, "user": "postgres", "database": "postgres"}
        conn = await asyncpg.connect(**place, ssl=self.tls())
        assert await conn.fetchval(
            "SELECT ssl FROM pg_stat_ssl WHERE pid = $1", *([conn.get_server_pid()])
        )
        await conn.execute("CREATE TABLE t (n int, data bytea)")
        rows = [(n, DATA[n : n + 50]) for n in range(20_000)]
        await conn.copy_records_to_table("t", records=rows)
        got = await conn.fetch("SELECT n, data FROM t ORDER BY n")
        assert [tuple(row) for row in got] == rows
        await conn.executemany(
            "UPDATE t SET data = $2 WHERE n = $1", [(n, b"") for n in range(100)]
        )
        assert await conn.fetchval("SELECT count(*) FROM t WHERE data = ''") == 100
        assert await conn.fetchval("SELECT $1::bytea", DATA) == DATA
        heard: asyncio.Queue[str] = asyncio.Queue()
        await conn.add_listener("news", lambda *about: heard.put_nowait(about[3]))
        async with asyncpg.create_pool(**place, min_size=3, max_size=3) as pool:
            sums = [pool.fetchval("SELECT 1 + $1::int", n) for n in range(50)]
            assert await asyncio.gather(*sums) == list(range(1, 51))
            await pool.execute("NOTIFY news, 'words'")
        assert await heard.get() == "words"
        # a query that is given up is cancelled over a connection of its own
        try:
            await conn.fetch("SELECT pg_sleep(20)", timeout=0.3)
        except TimeoutError:
            pass
        assert await conn.fetchval("SELECT 7") == 7
        await conn.close()


async def main(clients: Clients, names: list[str]) -> None:
    for name in names:
        try:
            async with asyncio.timeout(20):
                await getattr(clients, name)()
        except Exception:
            print(f"{name}:\n{traceback.format_exc()}", flush=True)
        else:
            print(f"{name} well", flush=True)


if __name__ == "__main__":
    where, address, folder, *names = sys.argv[1:]
    program = main(Clients(address, Path(folder)), names)
    if where == "nic":
        run(
            program,
            nic=open_nic("tap:lib0", [f"{OURS}/24"], host_address=f"{HOST}/24"),
        )
    else:
        asyncio.run(program)

"""Servers that are libraries: on the kernel's network for our clients, or on the NIC.

``python -m tests.interop.library_peers kernel|nic FOLDER`` serves until Ctrl-C. FOLDER
has cert.pem, key.pem, and for SSH host_key and authorized_keys.

On both: websockets on 8001 (wss), aioquic on UDP port 4433, which send back what comes.
On the NIC also: hypercorn on 8443 (TLS, HTTP/2), asyncssh on 22.
"""

from __future__ import annotations

import asyncio
import ssl
import sys
from pathlib import Path
from typing import Any

import aioquic.asyncio
import asyncssh
import hypercorn.asyncio
import websockets.asyncio.server
from aioquic.quic.configuration import QuicConfiguration

from sansio_net.adapters.asyncio import open_nic, run

OURS, HOST = "10.0.0.2", "10.0.0.1"
NIC = {"link": "tap:lib0", "addresses": [f"{OURS}/24"], "host_address": f"{HOST}/24"}


async def serve_websockets(address: str, folder: Path) -> None:
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(folder / "cert.pem", folder / "key.pem")

    async def echo(socket: Any) -> None:
        async for message in socket:
            await socket.send(message)

    await websockets.asyncio.server.serve(
        echo, address, 8001, ssl=tls, max_size=1 << 24
    )


async def serve_quic(address: str, folder: Path) -> None:
    async def echo(reader: Any, writer: Any) -> None:
        while data := await reader.read(100_000):
            writer.write(data)
        writer.write_eof()

    tasks = set()

    def handle(reader: Any, writer: Any) -> None:
        task = asyncio.ensure_future(echo(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    configuration = QuicConfiguration(is_client=False, alpn_protocols=["echo"])
    configuration.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    await aioquic.asyncio.serve(
        address, 4433, configuration=configuration, stream_handler=handle
    )


async def asgi(scope: Any, receive: Any, send: Any) -> None:
    """A POST is sent back as it comes; else the HTTP version, and so many bytes as the
    path says.
    """
    assert scope["type"] == "http"
    start = {"type": "http.response.start", "status": 200, "headers": []}
    await send(start)
    body, more = scope["http_version"].encode() + b"\n", False
    if scope["method"] == "POST":
        body, more = b"", True
    elif scope["path"] != "/":
        body = bytes(int(scope["path"][1:]))
    await send({"type": "http.response.body", "body": body, "more_body": more})
    while more:
        message = await receive()
        more = message["more_body"]
        answer = {"type": "http.response.body", "body": message["body"]}
        await send({**answer, "more_body": more})


async def serve_hypercorn(folder: Path, over: asyncio.Event) -> None:
    config = hypercorn.Config()
    # it makes its own sockets: of these only the port counts
    config.bind = ["0.0.0.0:8443"]
    config.certfile, config.keyfile = str(folder / "cert.pem"), str(folder / "key.pem")
    config.errorlog, config.graceful_timeout = None, 0.5
    app: Any = asgi
    await hypercorn.asyncio.serve(app, config, shutdown_trigger=over.wait, mode="asgi")


async def serve_ssh(folder: Path) -> None:
    async def run(process: asyncssh.SSHServerProcess[bytes]) -> None:
        while data := await process.stdin.read(65536):
            process.stdout.write(data)
            await process.stdout.drain()
        process.exit(3)

    await asyncssh.listen(
        *(OURS, 22),
        server_host_keys=[folder / "host_key"],
        authorized_client_keys=str(folder / "authorized_keys"),
        process_factory=run,
        encoding=None,
        sftp_factory=True,
        allow_scp=True,
    )


async def main(where: str, folder: Path) -> None:
    address = OURS if where == "nic" else HOST
    await serve_websockets(address, folder)
    await serve_quic(address, folder)
    more: list[asyncio.Task[None]] = []
    over = asyncio.Event()
    if where == "nic":
        await serve_ssh(folder)
        more = [asyncio.create_task(serve_hypercorn(folder, over))]
        await asyncio.sleep(0.1)
    print("ready", flush=True)
    try:
        await asyncio.Event().wait()
    finally:
        over.set()
        await asyncio.gather(*more)


if __name__ == "__main__":
    where, folder = sys.argv[1], Path(sys.argv[2])
    try:
        if where == "nic":
            run(main(where, folder), nic=open_nic(**NIC))  # type: ignore[arg-type]
        else:
            asyncio.run(main(where, folder))
    except KeyboardInterrupt:
        pass

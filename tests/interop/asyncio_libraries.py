"""Libraries of other people, unmodified, on a NIC on a TAP.

``python -m tests.interop.asyncio_libraries uvicorn|aiohttp CERT KEY`` serves until
Ctrl-C, ``... clients URL`` fetches with httpx and aiohttp and prints what came.
"""

from __future__ import annotations

import asyncio
import hashlib
import ssl
import sys
from typing import Any

import aiohttp
import httpx
import uvicorn
from aiohttp import web

from sansio_net.adapters.asyncio import open_nic, run

OURS, HOST = "10.0.0.2", "10.0.0.1"


async def asgi(scope: Any, receive: Any, send: Any) -> None:
    """A POST is sent back, anything else is greeted."""
    body = b""
    while scope["method"] == "POST":
        message = await receive()
        body += message["body"]
        if not message["more_body"]:
            break
    await send({"type": "http.response.start", "status": 200, "headers": []})
    answer = body or "hello {} {}\n".format(*scope["client"]).encode()
    await send({"type": "http.response.body", "body": answer})


async def serve_uvicorn(cert: str, key: str) -> None:
    servers = []
    for port, tls in ((80, {}), (443, {"ssl_certfile": cert, "ssl_keyfile": key})):
        config = uvicorn.Config(
            asgi, host=OURS, port=port, log_level="error", lifespan="off", **tls
        )
        servers.append(uvicorn.Server(config))
    tasks = [asyncio.create_task(server.serve()) for server in servers]
    while not all(server.started for server in servers):
        await asyncio.sleep(0.01)
    print("ready", flush=True)
    await asyncio.gather(*tasks)


async def serve_aiohttp(cert: str, key: str) -> None:
    async def handle(request: web.Request) -> web.StreamResponse:
        if request.path == "/file":
            return web.FileResponse(key.replace("key.pem", "file"))
        if request.path == "/ws":
            socket = web.WebSocketResponse()
            await socket.prepare(request)
            async for message in socket:
                await socket.send_str(message.data.upper())
            return socket
        return web.Response(body=await request.read() or b"hello aiohttp\n")

    app = web.Application(client_max_size=1 << 24)
    app.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(cert, key)
    await web.TCPSite(runner, OURS, 80).start()
    await web.TCPSite(runner, OURS, 443, ssl_context=context).start()
    # its own client, through lo
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"http://{OURS}/ws") as socket,
    ):
        await socket.send_str("web socket")
        assert await socket.receive_str() == "WEB SOCKET"
    print("ready", flush=True)
    try:
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()


async def clients(url: str) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(url)
        print("httpx", hashlib.sha256(answer.content).hexdigest())
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        print("aiohttp", hashlib.sha256(await response.read()).hexdigest())


PROGRAMS = {"uvicorn": serve_uvicorn, "aiohttp": serve_aiohttp, "clients": clients}

if __name__ == "__main__":
    nic = open_nic(
        "tap:lib0",
        [f"{OURS}/24"],
        host_address=f"{HOST}/24",
        hosts={"host.test": [HOST]},
    )
    try:
        run(PROGRAMS[sys.argv[1]](*sys.argv[2:]), nic=nic)
    except KeyboardInterrupt:
        pass

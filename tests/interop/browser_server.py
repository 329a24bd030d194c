"""What a browser is sent through: an ASGI application on the NIC.

``python -m tests.interop.browser_server uvicorn|hypercorn MEGABYTES CERT KEY`` serves a
page of a hundred small resources, a WebSocket, a download and an upload of that size,
and prints what the page found, as JSON, once it says so. uvicorn serves HTTP/1.1 on
port 80, hypercorn HTTP/2 over TLS on 443.

Big data is a block of a megabyte again and again, each time with its number in front.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import hypercorn.asyncio
import uvicorn

from sansio_net.adapters.asyncio import open_nic, run

from .lab import pattern

OURS, HOST = "10.0.0.2", "10.0.0.1"
BLOCK = 1 << 20

PAGE = """<!DOCTYPE html>
<html><head><meta charset="utf-8"><title>working</title>
<link rel="icon" href="data:,">
<style>img {{ width: 24px; height: 24px }} div {{ height: 1px; width: 1px }}</style>
<script>
const loaded = new Set();
const failed = [];
addEventListener("error", e => failed.push(e.target.src || e.target.href), true);
</script>
{links}
<script>
const blocks = {blocks};
const size = 1 << 20;

function finished() {{
    const images = [...document.images].filter(i => i.complete && i.naturalWidth == 24);
    const styled = [...document.querySelectorAll("div")].filter(
        d => getComputedStyle(d).height == "2px");
    const version = performance.getEntriesByType("navigation")[0].nextHopProtocol;
    const found = {{ images: images.length, styles: styled.length }};
    return {{ version, failed, scripts: loaded.size, ...found }};
}}

function socket() {{
    return new Promise((done, failed) => {{
        const ws = new WebSocket(location.origin.replace("http", "ws") + "/ws");
        const big = "x".repeat(300000);
        const heard = [];
        ws.onopen = () => {{
            for (let n = 0; n < 100; n++) ws.send("" + n);
            ws.send(big);
        }};
        ws.onerror = () => failed("WebSocket error");
        ws.onmessage = event => {{
            heard.push(event.data);
            if (heard.length == 101) ws.close(1000);
        }};
        ws.onclose = event => done(
            heard.slice(0, 100).every((one, n) => one == "" + n) && heard[100] == big
            && event.wasClean);
    }});
}}

async function fetched(path) {{
    return new Uint8Array(await (await fetch(path)).arrayBuffer());
}}

async function download(block) {{
    const reader = (await fetch("/data")).body.getReader();
    let at = 0, wrong = 0;
    const number = new Uint8Array(4);
    for (;;) {{
        const {{ done, value }} = await reader.read();
        if (done) return {{ size: at, wrong }};
        for (const byte of value) {{
            const within = at % size;
            if (within == 0)
                new DataView(number.buffer).setUint32(0, at / size);
            if (byte != (within < 4 ? number[within] : block[within])) wrong++;
            at++;
        }}
    }}
}}

async function upload(block) {{
    const parts = [];
    for (let n = 0; n < blocks; n++) {{
        const part = block.slice();
        new DataView(part.buffer).setUint32(0, n);
        parts.push(part);
    }}
    const body = new Blob(parts);
    return await (await fetch("/upload", {{ method: "POST", body }})).json();
}}

addEventListener("load", async () => {{
    const result = finished();
    try {{
        result.socket = await socket();
        const block = await fetched("/block");
        let began = performance.now();
        result.download = await download(block);
        result.down_ms = performance.now() - began;
        began = performance.now();
        result.upload = await upload(block);
        result.up_ms = performance.now() - began;
    }} catch (error) {{
        result.error = "" + error;
    }}
    document.title = "done";
    document.querySelector("pre").textContent = JSON.stringify(result, null, 1);
    await fetch("/result", {{ method: "POST", body: JSON.stringify(result) }});
}});
</script></head>
<body><h1>A page of a hundred resources</h1><p>{images}</p>{boxes}<pre>...</pre></body>
</html>
"""

SVG = """<svg xmlns="http://www.w3.org/2000/svg" width="24" height="24">
<rect width="24" height="24" fill="hsl({hue},80%,50%)"/></svg>"""


def numbered(n: int) -> bytes:
    return n.to_bytes(4, "big") + pattern(BLOCK)[4:]


def page(blocks: int) -> bytes:
    text = PAGE.format(
        blocks=blocks,
        links="".join(
            f'<link rel="stylesheet" href="/css/{n}"><script src="/js/{n}"></script>\n'
            for n in range(20)
        ),
        images=" ".join(f'<img src="/svg/{n}">' for n in range(60)),
        boxes="".join(f'<div id="box{n}"></div>' for n in range(20)),
    )
    return text.encode()


def small(kind: str, n: int) -> tuple[bytes, str]:
    text, content_type = {
        "svg": (SVG.format(hue=n * 6), "image/svg+xml"),
        "js": (f"loaded.add({n});", "text/javascript"),
        "css": (f"#box{n} {{ height: 2px }}", "text/css"),
    }[kind]
    return text.encode(), content_type


class App:
    """ASGI."""

    def __init__(self, blocks: int) -> None:
        self.blocks = blocks

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            await self.echo(receive, send)
            return
        assert scope["type"] == "http"
        path, content_type = scope["path"], "application/octet-stream"
        if path == "/data":
            await self.data(send)
            return
        if path == "/":
            body, content_type = page(self.blocks), "text/html"
        elif path == "/block":
            body = pattern(BLOCK)
        elif path == "/upload":
            body = json.dumps(await self.upload(receive)).encode()
        elif path == "/result":
            print("result", (await whole(receive)).decode(), flush=True)
            body = b""
        else:
            body, content_type = small(path.split("/")[1], int(path.split("/")[2]))
        await start(send, len(body), content_type)
        await send({"type": "http.response.body", "body": body})

    async def data(self, send: Any) -> None:
        await start(send, self.blocks * BLOCK, "application/octet-stream")
        for n in range(self.blocks):
            part = {"body": numbered(n), "more_body": n + 1 < self.blocks}
            await send({"type": "http.response.body", **part})

    async def upload(self, receive: Any) -> dict[str, int]:
        """What came is compared, byte for byte, as it comes."""
        size = wrong = 0
        held, more = bytearray(), True
        while more:
            message = await receive()
            more = message["more_body"]
            held += message["body"]
            size += len(message["body"])
            while len(held) >= BLOCK:
                wrong += held[:BLOCK] != numbered(size // BLOCK - len(held) // BLOCK)
                del held[:BLOCK]
        return {"size": size, "wrong": wrong + len(held)}

    async def echo(self, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": message["text"]})


async def start(send: Any, size: int, content_type: str) -> None:
    headers = [
        (b"content-length", str(size).encode()),
        (b"content-type", content_type.encode()),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})


async def whole(receive: Any) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        body += message["body"]
        more = message["more_body"]
    return body


async def by_uvicorn(app: Any) -> None:
    config = uvicorn.Config(
        app, host=OURS, port=80, log_level="error", lifespan="off", ws_max_size=1 << 24
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    print("ready", flush=True)
    await serving


async def by_hypercorn(app: Any, cert: str, key: str) -> None:
    config = hypercorn.Config()
    config.bind = ["0.0.0.0:443"]
    config.certfile, config.keyfile = cert, key
    config.errorlog, config.graceful_timeout = None, 0.5
    config.websocket_max_message_size = 1 << 24
    over = asyncio.Event()
    asyncio.get_running_loop().call_later(0.3, print_ready)
    serving = asyncio.create_task(
        hypercorn.asyncio.serve(app, config, shutdown_trigger=over.wait, mode="asgi")
    )
    try:
        await asyncio.shield(serving)
    finally:
        over.set()
        await serving


def print_ready() -> None:
    print("ready", flush=True)


async def main(server: str, megabytes: str, cert: str, key: str) -> None:
    app = App(int(megabytes))
    if server == "uvicorn":
        await by_uvicorn(app)
    else:
        await by_hypercorn(app, cert, key)


if __name__ == "__main__":
    nic = open_nic("tap:web0", [f"{OURS}/24"], host_address=f"{HOST}/24")
    try:
        run(main(*sys.argv[1:]), nic=nic)
    except KeyboardInterrupt:
        pass

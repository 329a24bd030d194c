"""What a browser is sent through: aiohttp on the NIC.

``python -m tests.interop.browser_server MEGABYTES`` serves on port 80 a page of a
hundred small resources, a WebSocket, a download and an upload of that size, and prints
what the page found, as JSON, once it says so.

Big data is a block of a megabyte again and again, each time with its number in front.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator

from aiohttp import WSMsgType, web

from sansio_net.adapters.asyncio import open_nic, run

from .lab import pattern

OURS, HOST = "10.0.0.2", "10.0.0.1"
BLOCK = 1 << 20
BLOCKS = web.AppKey("BLOCKS", int)


PAGE = """<!DOCTYPE html>
<html><head><meta charset="utf-8"><title>working</title>
<link rel="icon" href="data:,">
<style>img {{ width: 24px; height: 24px }} div {{ height: 1px; width: 1px }}</style>
<script>const loaded = new Set();</script>
{links}
<script>
const blocks = {blocks};
const size = 1 << 20;

function finished() {{
    const images = [...document.images].filter(i => i.complete && i.naturalWidth == 24);
    const styled = [...document.querySelectorAll("div")].filter(
        d => getComputedStyle(d).height == "2px");
    return {{ images: images.length, scripts: loaded.size, styles: styled.length }};
}}

function socket() {{
    return new Promise((done, failed) => {{
        const ws = new WebSocket("ws://" + location.host + "/ws");
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


async def page(request: web.Request) -> web.Response:
    text = PAGE.format(
        blocks=request.app[BLOCKS],
        links="".join(
            f'<link rel="stylesheet" href="/css/{n}"><script src="/js/{n}"></script>\n'
            for n in range(20)
        ),
        images=" ".join(f'<img src="/svg/{n}">' for n in range(60)),
        boxes="".join(f'<div id="box{n}"></div>' for n in range(20)),
    )
    return web.Response(text=text, content_type="text/html")


async def small(request: web.Request) -> web.Response:
    n = int(request.match_info["n"])
    text, kind = {
        "svg": (SVG.format(hue=n * 6), "image/svg+xml"),
        "js": (f"loaded.add({n});", "text/javascript"),
        "css": (f"#box{n} {{ height: 2px }}", "text/css"),
    }[request.match_info["kind"]]
    return web.Response(text=text, content_type=kind)


async def echo(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    async for message in socket:
        if message.type is WSMsgType.TEXT:
            await socket.send_str(message.data)
    return socket


async def block(request: web.Request) -> web.Response:
    return web.Response(body=pattern(BLOCK))


async def data(request: web.Request) -> web.Response:
    async def parts() -> AsyncIterator[bytes]:
        for n in range(request.app[BLOCKS]):
            yield numbered(n)

    size = request.app[BLOCKS] * BLOCK
    return web.Response(body=parts(), headers={"Content-Length": str(size)})


async def upload(request: web.Request) -> web.Response:
    """What came is compared, byte for byte, as it comes."""
    size = wrong = 0
    held = bytearray()
    async for part in request.content.iter_any():
        held += part
        size += len(part)
        while len(held) >= BLOCK:
            wrong += held[:BLOCK] != numbered(size // BLOCK - len(held) // BLOCK)
            del held[:BLOCK]
    return web.json_response({"size": size, "wrong": wrong + len(held)})


async def result(request: web.Request) -> web.Response:
    print("result", json.dumps(await request.json()), flush=True)
    return web.Response()


async def main(megabytes: int) -> None:
    app = web.Application(client_max_size=1 << 40)
    app[BLOCKS] = megabytes
    app.router.add_get("/", page)
    app.router.add_get("/{kind:svg|js|css}/{n}", small)
    app.router.add_get("/ws", echo)
    app.router.add_get("/block", block)
    app.router.add_get("/data", data)
    app.router.add_post("/upload", upload)
    app.router.add_post("/result", result)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, OURS, 80).start()
    print("ready", flush=True)
    try:
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()


if __name__ == "__main__":
    nic = open_nic("tap:web0", [f"{OURS}/24"], host_address=f"{HOST}/24")
    try:
        run(main(int(sys.argv[1])), nic=nic)
    except KeyboardInterrupt:
        pass

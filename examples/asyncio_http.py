"""HTTP by asyncio's streams on a TAP, with a certificate over TLS as well. Needs root.

python examples/asyncio_http.py [cert.pem key.pem] &
curl http://10.0.0.2/
curl http://10.0.0.2/bytes/1000000 | wc -c
curl --data-binary @FILE http://10.0.0.2/ | cmp - FILE
"""

import asyncio
import ssl
import sys

from sansio_net.adapters.asyncio import open_nic


async def body_of(reader, head):
    """The chunks of a request's body, as they come."""
    length = 0
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    while length and (chunk := await reader.read(min(length, 65536))):
        length -= len(chunk)
        yield chunk


async def serve(reader, writer):
    """One request: a POST is sent back, /bytes/N are N zeros, / says hello."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        method, path, _ = head.decode("latin-1").split("\r\n")[0].split()
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        if method == "POST":
            async for chunk in body_of(reader, head):
                writer.write(chunk)
                await writer.drain()
        elif path.startswith("/bytes/"):
            for _ in range(0, int(path[7:]), 1000):
                writer.write(bytes(1000))
                await writer.drain()
        else:
            host, port = writer.get_extra_info("peername")
            writer.write(f"hello {host} port {port}\n".encode())
    except (ConnectionError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.close()


async def main(certificate):
    async with open_nic(
        "tap:http0", ["10.0.0.2/24"], host_address="10.0.0.1/24"
    ) as nic:
        await nic.start_server(serve, "10.0.0.2", 80)
        if certificate:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(*certificate)
            await nic.start_server(serve, "10.0.0.2", 443, ssl=context)
        print("serving on 10.0.0.2", flush=True)
        await asyncio.Event().wait()


try:
    asyncio.run(main(sys.argv[1:]))
except KeyboardInterrupt:
    pass

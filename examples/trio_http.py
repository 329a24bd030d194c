"""HTTP by h11 on trio's streams, on a TAP of its own. Needs root.

python examples/trio_http.py &
curl http://10.0.0.2/
curl http://10.0.0.2/bytes/1000000 | wc -c
curl --data-binary @FILE http://10.0.0.2/ | cmp - FILE
"""

import h11
import trio

from sansio_net.adapters.trio import open_nic


class Dialogue:
    """h11 says what the bytes mean, trio brings them."""

    def __init__(self, stream):
        self.stream = stream
        self.http = h11.Connection(h11.SERVER)

    async def next_event(self):
        while (event := self.http.next_event()) is h11.NEED_DATA:
            self.http.receive_data(await self.stream.receive_some(65536))
        return event

    async def send(self, event):
        if data := self.http.send(event):
            await self.stream.send_all(data)


async def answer(dialogue, request):
    """A POST is sent back, /bytes/N are N zeros, / says hello."""
    path = request.target.decode()
    await dialogue.send(h11.Response(status_code=200, headers=[]))
    while type(event := await dialogue.next_event()) is h11.Data:
        await dialogue.send(h11.Data(data=bytes(event.data)))
    if path.startswith("/bytes/"):
        left = int(path[7:])
        while left:
            size = min(left, 10_000)
            await dialogue.send(h11.Data(data=bytes(size)))
            left -= size
    elif request.method == b"GET":
        host, port = dialogue.stream.socket.getpeername()
        await dialogue.send(h11.Data(data=f"hello {host} port {port}\n".encode()))
    await dialogue.send(h11.EndOfMessage())


async def serve(stream):
    """One request after the other, until the peer has had enough."""
    dialogue = Dialogue(stream)
    try:
        while type(request := await dialogue.next_event()) is h11.Request:
            await answer(dialogue, request)
            if dialogue.http.our_state is h11.MUST_CLOSE:
                return
            dialogue.http.start_next_cycle()
    except (trio.BrokenResourceError, h11.RemoteProtocolError):
        pass


async def main():
    async with open_nic(
        "tap:http0", ["10.0.0.2/24"], host_address="10.0.0.1/24"
    ) as nic:
        print("serving on 10.0.0.2", flush=True)
        await nic.serve_tcp(serve, 80)


try:
    trio.run(main)
except* KeyboardInterrupt:
    pass

"""A loop of one's own: a stack on a TAP and a socket of the kernel. Needs root.

python examples/selectors_loop.py &
nc 10.0.0.2 7       # the NIC: says everything back
nc 10.0.0.1 7000    # the kernel: says who is connected to the NIC
"""

import os
import selectors
import socket
import time

from sansio_net import earliest
from sansio_net.drivers import TapDevice, arrivals, turn
from sansio_net.stack import Accepted, DataReceived, EofReceived, SpaceFreed, Stack

device = TapDevice("loop0", host_address="10.0.0.1/24")
stack = Stack(seed=os.urandom(32))
nic = stack.add_interface(addresses=["10.0.0.2/24"], capabilities=device.capabilities)
stack.tcp_listen(("", 7))
unsent = {}  # by connection: what did not fit


def say_back(conn):
    """Until there is no more, or no room for it: then the peer has to wait."""
    while data := unsent.pop(conn.id, None) or conn.recv(65536):
        taken = conn.send(data)
        if taken < len(data):
            unsent[conn.id] = data[taken:]
            return
    if data == b"":
        conn.close()


def app(events, now):
    """The program: verbs called here leave in the same turn."""
    for event in events:
        match event:
            case Accepted(_, conn) | DataReceived(conn) | EofReceived(conn):
                say_back(conn)
            case SpaceFreed(conn):
                say_back(conn)
            case _:
                if hasattr(event, "conn"):  # Closed, ConnectionLost
                    unsent.pop(event.conn.id, None)


def run(selector, status):
    """Turn and wait, for ever."""
    devices = {nic: device}
    ready = ()
    while devices:
        now = time.monotonic_ns()  # once a turn
        turn(stack, devices, arrivals(devices, ready, now), now, app)
        until = earliest(stack.next_timeout(), device.next_timeout())
        if device.readable():
            timeout = 0  # there is more: no need to ask the kernel
        elif until is None:
            timeout = None
        else:
            timeout = max(0, until - time.monotonic_ns()) / 1e9
        ready = ()
        for key, _ in selector.select(timeout):
            if key.fileobj is status:
                answer(status)
            else:
                ready = (nic,)


def answer(status):
    """The program's ordinary business, in the same thread."""
    with status.accept()[0] as client:
        for conn in stack.connections():
            client.sendall("{}:{}\n".format(*conn.peer).encode())


with selectors.DefaultSelector() as selector, socket.create_server(("", 7000)) as here:
    selector.register(device.fileno(), selectors.EVENT_READ)
    selector.register(here, selectors.EVENT_READ)
    print("listening on 10.0.0.2 port 7", flush=True)
    try:
        run(selector, here)
    except KeyboardInterrupt:
        device.close()

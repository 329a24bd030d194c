"""A server on a TAP of its own: says everything back, louder. Needs root.

python examples/shout_server.py &
nc 10.0.0.2 7777
"""

import os
import time

from sansio_net.drivers import TapDevice, run
from sansio_net.stack import Accepted, DataReceived, EofReceived, SpaceFreed, Stack

device = TapDevice("shout0", host_address="10.0.0.1/24")
stack = Stack(seed=os.urandom(32))
nic = stack.add_interface(addresses=["10.0.0.2/24"], capabilities=device.capabilities)
stack.tcp_listen(("", 7777))
unsent = {}  # by connection: an answer that did not fit


def shout(conn):
    """Answer what has come; a peer that does not listen is not read from."""
    while True:
        answer = unsent.pop(conn.id, None)
        if answer is None:
            data = conn.recv(65536)
            if data is None:
                return
            if not data:
                conn.shutdown()  # the peer has ended, and so do we
                return
            answer = data.upper()
        taken = conn.send(answer)
        if taken < len(answer):
            unsent[conn.id] = answer[taken:]
            return


def app(events, now):
    for event in events:
        match event:
            case Accepted(_, conn):
                print(f"{conn.peer[0]} port {conn.peer[1]} connected", flush=True)
            case DataReceived(conn) | SpaceFreed(conn) | EofReceived(conn):
                shout(conn)


print("listening on 10.0.0.2 port 7777", flush=True)
try:
    run(stack, {nic: device}, time.monotonic_ns, app)
except KeyboardInterrupt:
    device.close()

"""Fetch a page with a stack of our own, from a server on this host. Needs root.

python -m http.server 8000 &
python examples/http_get.py
"""

import os
import sys

from sansio_net.drivers import Loop, TapDevice
from sansio_net.stack import Connected, ConnectionLost, DataReceived, EofReceived, Stack
from sansio_net.units import SECOND

REQUEST = b"GET / HTTP/1.0\r\nHost: 10.0.0.1\r\n\r\n"


def app(events, now):
    """True ends the loop."""
    for event in events:
        match event:
            case Connected(conn):
                conn.send(REQUEST)
            case DataReceived(conn):
                sys.stdout.buffer.write(conn.recv(1 << 20))
            case EofReceived(conn):
                conn.close()
                return True
            case ConnectionLost(_, error):
                sys.exit(f"no page: {error.strerror}")
    return False


device = TapDevice("get0", host_address="10.0.0.1/24")
stack = Stack(seed=os.urandom(32))
nic = stack.add_interface(addresses=["10.0.0.2/24"], capabilities=device.capabilities)
stack.tcp_connect(("10.0.0.1", 8000))
with Loop(stack, {nic: device}) as loop:
    # an answer within ten seconds, or none
    loop.call_at(loop.clock() + 10 * SECOND, lambda now: loop.stop())
    loop.run(app)
device.close()

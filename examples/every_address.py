"""A TUN on which everybody answers: the front half of a VPN client. Needs root.

python examples/every_address.py &
ip route add 198.51.100.0/24 dev every0
curl http://198.51.100.7/ http://198.51.100.7:81/; ping -c 1 198.51.100.8
"""

import os
import time

from sansio_net.drivers import TapDevice, interface, run
from sansio_net.packet import Medium
from sansio_net.stack import Accepted, DataReceived, EofReceived, Stack, UdpReceived

device = TapDevice("every0", medium=Medium.IP, host_address="10.64.0.1/24")
interface.add_address("every0", "fd00:64::1/64")
stack = Stack(seed=os.urandom(32))
nic = stack.add_interface(
    addresses=["10.64.0.2/24", "fd00:64::2/64"], capabilities=device.capabilities
)
stack.tcp_listen(("", 0), transparent=True, any_port=True)
stack.udp_bind(("", 0), transparent=True, any_port=True)


def answer(conn):
    """A VPN client would ask the real one, and pass on what that says."""
    request = conn.recv(65536)
    host, port = conn.local  # what the peer asked for
    if request:
        conn.send(f"HTTP/1.0 200 OK\r\n\r\nthis is {host} port {port}\n".encode())
    if request is not None:
        conn.close()


def app(events, now):
    for event in events:
        match event:
            case Accepted(_, conn):
                host, port = conn.local
                print(f"{conn.peer[0]} asked for {host} port {port}", flush=True)
            case DataReceived(conn) | EofReceived(conn):
                if not conn.closed:
                    answer(conn)
            case UdpReceived(sock):
                while datagram := sock.receive():
                    asked = datagram.destination
                    sock.send_to(datagram.data.upper(), datagram.source, source=asked)


print("every address answers on every0", flush=True)
try:
    run(stack, {nic: device}, time.monotonic_ns, app)
except KeyboardInterrupt:
    device.close()

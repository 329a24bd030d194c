"""Two hosts on a bad link, in virtual time: minutes of TCP in milliseconds.

python examples/two_hosts.py
"""

from sansio_net import Entropy
from sansio_net.stack import (
    Accepted,
    Closed,
    Connected,
    DataReceived,
    EofReceived,
    Stack,
)
from sansio_net.testing import Link, Pair

GREETING = b"Hello over a link that loses a fifth of everything.\n" * 1000


def client(events, now):
    for event in events:
        match event:
            case Connected(conn):
                conn.send(GREETING)
                conn.close()
            case Closed(conn):
                print(f"{now / 1e9:8.3f} s  client: closed")


received = bytearray()


def server(events, now):
    for event in events:
        match event:
            case Accepted(_, conn):
                print(f"{now / 1e9:8.3f} s  server: {conn.peer[0]} connected")
            case DataReceived(conn):
                received.extend(conn.recv(1 << 20))
            case EofReceived(conn):
                conn.close()
                print(f"{now / 1e9:8.3f} s  server: {len(received)} bytes")


hosts = [Stack(seed=Entropy.of(n).bytes(32)) for n in (1, 2)]
for n, host in enumerate(hosts, 1):
    host.add_interface(addresses=[f"10.0.0.{n}/24"])
hosts[1].tcp_listen(("", 80))
hosts[0].tcp_connect(("10.0.0.2", 80))

link = Link(1, latency="50ms", loss="20%")
pair = Pair(*hosts, link, app_a=client, app_b=server)
pair.run_until_idle()
assert received == GREETING
print(f"{link.counts(0).lost} of {link.counts(0).sent} packets of the client were lost")

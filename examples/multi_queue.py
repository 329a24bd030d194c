"""One address, several processes: a stack on each queue of a TAP. Needs root.

python examples/multi_queue.py 2 &
nc 10.0.0.2 7

The kernel keeps a connection on the queue that its first packet came by, so each is one
worker's from beginning to end. The workers share the address and the MAC, and nothing
else. What a connection says first is which worker has it; then it says everything back.
UDP is echoed as well.
"""

import os
import signal
import sys
import time

from sansio_net.drivers import TapDevice, run
from sansio_net.stack import (
    Accepted,
    DataReceived,
    EofReceived,
    SpaceFreed,
    Stack,
    UdpReceived,
)

NAME, MAC = "queues0", "02:00:00:00:00:02"
OURS, THEIRS = ["10.0.0.2/24", "fd00::2/64"], ["10.0.0.1/24", "fd00::1/64"]


def open_queues(count):
    """All of them before the first frame: with their number the places change."""
    return [
        TapDevice(NAME, multi_queue=True, host_address=address)
        for address in [*THEIRS, *[None] * count][:count]
    ]


def work(number, device):
    stack = Stack(seed=os.urandom(32))
    nic = stack.add_interface(
        mac=MAC, addresses=OURS, capabilities=device.capabilities, dad=False
    )
    # the answer to a worker's question may come by another's queue: there is none
    for cache, address in zip((nic.arp, nic.ndp), THEIRS, strict=True):
        cache.add_static(address.partition("/")[0], device.hardware_address)
    stack.tcp_listen(("", 7))
    stack.udp_bind(("", 7))
    unsent = {}  # by connection: an answer that did not fit

    def answer(conn):
        while (data := unsent.pop(conn.id, None) or conn.recv(65536)) is not None:
            if not data:
                conn.shutdown()
                return
            taken = conn.send(data)
            if taken < len(data):
                unsent[conn.id] = data[taken:]
                return

    def app(events, now):
        for event in events:
            match event:
                case Accepted(_, conn):
                    conn.send(b"worker %d\n" % number)
                case DataReceived(conn) | SpaceFreed(conn) | EofReceived(conn):
                    answer(conn)
                case UdpReceived(sock):
                    while (datagram := sock.receive()) is not None:
                        sock.send_to(datagram.data, datagram.source)

    run(stack, {nic: device}, time.monotonic_ns, app)


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else os.cpu_count()
    devices = open_queues(count)
    workers = []
    for number, device in enumerate(devices):
        worker = os.fork()
        if not worker:
            for other in devices:
                if other is not device:
                    other.close()
            work(number, device)
            return
        workers.append(worker)
    for device in devices:
        device.close()
    print(f"{count} workers on {OURS[0].partition('/')[0]} port 7", flush=True)
    try:
        os.wait()  # one that ends takes its queue along, and places change: all end
    finally:
        for worker in workers:
            os.kill(worker, signal.SIGTERM)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass

"""A game of two: one turn of the stack a frame, and nothing ever waits for it.

python examples/frames.py
"""

import os
import time

from sansio_net.drivers import arrivals, memory_pair, turn
from sansio_net.stack import Stack, UdpReceived
from sansio_net.testing import Link

FRAME = 1_000_000_000 // 60


class Player:
    """Sees where the other one was when its datagram left."""

    def __init__(self, here, there, device):
        self.stack = Stack(seed=os.urandom(32))
        nic = self.stack.add_interface(
            addresses=[f"{here}/24"], capabilities=device.capabilities
        )
        self.devices = {nic: device}
        self.sock = self.stack.udp_bind((here, 7000), peer=(there, 7000))
        self.x = self.other = 0

    def frame(self, now):
        """Move, and let the network move as far as it comes by `now`."""
        self.x += 1
        self.sock.send(str(self.x).encode())
        # every device is asked, whether or not a selector would have told us to
        arrived = arrivals(self.devices, list(self.devices), now)
        turn(self.stack, self.devices, arrived, now, self.hear)

    def hear(self, events, now):
        for event in events:
            match event:
                case UdpReceived(sock):
                    while (datagram := sock.receive()) is not None:
                        self.other = int(datagram.data)


left, right = memory_pair(Link(1, latency="40ms", loss="5%"))
players = [
    Player("10.0.0.1", "10.0.0.2", left),
    Player("10.0.0.2", "10.0.0.1", right),
]
begun = time.monotonic_ns()
for n in range(1, 61):
    for player in players:
        # the game's time is the network's: a game that pauses pauses both
        player.frame(n * FRAME)
    if n % 20 == 0:
        one, other = players
        print(f"frame {n}: I am at {one.x} and see the other one at {one.other}")
    time.sleep(max(0, begun + n * FRAME - time.monotonic_ns()) / 1e9)

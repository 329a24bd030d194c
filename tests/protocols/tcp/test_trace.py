"""What a connection notes while it loses and finds again."""

from __future__ import annotations

from sansio_net.entropy import Entropy
from sansio_net.stack import Stack, StackConfig
from sansio_net.testing import Link, Pair
from sansio_net.trace import KINDS, Trace, format_entry
from sansio_net.units import SECOND

EPISODES = {"open", "disorder", "recovery", "loss"}


def transfer() -> Trace:
    trace: Trace = []
    stacks = [
        Stack(StackConfig(), Entropy.of(n).bytes(32), trace=trace if n == 1 else None)
        for n in (1, 2)
    ]
    for n, stack in enumerate(stacks, 1):
        stack.add_interface(addresses=[f"10.0.0.{n}/24"])
    link = Link(3, latency="10ms", rate="10mbit", loss="2%")
    pair = Pair(*stacks, link)
    stacks[1].tcp_listen(("", 80))
    conn = stacks[0].tcp_connect(("10.0.0.2", 80))
    conn.send(bytes(256_000))
    conn.shutdown()
    pair.run_for(20 * SECOND)
    return trace


def test_states_windows_times_and_every_episode() -> None:
    trace = transfer()
    kinds = {entry[1] for entry in trace}
    assert kinds >= {
        *("tcp.state", "tcp.cwnd", "tcp.rtt", "tcp.retransmit", "tcp.recovery"),
    }
    # one episode after the other, without a gap
    phase = "open"
    for entry in trace:
        if entry[1] == "tcp.recovery":
            assert entry[3] == phase
            phase = str(entry[4])
            assert phase in EPISODES
    assert phase == "open"
    # and every value has a name
    for entry in trace:
        names = KINDS[str(entry[1])][0].split()
        assert len(entry) - 2 <= len(names), entry
        assert all("=" in word for word in format_entry(entry).split()[2:]), entry

"""``unshare -n python -m benchmarks.queues``: one worker against several on a TAP.

Each worker is a process with a stack on a queue of its own; all have one address. The
same clients, four at a time, talk to each number of workers in turn, and the ratio is
taken within a repetition.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import get_context

from sansio_net.drivers import TapDevice, run
from sansio_net.entropy import Entropy
from sansio_net.stack import Stack

from .servers.ours import App
from .workloads import WORKLOADS, Meter, verify

NAME, MAC = "queues0", "02:00:00:00:00:02"
OURS, THEIRS = "10.0.0.2", "10.0.0.1"
CLIENTS = 4
NAMES = ("udp", "rr", "tcp_in", "tcp_out", "connections", "connections50")


def work(device: TapDevice, number: int) -> None:
    stack = Stack(seed=Entropy.of(number).bytes(32))
    nic = stack.add_interface(
        mac=MAC, addresses=[f"{OURS}/24"], capabilities=device.capabilities
    )
    assert nic.arp is not None
    nic.arp.add_static(THEIRS, device.hardware_address)
    run(stack, {nic: device}, time.monotonic_ns, App(stack))


@contextmanager
def workers(count: int) -> Iterator[None]:
    devices = [
        TapDevice(NAME, multi_queue=True, host_address=None if n else f"{THEIRS}/24")
        for n in range(count)
    ]
    processes = []
    try:
        for number, device in enumerate(devices):
            process = os.fork()
            if not process:
                for other in devices:
                    if other is not device:
                        other.close()
                work(device, number)
            processes.append(process)
        for device in devices:
            device.close()
        yield
    finally:
        for process in processes:
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)


def client(name: str, seconds: float) -> float:
    (value,) = WORKLOADS[name](OURS, seconds, Meter(os.getpid())).values()
    return value


def together(name: str, seconds: float) -> float:
    """What all clients get: the sum, of round trips the mean."""
    with get_context("fork").Pool(CLIENTS) as pool:
        values = pool.starmap(client, [(name, seconds)] * CLIENTS)
    return statistics.mean(values) if name == "rr" else sum(values)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.queues")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("-n", type=int, default=5, help="repetitions")
    parser.add_argument("-t", type=float, default=0.5, help="seconds of each")
    asked = parser.parse_args()
    found: dict[str, tuple[list[float], list[float]]] = {n: ([], []) for n in NAMES}
    for _ in range(asked.n):
        for at, count in enumerate((1, asked.workers)):
            with workers(count):
                verify(OURS, 0, Meter(os.getpid()))
                for name in NAMES:
                    found[name][at].append(together(name, asked.t))
    for name, (one, several) in found.items():
        ratios = [b / a for a, b in zip(one, several, strict=True)]
        print(
            f"{name:<14}{statistics.median(one):>10,.0f}"
            f"{statistics.median(several):>10,.0f}  x {statistics.median(ratios):.2f}"
            f" ({min(ratios):.2f}..{max(ratios):.2f})"
        )


if __name__ == "__main__":
    main()

"""The NIC's thread begins and ends, whatever happens."""

from __future__ import annotations

import os
import select
import socket
import subprocess
import sys
import textwrap
import time
from typing import Any

import pytest

from sansio_net.adapters.blocking import open_nic
from sansio_net.adapters.blocking.driver import Driver
from sansio_net.drivers import memory_pair
from sansio_net.errors import ConnectionAborted, DeviceGone
from sansio_net.stack import Stack
from sansio_net.testing.link import Link
from tests.test_docs import ROOT

from .nics import A, B, pair, start, two_nics, waiting


def test_left_by_an_exception_it_resets() -> None:
    near, far = memory_pair(Link(1))
    with open_nic(far, [f"{B}/24"]) as b, b.create_server((B, 7)) as server:
        opened = open_nic(near, [f"{A}/24"])
        client = opened.create_connection((B, 7))
        client.send(b"x")
        served, _ = server.accept()
        with pytest.raises(ZeroDivisionError), opened:
            raise ZeroDivisionError
        assert not opened.driver.thread.is_alive()
        with pytest.raises(ConnectionResetError):
            served.recv(2, socket.MSG_WAITALL)
        served.close()
        client.close()


def test_a_deaf_peer_holds_it_up_for_the_timeout_alone() -> None:
    with two_nics(close_timeout=100_000_000) as (a, b):
        client, served = pair(a, b)
        client.settimeout(0)
        with pytest.raises(BlockingIOError):
            fill(client)
        a.close()  # the test's own timeout says whether it ends
        assert not a.driver.thread.is_alive()
        with pytest.raises(ConnectionAborted):
            client.send(b"x")
        client.close()
        served.close()


def fill(sock: Any) -> None:
    while True:
        sock.send(bytes(100_000))


class Failing:
    """A device whose cable is pulled, or that has a bug."""

    def __init__(self, device: Any, error: Exception) -> None:
        self._device = device
        self._later = error
        self.failed = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._device, name)

    def notify(self, callback: Any) -> None:
        self._device.notify(callback)

    def room(self) -> int:
        if self.failed:
            raise self._later
        return 64


@pytest.mark.parametrize("error", [DeviceGone("unplugged"), ValueError("a bug")])
def test_a_device_that_fails_wakes_everybody(error: Exception) -> None:
    near, far = memory_pair(Link(1))
    failing: Any = Failing(near, error)
    with open_nic(far, [f"{B}/24"], close_timeout=10_000_000) as b:
        a = open_nic(failing, [f"{A}/24"])
        client, served = pair(a, b)
        bridged, _served2 = pair(a, b)
        real = a.bridge(bridged)
        server = a.create_server((A, 0))
        futures = [start(client.recv, 1), start(server.accept), start(real.recv, 1)]
        waiting(client)
        waiting(server)
        failing.failed = True
        with a.lock:
            a.wake()
        for future in futures[:2]:
            with pytest.raises(ConnectionAborted):
                future.result(10)
        with pytest.raises(ConnectionError):
            futures[2].result(10)
        a.driver.thread.join(10)
        assert not a.driver.thread.is_alive()
        with pytest.raises(ConnectionAborted):
            a.socket()
        if isinstance(error, DeviceGone):
            a.close()
        else:
            with pytest.raises(ValueError, match="a bug"):
                a.close()
        for sock in (client, served, server, _served2):
            sock.close()
        real.close()


BEGINNING = f"""
import atexit, signal, sys, threading
sys.path.insert(0, {str(ROOT)!r})
from sansio_net.adapters.blocking import open_nic
from sansio_net.drivers import memory_pair
from sansio_net.testing.link import Link
from tests.adapters.blocking.nics import pair, waiting
near, far = memory_pair(Link(1))
a, b = open_nic(near, ["{A}/24"]), open_nic(far, ["{B}/24"])
client, served = pair(a, b)

def wait():
    try:
        client.recv(1)
    except OSError as error:
        print(type(error).__name__, flush=True)
"""


def script(end: str) -> subprocess.CompletedProcess[str]:
    program = BEGINNING + textwrap.dedent(end)
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30
    )


def test_the_interpreter_exits_with_the_nic_open() -> None:
    done = script("print('end')")
    assert (done.returncode, done.stdout) == (0, "end\n")


def test_the_interpreter_exits_while_a_thread_of_the_program_waits() -> None:
    done = script("""
        threading.Thread(target=wait).start()
        waiting(client)
        print("end", flush=True)
    """)
    said, error = done.stdout.split()
    # the peer's NIC ends as well, and its RST may come first
    assert (done.returncode, said) == (0, "end")
    assert error in ("ConnectionAborted", "ConnectionReset")


def test_a_nudge_while_the_last_one_is_taken_in_spares_no_later_one() -> None:
    stack = Stack(seed=bytes(32))
    device, _ = memory_pair(Link(1))
    nic = stack.add_interface(capabilities=device.capabilities)
    driver = Driver(stack, nic, device, time.monotonic_ns)
    real = driver._sleeper

    class Sleeper:
        def fileno(self) -> int:
            return real.fileno()

        def recv(self, size: int) -> bytes:
            driver._nudge()  # of another thread, at the worst moment
            return real.recv(size)

    driver._sleeper = Sleeper()  # type: ignore[assignment]
    driver._nudge()
    driver._call({real.fileno()})
    driver._nudge()
    assert select.select([real], [], [], 0)[0]
    driver._waker.close()
    real.close()


def test_ctrl_c_while_the_main_thread_waits() -> None:
    done = script("""
        def interrupt():
            waiting(client)
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        threading.Thread(target=interrupt).start()
        with a, b:
            client.recv(1)
    """)
    assert done.returncode in (1, -2, 130)
    assert "KeyboardInterrupt" in done.stderr


def test_without_a_thread_of_its_own_nothing_is_left_open() -> None:
    """Descriptors: the waker's and a bridge's."""
    before = n_descriptors()
    for _ in range(5):
        with two_nics() as (a, b):
            client, served = pair(a, b)
            a.bridge(client).close()
            served.close()
    assert n_descriptors() == before


def n_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))

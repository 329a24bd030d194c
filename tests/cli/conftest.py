"""Two command lines on one wire: a socket pair, each end given as `fd:N`."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
A, B = "10.0.0.1", "10.0.0.2"
TIMEOUT = 30


class Command:
    """A running `sansio-net`."""

    def __init__(self, argv: list[str], fds: tuple[int, ...], stdin: object) -> None:
        self.popen = subprocess.Popen(
            [sys.executable, "-m", "sansio_net", *argv],
            stdin=stdin,  # type: ignore[arg-type]
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=fds,
            cwd=ROOT,
            env={key: os.environ[key] for key in os.environ if "SANSIO" not in key},
        )

    def expect(self, line: str) -> list[str]:
        """Read lines up to this one."""
        assert self.popen.stdout is not None
        lines: list[str] = []
        timer = threading.Timer(TIMEOUT, self.popen.kill)
        timer.start()
        while line not in lines:
            got = self.popen.stdout.readline().decode()
            if not got:
                timer.cancel()
                raise AssertionError(f"{lines}\n{self.finish()}")
            lines.append(got.rstrip("\n"))
        timer.cancel()
        return lines

    def type(self, data: bytes) -> None:
        assert self.popen.stdin is not None
        self.popen.stdin.write(data)
        self.popen.stdin.flush()

    def read(self, size: int) -> bytes:
        assert self.popen.stdout is not None
        timer = threading.Timer(TIMEOUT, self.popen.kill)
        timer.start()
        data = self.popen.stdout.read(size)
        timer.cancel()
        return data

    def end_input(self) -> None:
        assert self.popen.stdin is not None
        self.popen.stdin.close()
        self.popen.stdin = None

    def interrupt(self, number: int = signal.SIGINT) -> None:
        self.popen.send_signal(number)

    def finish(self, data: bytes | None = None) -> tuple[int, str, str]:
        """Status, and what is left of output and errors."""
        status, out, err = self.finish_bytes(data)
        return status, (out or b"").decode(), err

    def finish_bytes(self, data: bytes | None = None) -> tuple[int, bytes, str]:
        try:
            out, err = self.popen.communicate(data, timeout=TIMEOUT)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            raise
        return self.popen.returncode, out, err.decode()


class Wire:
    """The commands on its ends; `a` has 10.0.0.1, `b` 10.0.0.2."""

    def __init__(self) -> None:
        self.ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.commands: list[Command] = []

    def start(
        self, end: int, *argv: str, words: str = "", stdin: object = subprocess.PIPE
    ) -> Command:
        # a copy stays here: the peer's end must not close with the command
        fd = self.ends[end].fileno()
        address = (A, B)[end]
        name, *rest = argv
        link = ["--link", f"fd:{fd}{words}", "-a", f"{address}/24"]
        command = Command([name, *link, *rest], (fd,), stdin)
        self.commands.append(command)
        return command

    def a(self, *argv: str, **options: object) -> Command:
        return self.start(0, *argv, **options)  # type: ignore[arg-type]

    def b(self, *argv: str, **options: object) -> Command:
        return self.start(1, *argv, **options)  # type: ignore[arg-type]

    def up(self, *argv: str, **options: object) -> Command:
        """`up` at the far end, once it is ready."""
        command = self.b("up", *argv, **options)
        command.expect("ready")
        return command

    def close(self) -> None:
        for command in self.commands:
            if command.popen.poll() is None:
                command.popen.kill()
            command.popen.communicate()
        for end in self.ends:
            end.close()


@pytest.fixture
def wire() -> Iterator[Wire]:
    made = Wire()
    yield made
    made.close()


@pytest.fixture
def other_wire() -> Iterator[Wire]:
    """A second link for a host on both."""
    made = Wire()
    yield made
    made.close()


def run(*argv: str, env: dict[str, str] | None = None) -> tuple[int, str, str]:
    """A command that needs no wire."""
    done = subprocess.run(
        [sys.executable, "-m", "sansio_net", *argv],
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        cwd=ROOT,
        env={**os.environ, **(env or {})},
    )
    return done.returncode, done.stdout, done.stderr

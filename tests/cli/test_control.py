"""The control socket: what it answers, what it refuses, and that it never waits."""

from __future__ import annotations

import json
import os
import select
import socket
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sansio_net.cli import control
from sansio_net.cli.control import MAX_CLIENTS, MAX_REQUEST, PAGE, PATIENCE, Control
from sansio_net.cli.errors import ControlError
from sansio_net.drivers import Timer
from sansio_net.entropy import Entropy
from sansio_net.stack import Stack
from sansio_net.units import SECOND


class Loop:
    """What a control socket asks of a loop; `turn` never waits."""

    def __init__(self) -> None:
        self.now = SECOND
        self.watched: dict[int, tuple[bool, Callable[[int], None]]] = {}
        self.timers: list[tuple[int, Timer]] = []

    def watch(
        self, fd: int, callback: Callable[[int], None], *, write: bool = False
    ) -> None:
        assert fd not in self.watched
        self.watched[fd] = write, callback

    def unwatch(self, fd: int) -> None:
        self.watched.pop(fd, None)

    def call_at(self, when: int, callback: Callable[[int], None]) -> Timer:
        timer = Timer(callback)
        self.timers.append((when, timer))
        return timer

    def turn(self) -> None:
        readers = [fd for fd, (write, _) in self.watched.items() if not write]
        writers = [fd for fd, (write, _) in self.watched.items() if write]
        for fds in select.select(readers, writers, [], 0)[:2]:
            for fd in fds:
                if fd in self.watched:
                    self.watched[fd][1](self.now)
        for when, timer in self.timers:
            if when <= self.now and timer.callback is not None:
                timer.callback(self.now)

    def turns(self) -> None:
        for _ in range(50):
            self.turn()


@pytest.fixture
def loop() -> Loop:
    return Loop()


@pytest.fixture
def stack() -> Stack:
    return Stack(seed=Entropy.of(1).bytes(32))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "it.sock"


@pytest.fixture
def answering(loop: Loop, stack: Stack, path: Path) -> Iterator[Control]:
    with Control(stack, loop, path) as made:  # type: ignore[arg-type]
        yield made


class Asker:
    def __init__(self, loop: Loop, path: Path) -> None:
        self.loop = loop
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(path))
        self.socket.setblocking(False)
        loop.turns()

    def raw(self, data: bytes) -> bytes | None:
        """What comes back; b"": it was let go, None: nothing yet."""
        try:
            self.socket.sendall(data)
        except BrokenPipeError:
            return b""
        return self.read()

    def read(self) -> bytes | None:
        got = b""
        for _ in range(50):
            self.loop.turns()
            try:
                data = self.socket.recv(1 << 20)
            except ConnectionResetError:
                return b""
            except BlockingIOError:
                continue
            if not data:
                return got
            got += data
            if got.endswith(b"\n"):
                return got
        return got or None

    def ask(self, **question: object) -> Any:
        return json.loads(self.raw(json.dumps(question).encode() + b"\n") or b"null")


@pytest.mark.usefixtures("answering")
def test_sockets_in_pages(loop: Loop, stack: Stack, path: Path) -> None:
    for n in range(2 * PAGE + 5):
        stack.udp_bind(("", 1000 + n))
    stack.tcp_listen(("127.0.0.1", 80), backlog=5)
    asker = Asker(loop, path)
    said = asker.ask(ask="sockets")
    rows = said["sockets"]
    assert len(rows) == PAGE
    while said["more"]:
        said = asker.ask(ask="more")
        rows += said["sockets"]
    assert [row["local"]["port"] for row in rows[:-1]] == [
        *range(1000, 1000 + 2 * PAGE + 5)
    ]
    assert rows[-1] == {
        "netid": "tcp",
        "state": "LISTEN",
        "recv_q": 0,
        "send_q": 5,
        "local": {"address": "127.0.0.1", "port": 80},
        "peer": None,
        "interface": None,
    }
    assert said["pid"] == os.getpid()
    assert asker.ask(ask="more") == {"pid": os.getpid(), "sockets": [], "more": False}
    assert not asker.ask(ask="sockets", states="connected")["sockets"]
    assert len(asker.ask(ask="sockets", kinds=["tcp"])["sockets"]) == 1


@pytest.mark.usefixtures("answering")
def test_one_that_went_meanwhile_is_left_out(
    loop: Loop, stack: Stack, path: Path
) -> None:
    sockets = [stack.udp_bind(("", 1000 + n)) for n in range(PAGE + 2)]
    asker = Asker(loop, path)
    assert asker.ask(ask="sockets")["more"]
    sockets[-1].close()
    (last,) = asker.ask(ask="more")["sockets"]
    assert last["local"]["port"] == 1000 + PAGE


@pytest.mark.usefixtures("answering")
@pytest.mark.parametrize(
    "line",
    [
        b"{\n",
        b"\xff\n",
        b"[1]\n",
        b"[" * 4000 + b"\n",
        b'{"ask": "everything"}\n',
        b'{"ask": "sockets", "kinds": "tcp"}\n',
        b'{"ask": "sockets", "kinds": [["tcp"]]}\n',
        b'{"ask": "sockets", "kinds": ["unix"]}\n',
        b'{"ask": "sockets", "states": ["all"]}\n',
    ],
)
def test_what_makes_no_sense_is_told(loop: Loop, path: Path, line: bytes) -> None:
    asker = Asker(loop, path)
    assert list(json.loads(asker.raw(line) or b"null")) == ["error"]
    assert asker.ask(ask="more")["sockets"] == []


def test_a_question_has_a_bound(loop: Loop, path: Path, answering: Control) -> None:
    asker = Asker(loop, path)
    assert asker.raw(bytes(MAX_REQUEST)) is None
    assert asker.raw(b"x") == b""
    assert answering.clients == []


def test_so_many_at_once(loop: Loop, path: Path, answering: Control) -> None:
    askers = [Asker(loop, path) for _ in range(MAX_CLIENTS + 1)]
    assert len(answering.clients) == MAX_CLIENTS
    assert askers[-1].raw(b"\n") == b""
    askers[0].socket.close()
    loop.turns()
    assert Asker(loop, path).ask(ask="more")["sockets"] == []


def test_who_says_nothing_is_let_go(loop: Loop, path: Path, answering: Control) -> None:
    asker = Asker(loop, path)
    loop.now += PATIENCE - 1
    asker.ask(ask="more")
    loop.now += PATIENCE - 1
    loop.turns()
    assert len(answering.clients) == 1
    loop.now += 1
    loop.turns()
    assert answering.clients == []
    assert asker.read() == b""


def test_who_does_not_read_holds_nothing_up(
    loop: Loop, stack: Stack, path: Path, answering: Control
) -> None:
    for n in range(PAGE):
        stack.udp_bind(("", 1000 + n))
    lazy = Asker(loop, path)
    line = json.dumps({"ask": "sockets"}).encode() + b"\n"
    for _ in range(200):
        try:
            lazy.socket.send(line)
        except BlockingIOError:
            break
        loop.turns()
    # its answers wait in the socket, then it is not even asked for more questions
    fd = answering.clients[0].socket.fileno()
    assert loop.watched[fd][0]
    assert len(Asker(loop, path).ask(ask="sockets")["sockets"]) == PAGE
    loop.now += PATIENCE
    loop.turns()
    assert answering.clients == []


# Paths ------------------------------------------------------------------------------


def test_nobody_else_may_ask(path: Path, answering: Control) -> None:
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    answering.close()
    assert not path.exists()


def test_a_stale_socket_makes_room_a_live_one_does_not(
    loop: Loop, stack: Stack, path: Path
) -> None:
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(path))
    dead.close()
    made = Control(stack, loop, path)  # type: ignore[arg-type]
    with pytest.raises(ControlError, match="another process answers there"):
        Control(stack, loop, path)  # type: ignore[arg-type]
    assert list(path.parent.iterdir()) == [path]
    made.close()


def test_paths_that_cannot_be(loop: Loop, stack: Stack, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("precious")
    for path, message in (
        (file, "exists and is no socket"),
        (tmp_path / "none" / "it.sock", "No such file or directory"),
        (file / "it.sock", "Not a directory"),
        (tmp_path / ("x" * 120), "longer than the 107 bytes"),
    ):
        with pytest.raises(ControlError, match=message):
            Control(stack, loop, path)  # type: ignore[arg-type]
    assert file.read_text() == "precious"
    assert list(tmp_path.iterdir()) == [file]


def test_the_folder_is_ours_alone(tmp_path: Path) -> None:
    place = tmp_path / "sansio-net"
    mask = os.umask(0)
    try:
        place.mkdir(0o777)
    finally:
        os.umask(mask)
    control.make_folder(place)
    assert stat.S_IMODE(place.stat().st_mode) == 0o700
    link = tmp_path / "link"
    link.symlink_to(place)
    for wrong, message in ((link, "no"), (tmp_path / "a" / "b", "No such file")):
        with pytest.raises(ControlError, match=message):
            control.make_folder(wrong)


def test_where_it_lies(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert control.folder() == tmp_path / "sansio-net"
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "none"))
    assert control.folder() is None
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    assert control.folder() is None
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert control.folder() == Path("/run/sansio-net")


def test_the_dead_are_swept(loop: Loop, stack: Stack, tmp_path: Path) -> None:
    for name in ("12.sock", "notes"):
        dead = socket.socket(socket.AF_UNIX)
        dead.bind(str(tmp_path / name))
        dead.close()
    (tmp_path / "file.sock").write_text("")
    made = Control(stack, loop, tmp_path / "7.sock")  # type: ignore[arg-type]
    assert control.sweep(tmp_path) == [tmp_path / "7.sock"]
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == ["7.sock", "file.sock", "notes"]
    made.close()


def test_asking_where_nobody_is(tmp_path: Path) -> None:
    path = tmp_path / "it.sock"
    with pytest.raises(ControlError, match="No such file"):
        control.ask(path, {})
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with pytest.raises(ControlError, match="nobody answers"):
        control.ask(path, {})

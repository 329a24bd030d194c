"""A running stack answers questions over a Unix socket: `sansio-net ss` asks.

One line of JSON asks, one line of JSON answers: ``{"ask": "sockets", "kinds": ["tcp"],
"states": "connected", "info": true}`` gives ``{"pid": 1, "sockets": [...], "more":
false}``, at most `PAGE` of them; while there are more, ``{"ask": "more"}`` goes on.
What is wrong is answered by ``{"error": "..."}``. Nothing here waits: clients, the size
of a question and the time it may take are bounded.
"""

from __future__ import annotations

import errno
import json
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final

from sansio_net.stack import Stack
from sansio_net.units import SECOND

from .errors import ControlError
from .session import Cancellable, Watching
from .tables import ALL, CONNECTED, KINDS, LISTENING, Maker, makers

PAGE: Final = 64
"""Sockets in one answer: a millisecond or two of the loop's time, and 160 KiB."""

MAX_CLIENTS: Final = 8
MAX_REQUEST: Final = 4096
MAX_ANSWER: Final = 1 << 20
PATIENCE: Final = 5 * SECOND
"""A client that neither asks nor reads for so long is let go."""

SUFFIX: Final = ".sock"


# Where ------------------------------------------------------------------------------


def folder() -> Path | None:
    """Where sockets lie by default; None: there is no place that is ours alone."""
    if os.geteuid() == 0:
        return Path("/run/sansio-net")
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    return Path(runtime) / "sansio-net" if os.path.isdir(runtime) else None


def make_folder(place: Path) -> None:
    """Raises ControlError for one that others may write to."""
    try:
        place.mkdir(mode=0o700, exist_ok=True)
        said = place.lstat()
    except OSError as error:
        raise ControlError(f"{place}: {error.strerror}") from error
    if not stat.S_ISDIR(said.st_mode) or said.st_uid != os.geteuid():
        raise ControlError(f"{place} is not a directory of our own")
    if stat.S_IMODE(said.st_mode) & 0o077:
        place.chmod(0o700)


def is_stale(path: Path) -> bool:
    """Does nobody answer on a socket that is there?"""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.setblocking(False)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            return True
        except OSError:
            return False
    return False


def sweep(place: Path) -> list[Path]:
    """The sockets that live, by process; those of dead ones are removed."""
    living = []
    for path in sorted(place.glob(f"*{SUFFIX}"), key=lambda p: (len(p.name), p.name)):
        if not path.is_socket():
            continue
        if is_stale(path):
            path.unlink(missing_ok=True)
        else:
            living.append(path)
    return living


def address_of(path: Path) -> str:
    """Raises ControlError for a path that no socket can have."""
    text = str(path)
    if len(os.fsencode(text)) > 107:  # sun_path of unix(7), with its zero
        raise ControlError(f"{text}: longer than the 107 bytes of a socket's path")
    return text


def bind(path: Path) -> socket.socket:
    """A listening socket at `path`, mode 0600, in the place of a stale one.

    It gets its name when it answers: who finds it refused finds it dead.
    """
    made = socket.socket(socket.AF_UNIX)
    new = path.with_name(f".{os.getpid()}")
    address_of(path)
    mask = os.umask(0o177)
    try:
        if path.is_socket():
            if not is_stale(path):
                raise ControlError(f"{path}: another process answers there")
        elif path.exists() or path.is_symlink():
            raise ControlError(f"{path} exists and is no socket")
        new.unlink(missing_ok=True)
        made.bind(address_of(new))
        made.listen(MAX_CLIENTS)
        made.setblocking(False)
        new.rename(path)
    except OSError as error:
        made.close()
        with suppress(OSError):
            new.unlink()
        raise ControlError(f"{path}: {error.strerror}") from error
    except ControlError:
        made.close()
        raise
    finally:
        os.umask(mask)
    return made


# Who answers ------------------------------------------------------------------------


class Control:
    """The listening socket of a running command, and its clients."""

    def __init__(self, stack: Stack, loop: Watching, path: Path | None) -> None:
        """`path` None: by default. Raises ControlError."""
        self.stack = stack
        self.loop = loop
        if path is None:
            place = folder()
            assert place is not None, "nowhere to be by default"
            make_folder(place)
            sweep(place)
            path = place / f"{os.getpid()}{SUFFIX}"
        self.path = path
        self._socket = bind(path)
        self.clients: list[Client] = []
        loop.watch(self._socket.fileno(), self._accept)

    def __enter__(self) -> Control:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Take the socket away; the loop has ended."""
        self.path.unlink(missing_ok=True)
        self._socket.close()
        for client in self.clients:
            client.socket.close()

    def _accept(self, now: int) -> None:
        try:
            accepted, _ = self._socket.accept()
        except OSError:
            return  # who asked is gone already
        if len(self.clients) >= MAX_CLIENTS:
            accepted.close()
            return
        accepted.setblocking(False)
        self.clients.append(Client(self, accepted, now))


class Client:
    """One who asks: reads a question, writes its answer, and again."""

    def __init__(self, control: Control, accepted: socket.socket, now: int) -> None:
        self.control = control
        self.socket = accepted
        self._asked = b""
        self._answer = memoryview(b"")
        self._rows: Iterator[Maker] = iter(())
        self._timer: Cancellable | None = None
        self._watch(now)

    def _watch(self, now: int) -> None:
        """For questions, or for room to answer; not for ever."""
        loop, fd = self.control.loop, self.socket.fileno()
        loop.unwatch(fd)
        if self._answer:
            loop.watch(fd, self._write, write=True)
        else:
            loop.watch(fd, self._read)
        if self._timer is not None:
            self._timer.cancel()
        self._timer = loop.call_at(now + PATIENCE, self._close)

    def _close(self, now: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self.control.loop.unwatch(self.socket.fileno())
        self.socket.close()
        self.control.clients.remove(self)

    def _read(self, now: int) -> None:
        try:
            data = self.socket.recv(MAX_REQUEST)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self._asked += data
        line, end, rest = self._asked.partition(b"\n")
        if not data or len(line) > MAX_REQUEST:
            self._close(now)
        elif end:
            self._asked = rest[:MAX_REQUEST]
            said = json.dumps(self._said(line, now), separators=(",", ":"))
            self._answer = memoryview(said.encode() + b"\n")
            self._write(now)

    def _write(self, now: int) -> None:
        try:
            sent = self.socket.send(self._answer)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._close(now)
            return
        self._answer = self._answer[sent:]
        self._watch(now)

    def _said(self, line: bytes, now: int) -> dict[str, object]:
        try:
            asked = json.loads(line)
        except (ValueError, RecursionError):
            return {"error": "not a line of JSON"}
        if not isinstance(asked, dict):
            return {"error": "not an object"}
        match asked.get("ask"):
            case "sockets":
                wrong = self._begin(asked)
                if wrong is not None:
                    return {"error": wrong}
            case "more":
                pass
            case _:
                return {"error": "ask sockets or more"}
        return self._page(now)

    def _begin(self, asked: dict[str, object]) -> str | None:
        """Note what was asked for; or what is wrong with it."""
        kinds, states = asked.get("kinds", list(KINDS)), asked.get("states", ALL)
        if not isinstance(kinds, list) or any(kind not in KINDS for kind in kinds):
            return f"kinds are a list of {', '.join(KINDS)}"
        if states not in (CONNECTED, LISTENING, ALL):
            return f"states are {CONNECTED}, {LISTENING} or {ALL}"
        wants_info = asked.get("info") is True
        stack = self.control.stack
        self._rows = makers(stack, kinds, str(states), wants_info)
        return None

    def _page(self, now: int) -> dict[str, object]:
        rows, more = [], False
        for maker in self._rows:
            row = maker(now)
            if row is not None:
                rows.append(row)
            if len(rows) == PAGE:
                more = True
                break
        return {"pid": os.getpid(), "sockets": rows, "more": more}


# Who asks ---------------------------------------------------------------------------


def ask(path: Path, request: dict[str, object]) -> list[dict[str, object]]:
    """The sockets of one process, all pages. Raises ControlError."""
    rows: list[dict[str, object]] = []
    with socket.socket(socket.AF_UNIX) as made:
        made.settimeout(PATIENCE / SECOND)
        try:
            made.connect(address_of(path))
            with made.makefile("rb") as answers:
                while True:
                    made.sendall(json.dumps(request).encode() + b"\n")
                    line = answers.readline(MAX_ANSWER)
                    if not line.endswith(b"\n"):
                        raise ControlError(f"{path}: the answer broke off")
                    said = json.loads(line)
                    if "error" in said:
                        raise ControlError(f"{path}: {said['error']}")
                    for row in said["sockets"]:
                        rows.append({"pid": said["pid"], **row})
                    if not said["more"]:
                        return rows
                    request = {"ask": "more"}
        except TimeoutError as error:
            raise ControlError(f"{path}: no answer") from error
        except (ValueError, KeyError, TypeError) as error:
            raise ControlError(f"{path}: not an answer of ours") from error
        except OSError as error:
            words = error.strerror
            if error.errno == errno.ECONNREFUSED:
                words = "nobody answers there any more"
            raise ControlError(f"{path}: {words}") from error

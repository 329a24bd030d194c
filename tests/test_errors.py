"""Every error: its bases, errno, text, and that it pickles."""

from __future__ import annotations

import copy
import errno
import importlib
import inspect
import os
import pickle
import pkgutil

import pytest

import sansio_net
from sansio_net import errors
from sansio_net.errors import (
    ConnectionFailed,
    SansioNetError,
    StateError,
    Unreachable,
    WireError,
)


def all_error_classes() -> list[type[SansioNetError]]:
    """Those of errors.py, and those that any other module defines."""
    for module in pkgutil.walk_packages(sansio_net.__path__, "sansio_net."):
        if not module.name.endswith((".strategies", ".__main__")):
            importlib.import_module(module.name)
    found: list[type[SansioNetError]] = []
    waiting: list[type[SansioNetError]] = [SansioNetError]
    while waiting:
        cls = waiting.pop()
        waiting += cls.__subclasses__()
        public = not cls.__name__.startswith("_")
        if public and cls not in found and cls.__module__.startswith("sansio_net."):
            found.append(cls)
    return sorted(found, key=lambda cls: cls.__qualname__)


CLASSES = all_error_classes()


def test_there_are_as_many_as_we_think() -> None:
    public = {
        name
        for name, value in vars(errors).items()
        if inspect.isclass(value)
        and issubclass(value, SansioNetError)
        and not name.startswith("_")
    }
    assert public == {
        "SansioNetError",
        "WireError",
        "TruncatedError",
        "MalformedError",
        "ChecksumError",
        "StateError",
        "LimitError",
        "AddressInUseError",
        "AddressNotAvailableError",
        "NotConnectedError",
        "MessageTooLongError",
        "BroadcastError",
        "ConnectionFailed",
        "ConnectionReset",
        "ConnectionRefused",
        "ConnectionAborted",
        "TimedOut",
        "Unreachable",
        "DeviceError",
        "DeviceGone",
        "MissingExtraError",
    }


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__qualname__)
def test_it_pickles_and_copies_with_its_text(cls: type[SansioNetError]) -> None:
    error = cls("some text")
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(twin) is cls
        assert str(twin) == str(error)
        assert twin.args == error.args
        assert getattr(twin, "errno", None) == getattr(error, "errno", None)
    assert "some text" in str(error)


@pytest.mark.parametrize(
    ("name", "number", "builtin"),
    [
        ("AddressInUseError", errno.EADDRINUSE, RuntimeError),
        ("AddressNotAvailableError", errno.EADDRNOTAVAIL, RuntimeError),
        ("NotConnectedError", errno.ENOTCONN, RuntimeError),
        ("MessageTooLongError", errno.EMSGSIZE, RuntimeError),
        ("BroadcastError", errno.EACCES, RuntimeError),
        ("ConnectionReset", errno.ECONNRESET, ConnectionResetError),
        ("ConnectionRefused", errno.ECONNREFUSED, ConnectionRefusedError),
        ("ConnectionAborted", errno.ECONNABORTED, ConnectionAbortedError),
        ("TimedOut", errno.ETIMEDOUT, TimeoutError),
        ("Unreachable", errno.EHOSTUNREACH, OSError),
    ],
)
def test_what_applications_catch(
    name: str, number: int, builtin: type[Exception]
) -> None:
    error = getattr(errors, name)()
    assert isinstance(error, OSError)
    assert isinstance(error, builtin)
    assert error.errno == number
    assert error.strerror == os.strerror(number)
    assert str(error) == f"[Errno {number}] {os.strerror(number)}"
    assert str(type(error)("other")) == f"[Errno {number}] other"


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__qualname__)
def test_an_os_error_lists_that_base_first(cls: type[SansioNetError]) -> None:
    if not issubclass(cls, OSError):
        return
    error = cls()
    assert error.errno in errno.errorcode
    assert error.strerror
    order = cls.__mro__
    assert order.index(OSError) < order.index(SansioNetError)


def test_families() -> None:
    assert issubclass(WireError, ValueError)
    assert issubclass(StateError, RuntimeError)
    assert issubclass(errors.TimedOut, ConnectionFailed)
    assert issubclass(errors.MissingExtraError, ImportError)


@pytest.mark.parametrize("number", [errno.ENETUNREACH, errno.ENOPROTOOPT])
def test_unreachable_in_all_its_kinds(number: int) -> None:
    error = Unreachable(code=number)
    twin = pickle.loads(pickle.dumps(error))
    assert twin.errno == error.errno == number
    assert twin.strerror == error.strerror == os.strerror(number)
    assert Unreachable("why", number).strerror == "why"

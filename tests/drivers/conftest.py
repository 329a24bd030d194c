"""A network namespace for one test, in this process."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator

import pytest

CLONE_NEWNET = 0x40000000


@pytest.fixture
def namespace() -> Iterator[None]:
    """Everything the test makes lies in a namespace of its own, and goes with it."""
    libc = ctypes.CDLL(None, use_errno=True)
    home = os.open("/proc/self/ns/net", os.O_RDONLY)
    try:
        assert libc.unshare(CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
        yield
    finally:
        assert libc.setns(home, CLONE_NEWNET) == 0
        os.close(home)

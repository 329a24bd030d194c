"""CPython's own asyncio tests on the NIC; see tests/adapters/asyncio/cpython.py."""

from __future__ import annotations

import importlib.util
import re
import sys

import pytest

from .lab import Lab

pytestmark = [
    *(pytest.mark.root, pytest.mark.programs("ip")),
    pytest.mark.interpreted("replaces verbs of the Stack"),
]

GROUPS = [
    ["test_buffered", "test_events", "test_server", "test_sock", "test_streams"],
    ["test_sendfile."],
    ["test_ssl."],
    ["test_sslproto."],
]
"""Side by side: most of them wait most of the time."""


def test_all_that_can_pass(lab: Lab) -> None:
    assert importlib.util.find_spec("test.test_asyncio"), (
        "this Python has no tests of its own; Debian: libpython3.11-testsuite"
    )
    runs = [
        lab.host(f"py{number}").start(
            sys.executable, "-m", "tests.adapters.asyncio.cpython", "-v", *group
        )
        for number, group in enumerate(GROUPS)
    ]
    n_passed = 0
    for process in runs:
        process.wait(55)
        passed = re.search(rb"(\d+) of them on the NIC; 0 failed", process.output)
        assert passed, str(process)
        n_passed += int(passed[1])
    assert n_passed >= 80, [bytes(process.output) for process in runs]

"""The rules of conftest.py: root tests are skipped aloud, or fail when demanded."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).with_name("conftest.py")
ROOT_TEST = """
import pytest

@pytest.mark.root
def test_on_a_device():
    pass
"""
PROGRAM_TEST = """
import pytest

@pytest.mark.programs("sh", "no-such-program")
def test_with_programs():
    pass
"""


def run(
    folder: Path, test: str, conftest: str, *options: str, **env: str
) -> tuple[int, str]:
    (folder / "conftest.py").write_text(conftest)
    (folder / "test_it.py").write_text(test)
    (folder / "pytest.ini").write_text("[pytest]\nmarkers = root: root\n")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"),
            *(*options, folder),
        ],
        env={**os.environ, **env},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=50,
    )
    return done.returncode, done.stdout


def unprivileged() -> str:
    """The real conftest, told that the user is nobody."""
    return CONFTEST.read_text().replace("os.geteuid() != 0", "True")


@pytest.mark.parametrize("workers", ["0", "2"])
def test_without_root_the_test_is_skipped_counted_and_named(
    tmp_path: Path, workers: str
) -> None:
    status, output = run(
        *(tmp_path, ROOT_TEST, unprivileged(), "-n", workers),
        SANSIO_NET_REQUIRE_ROOT="",
    )
    assert status == 0
    assert "1 skipped" in output
    assert "1 tests skipped (needs root" in output
    assert "test_it.py::test_on_a_device" in output


def test_the_environment_turns_the_skip_into_a_failure(tmp_path: Path) -> None:
    status, output = run(
        tmp_path, ROOT_TEST, unprivileged(), SANSIO_NET_REQUIRE_ROOT="1"
    )
    assert status == 1
    assert "needs root" in output


def test_a_missing_program_is_a_failure(tmp_path: Path) -> None:
    status, output = run(tmp_path, PROGRAM_TEST, CONFTEST.read_text())
    assert status == 1
    assert "not installed: no-such-program" in output

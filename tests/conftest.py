"""Profiles for hypothesis, and what happens to tests that need root."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

import sansio_net

CAP_NET_ADMIN = 12
CAP_SYS_ADMIN = 21

settings.register_profile(
    "ci",
    deadline=None,
    derandomize=True,
    max_examples=100,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "deep",
    deadline=None,
    max_examples=5000,
    stateful_step_count=100,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

# ignored where the run was started in the background; the programs under test are ended
# by it, and would inherit that
signal.signal(signal.SIGINT, signal.default_int_handler)


def root_missing() -> str | None:
    """Why tests marked `root` cannot run here, or None."""
    if os.geteuid() != 0:
        return "needs root"
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        return "needs /dev/net/tun"
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            effective = int(line.split()[1], 16)
            for name, bit in ("NET", CAP_NET_ADMIN), ("SYS", CAP_SYS_ADMIN):
                if not effective >> bit & 1:
                    return f"needs CAP_{name}_ADMIN"
    return None


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "programs(*names): real programs the test talks to"
    )
    config.addinivalue_line(
        "markers", "interpreted(reason): cannot hold where mypyc compiled the package"
    )
    if os.environ.get("SANSIO_NET_REQUIRE_COMPILED") == "1" and not sansio_net.compiled:
        raise pytest.UsageError(f"not compiled: {sansio_net.__file__}")


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("root") is not None:
        reason = root_missing()
        if reason is not None:
            if os.environ.get("SANSIO_NET_REQUIRE_ROOT") == "1":
                pytest.fail(f"SANSIO_NET_REQUIRE_ROOT=1, but: {reason}", pytrace=False)
            pytest.skip(reason)
    interpreted = item.get_closest_marker("interpreted")
    if interpreted is not None and sansio_net.compiled:
        pytest.skip(f"compiled: {interpreted.args[0]}")
    # who may create interfaces may also install programs: absence is an error there
    for marker in item.iter_markers("programs"):
        absent = [name for name in marker.args if shutil.which(name) is None]
        if absent:
            pytest.fail(f"not installed: {', '.join(absent)}", pytrace=False)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reason = root_missing()
    # from the reports: the tests may have run in other processes
    skipped = [
        report.nodeid
        for report in terminalreporter.stats.get("skipped", ())
        if reason is not None and f"Skipped: {reason}" in str(report.longrepr)
    ]
    if skipped:
        terminalreporter.write_line(
            f"{len(skipped)} tests skipped ({reason}; "
            "SANSIO_NET_REQUIRE_ROOT=1 makes this a failure):"
        )
        for nodeid in skipped:
            terminalreporter.write_line(f"  {nodeid}")

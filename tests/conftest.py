"""Hypothesis profiles, and what happens to root's tests without root.

They are skipped, counted and named at the end of the run; with
SANSIO_NET_REQUIRE_ROOT=1 they run anyway, and so fail.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "ci",
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("sweep", settings.get_profile("ci"), max_examples=5_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

SKIPPED = pytest.StashKey[dict[str, list[str]]]()


def why_not_root() -> str | None:
    """What keeps this machine from running root's tests, or None."""
    if not sys.platform.startswith("linux"):
        return "not on Linux"
    if os.geteuid():
        return "not root"
    if not os.path.exists("/dev/net/tun"):
        return "no /dev/net/tun"
    if shutil.which("ip") is None:
        return "no `ip` program"
    probe = subprocess.run(["unshare", "--net", "true"], capture_output=True)
    return "network namespaces are not allowed" if probe.returncode else None


def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    if os.environ.get("HYPOTHESIS_PROFILE") != "sweep":
        sweeps = [item for item in items if item.get_closest_marker("sweep")]
        if sweeps and config.getoption("markexpr") == "":
            config.hook.pytest_deselected(items=sweeps)
            items[:] = [item for item in items if item not in sweeps]
    rooted = [item for item in items if item.get_closest_marker("root")]
    if not rooted or os.environ.get("SANSIO_NET_REQUIRE_ROOT") == "1":
        return
    reason = why_not_root()
    if reason is None:
        return
    config.stash[SKIPPED] = {reason: [item.nodeid for item in rooted]}
    for item in rooted:
        item.add_marker(pytest.mark.skip(reason=f"interop: {reason}"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for reason, names in terminalreporter.config.stash.get(SKIPPED, {}).items():
        terminalreporter.section(f"{len(names)} interop tests skipped: {reason}")
        for name in names:
            terminalreporter.line(name)

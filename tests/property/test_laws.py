"""The eight laws against every machine, and against machines that break them."""

from __future__ import annotations

import importlib
import inspect
import os
import pkgutil
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sansio_net
from sansio_net.errors import StateError
from sansio_net.machine import PICKLE_VERSION

from .broken import BREAKERS, Echo, TheEcho
from .digests import STORED, lines
from .driving import Subject
from .laws import LAWS
from .registry import EXEMPT, SUBJECTS

ROOT = Path(__file__).parents[2]
OLDEST = (3, 11)

# an example is 30 turns of a machine, most of them several times
few = settings(max_examples=max(4, settings.default.max_examples // 25))  # type: ignore[union-attr]

all_laws = pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)


@pytest.mark.parametrize("subject", [*SUBJECTS, TheEcho()], ids=repr)
@all_laws
@few
@given(seed=st.integers(0, 1 << 32))
def test_law(law: Callable[[Subject, int], None], subject: Subject, seed: int) -> None:
    law(subject, seed)


@pytest.mark.parametrize(
    ("number", "cls"),
    [(number, cls) for number, classes in BREAKERS.items() for cls in classes],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_a_machine_that_breaks_a_law_is_found(number: int, cls: type[Echo]) -> None:
    def breaks(seed: int) -> bool:
        try:
            LAWS[number - 1](TheEcho(cls), seed)
        except Exception:  # whatever gives it away
            return True
        return False

    assert any(breaks(seed) for seed in range(10))


def test_every_law_has_a_machine_that_breaks_it() -> None:
    assert sorted(BREAKERS) == list(range(1, len(LAWS) + 1)) == list(range(1, 9))


@pytest.mark.parametrize("subject", SUBJECTS, ids=repr)
def test_a_pickle_of_another_release_is_refused(subject: Subject) -> None:
    machine = subject.make(1)
    version, slots = machine.__getstate__()
    assert version == PICKLE_VERSION
    with pytest.raises(StateError, match="a pickle of version"):
        subject.make(1).__setstate__((version + 1, slots))


def machines(package: str) -> dict[str, type]:
    """Every class with ``receive(self, items, now)`` that is no Protocol."""
    found = {}
    module = importlib.import_module(package)
    for info in pkgutil.walk_packages(module.__path__, f"{package}."):
        if info.name.endswith(("__main__", ".strategies")):
            continue
        for value in vars(importlib.import_module(info.name)).values():
            if not inspect.isclass(value) or value.__module__ != info.name:
                continue
            method = vars(value).get("receive")
            if method is None or getattr(value, "_is_protocol", False):
                continue
            names = list(inspect.signature(method).parameters)
            if len(names) == 3 and names[2] == "now":
                found[f"{info.name}.{value.__qualname__}"] = value
    return found


def test_every_machine_is_registered() -> None:
    found = machines("sansio_net")
    registered = {subject.cls for subject in SUBJECTS}
    missing = [
        name
        for name, cls in found.items()
        if cls not in registered and name not in EXEMPT
    ]
    assert missing == []
    assert set(EXEMPT) <= set(found), "an exemption for nothing"
    assert registered <= set(found.values())


def test_an_unregistered_machine_would_be_found() -> None:
    assert f"{Echo.__module__}.Echo" in machines("tests.property")


def pythons() -> list[str]:
    """Every Python from 3.11 on in PATH and pyenv, one of each version."""
    if sansio_net.compiled:
        return [sys.executable]  # for this one only
    folders = [*map(Path, os.environ["PATH"].split(os.pathsep))]
    folders += sorted(Path.home().glob(".pyenv/versions/*/bin"))
    found = {sys.version_info[:2]: sys.executable}
    for folder in folders:
        if "shims" in folder.parts:
            continue
        for path in sorted(folder.glob("python3.*")):
            match = re.fullmatch(r"python3\.(\d+)", path.name)
            if match is None or not shutil.which(path):
                continue
            version = (3, int(match[1]))
            if version >= OLDEST:
                found.setdefault(version, str(path))
    return [found[version] for version in sorted(found)]


@pytest.mark.parametrize("hash_seed", ["0", "4711"])
@pytest.mark.parametrize("python", pythons())
def test_law_5_in_another_process(python: str, hash_seed: str) -> None:
    """Another process, hash seed and Python version: the same bytes."""
    done = subprocess.run(
        [python, "-m", "tests.property.digests"],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == STORED.read_text(), (
        "if the machines are meant to behave differently: "
        "python -m tests.property.digests --write"
    )


def test_the_stored_digests_are_of_all_machines() -> None:
    names = [line.split()[0] for line in lines().splitlines()]
    assert names == [subject.name for subject in SUBJECTS]
    assert [line.split()[0] for line in STORED.read_text().splitlines()] == names


@pytest.mark.interpreted("a compiled package is an installed one")
def test_the_package_is_importable_from_the_checkout() -> None:
    assert Path(sansio_net.__file__).is_relative_to(ROOT)

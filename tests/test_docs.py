"""The documentation says what the code does: drawn parts, names, commands."""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import subprocess
import sys
from operator import attrgetter
from pathlib import Path

import pytest

from sansio_net.stack import StackConfig

ROOT = Path(__file__).resolve().parents[1]

_spec = importlib.util.spec_from_file_location("generate", ROOT / "docs/generate.py")
assert _spec is not None
assert _spec.loader is not None
generate = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(generate)


@pytest.mark.parametrize("name", generate.GENERATED)
def test_what_is_drawn_from_the_code_is_up_to_date(name: str) -> None:
    """`python docs/generate.py` makes it so."""
    assert (ROOT / "docs" / name).read_text() == generate.rendered(name)


@pytest.mark.parametrize(
    "path", sorted((ROOT / "tests/attacks").glob("test_*.py")), ids=lambda p: p.stem
)
def test_every_attack_says_what_broke_and_what_holds(path: Path) -> None:
    said = ast.get_docstring(ast.parse(path.read_text())) or ""
    assert re.match(r"[^\n]+, (19|20)\d\d\.\n\n", said)
    assert "\nElsewhere: " in said
    assert "\nHere: " in said


def blocks(path: Path, language: str) -> list[str]:
    """The fenced blocks of a language in a Markdown file."""
    return re.findall(rf"^```{language}\n(.*?)^```", path.read_text(), re.M | re.S)


def test_the_readme_s_example_runs(capsys: pytest.CaptureFixture[str]) -> None:
    (example,) = blocks(ROOT / "README.md", "python")
    exec(compile(example, "README.md", "exec"), {"__name__": "example"})
    assert capsys.readouterr().out == "accepted 10.0.0.1\nreceived b'hello'\n"


def test_the_two_commands_are_lines_of_their_own() -> None:
    """CI runs the README's lines, found by their beginning."""
    lines = [block.strip() for block in blocks(ROOT / "README.md", "sh")]
    assert lines[:2] == ["./run demo", "./run test"]
    assert os.access(ROOT / "run", os.X_OK)


def test_bounds_are_those_of_the_config() -> None:
    text = (ROOT / "README.md").read_text()
    rows = re.findall(r"^\| `([a-z_.]+)` \| (\d+) \|", text, re.M)
    assert len(rows) > 20
    for name, default in rows:
        option = attrgetter(name)(StackConfig())
        assert option == int(default), name


@pytest.mark.parametrize("name", ["tcp.md"])
def test_files_named_exist(name: str) -> None:
    package = ROOT / "sansio_net"
    places = (package, package / "protocols/tcp")
    named = set(re.findall(r"`([a-z_/]+\.py)`", (ROOT / "docs" / name).read_text()))
    assert named
    assert [
        path for path in named if not any((at / path).is_file() for at in places)
    ] == []


def test_every_option_of_the_command_line_is_described() -> None:
    text = (ROOT / "docs/cli.md").read_text()
    for command in (["up"], ["ping"], ["traceroute"], ["nc"], ["ss"], ["demo"]):
        done = subprocess.run(
            [sys.executable, "-m", "sansio_net", *command, "--help"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=30,
        )
        options = set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", done.stdout))
        assert options
        missing = sorted(o for o in options - {"-h", "--help"} if o not in text)
        assert not missing, (command, missing)

"""Who may import whom, and what no file may contain: kept by reading the source.

Each rule is a function of a path and a syntax tree, run over the package, and run
over a made-up violation that it must find.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "sansio_net"

CORE = ("base", "wire", "protocols", "stack")
"""The layers that do no I/O, read no clock, and need no package from elsewhere."""

ALLOWED: dict[str, tuple[str, ...]] = {
    "base": (),
    "wire": ("base",),
    "protocols": ("wire", "base"),
    "stack": ("protocols", "wire", "base"),
    "drivers": ("wire", "base"),
    "testing": ("stack", "protocols", "wire", "base"),
    "capture": ("stack", "protocols", "wire", "base"),
    "nft": ("stack", "protocols", "wire", "base"),
    "adapters": ("stack", "drivers", "wire", "base"),
    "cli": (
        *("adapters", "nft", "capture", "testing"),
        *("drivers", "stack", "protocols", "wire", "base"),
    ),
}

SHARED: dict[str, tuple[str, ...]] = {
    "protocols/arp": ("protocols/neighbours",),
    "protocols/ndp": ("protocols/neighbours",),
}
"""By protocol: the parts it is made of that another is made of as well."""

FORBIDDEN = (
    *("socket", "select", "selectors", "asyncio", "threading", "subprocess"),
    *("multiprocessing", "time", "datetime", "os", "random", "secrets", "logging"),
    *("zlib", "locale"),
)

FORBIDDEN_EXCEPT: dict[str, set[str]] = {}
"""By file: modules of `FORBIDDEN` that a core file may import after all."""

THIRD_PARTY: dict[str, set[str]] = {
    "testing/strategies.py": {"hypothesis"},
    "drivers/tap.py": {"pytun"},
    "drivers/interface.py": {"pyroute2"},
    "adapters/asyncio/resolver.py": {"dns"},
    "cli/fetch.py": {"aiohttp"},
    "cli/file_server.py": {"aiohttp"},
    **{
        f"adapters/trio/{name}.py": {"trio"}
        for name in ("__init__", "driver", "hooks", "nic", "sockets")
    },
}
"""By file: packages from elsewhere. Every other file has none."""

SANS_IO = (*CORE, "testing", "capture")
"""Layers whose files may not block or look at a clock either."""

FLOATS = {"units.py": {"format_duration"}}
"""By file: functions that show a number to people."""

MAX_FILE, MAX_FUNCTION, MAX_TEST_FILE = 500, 60, 1000

Rule = Callable[[str, ast.Module], Iterator[str]]


def layer(path: str) -> str:
    first, _, rest = path.partition("/")
    if path == "__main__.py":
        return "cli"
    return first if rest else "base"


def unit(path: str) -> str:
    """The thing that stands for itself: a layer, or one protocol of `protocols/`."""
    parts = path.removesuffix(".py").split("/")
    return "/".join(parts[:2]) if parts[0] == "protocols" else layer(path)


def imported(path: str, tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Every import as (line, absolute dotted name), relative ones resolved."""
    here = ["sansio_net", *path.split("/")][:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            start = here[: len(here) - node.level + 1] if node.level else []
            base = [*start, *(node.module or "").split(".")]
            name = ".".join(part for part in base if part)
            yield node.lineno, name
            for alias in node.names:
                # `from . import segment` names a module in the last place
                yield node.lineno, f"{name}.{alias.name}"


def module_path(name: str) -> str | None:
    """The file of a dotted name of the package, or None if it names no module."""
    parts = name.split(".")[1:]
    whole = PACKAGE.joinpath(*parts)
    if whole.with_suffix(".py").is_file() and parts:
        return "/".join(parts) + ".py"
    if (whole / "__init__.py").is_file():
        return "/".join([*parts, "__init__.py"])
    return None


def layers(path: str, tree: ast.Module) -> Iterator[str]:
    """A name comes from a lower row or its own folder."""
    for line, name in imported(path, tree):
        if name.split(".")[0] != "sansio_net":
            continue
        other = module_path(name)
        if other is None or other == "__init__.py":
            continue
        if unit(other) in (
            unit(path),
            "protocols/__init__",
            *SHARED.get(unit(path), ()),
        ):
            continue
        if layer(other) not in ALLOWED[layer(path)]:
            yield f"{path}:{line} imports {name}"


def forbidden_modules(path: str, tree: ast.Module) -> Iterator[str]:
    """The core knows no clock, no device and no chance."""
    if layer(path) not in SANS_IO:
        return
    spared = FORBIDDEN_EXCEPT.get(path, set())
    if layer(path) == "capture":
        spared = {"os", "time"}
    for line, name in imported(path, tree):
        top = name.split(".")[0]
        if top in FORBIDDEN and top not in spared:
            yield f"{path}:{line} imports {top}"


def third_party(path: str, tree: ast.Module) -> Iterator[str]:
    """Nothing from elsewhere but in the files named for it."""
    for line, name in imported(path, tree):
        top = name.split(".")[0]
        known = top == "sansio_net" or top in sys.stdlib_module_names
        if not known and top not in THIRD_PARTY.get(path, set()):
            yield f"{path}:{line} imports {top}"


def function_sizes(path: str, tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
            size = (node.end_lineno or first) - first + 1
            if size >= MAX_FUNCTION:
                yield f"{path}:{node.lineno} {node.name} has {size} lines"


MUTATORS = (
    *("append", "appendleft", "extend", "insert", "add", "update", "setdefault"),
    *("pop", "popleft", "popitem", "remove", "discard", "clear", "sort", "reverse"),
)


def changing_globals(path: str, tree: ast.Module) -> Iterator[str]:
    """No module-level name is bound again or changed by a function."""
    names = set()
    for statement in tree.body:
        targets = statement.targets if isinstance(statement, ast.Assign) else []
        if isinstance(statement, ast.AnnAssign):
            targets = [statement.target]
        names |= {target.id for target in targets if isinstance(target, ast.Name)}
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        local = {arg.arg for arg in ast.walk(function) if isinstance(arg, ast.arg)}
        local |= {
            node.id
            for node in ast.walk(function)
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
        }
        for node in ast.walk(function):
            if isinstance(node, ast.Global):
                yield f"{path}:{node.lineno} global {', '.join(node.names)}"
            changed = changed_name(node)
            if changed in names - local:
                assert isinstance(node, ast.expr)
                yield f"{path}:{node.lineno} changes {changed}"


def changed_name(node: ast.AST) -> str | None:
    """The name whose object `node` changes: ``NAME[...] =``, ``NAME.append(...)``."""
    owner: ast.expr | None = None
    if isinstance(node, ast.Subscript | ast.Attribute):
        if isinstance(node.ctx, ast.Store | ast.Del):
            owner = node.value
    elif (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in MUTATORS
    ):
        owner = node.func.value
    return owner.id if isinstance(owner, ast.Name) else None


def floats(path: str, tree: ast.Module) -> Iterator[str]:
    """Machines count in ints: a float is not the same everywhere."""
    if layer(path) not in CORE and path != "testing/link.py":
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name in FLOATS.get(path, set()):
            for inner in ast.walk(node):
                inner.lineno = -1  # type: ignore[attr-defined]
    for node in ast.walk(tree):
        line = getattr(node, "lineno", -1)
        if line < 0:
            continue
        if isinstance(node, ast.Constant) and isinstance(node.value, float | complex):
            yield f"{path}:{line} has the float {node.value}"
        if isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div):
            yield f"{path}:{line} divides with /"
        if isinstance(node, ast.Call) and called(node) in ("float", "round"):
            yield f"{path}:{line} calls {called(node)}"


def called(node: ast.Call) -> str | None:
    return node.func.id if isinstance(node.func, ast.Name) else None


def chance(path: str, tree: ast.Module) -> Iterator[str]:
    """Nothing depends on the order of a set, on addresses, or on the hash seed."""
    if layer(path) not in (*CORE, "testing"):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and called(node) in ("hash", "id"):
            yield f"{path}:{node.lineno} calls {called(node)}"
        if isinstance(node, ast.For | ast.comprehension):
            source = node.iter
            if isinstance(source, ast.Set | ast.SetComp) or (
                isinstance(source, ast.Call) and called(source) in ("set", "frozenset")
            ):
                yield f"{path}:{source.lineno} iterates over a set"


def slots(path: str, tree: ast.Module) -> Iterator[str]:
    """Classes of the core have slots."""
    if layer(path) not in CORE or path == "errors.py":
        return
    for node in ast.walk(tree):
        if not isinstance(node, ast.ClassDef):
            continue
        bases = {ast.unparse(base).split("[")[0].split(".")[-1] for base in node.bases}
        if any(base.endswith(("Exception", "Error")) for base in bases):
            continue
        if bases & {"Protocol", "Enum", "StrEnum", "IntEnum", "NamedTuple", "IntFlag"}:
            continue
        has_slots = any(
            isinstance(part, ast.Assign)
            and any(ast.unparse(target) == "__slots__" for target in part.targets)
            for part in node.body
        )
        decorators = " ".join(ast.unparse(part) for part in node.decorator_list)
        if not has_slots and "slots=True" not in decorators:
            yield f"{path}:{node.lineno} class {node.name} has no slots"


RULES: tuple[Rule, ...] = (
    layers,
    forbidden_modules,
    third_party,
    function_sizes,
    changing_globals,
    floats,
    chance,
    slots,
)


def sources() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        yield path.relative_to(PACKAGE).as_posix(), ast.parse(path.read_text())


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_package_keeps(rule: Rule) -> None:
    assert [what for path, tree in sources() for what in rule(path, tree)] == []


VIOLATIONS: tuple[tuple[Rule, str, str], ...] = (
    (layers, "machine.py", "from sansio_net.wire import tcp"),
    (layers, "wire/arp.py", "from ..stack import Stack"),
    (layers, "wire/arp.py", "import sansio_net.protocols.tcp.connection"),
    (layers, "protocols/arp/cache.py", "from sansio_net.protocols.tcp import State"),
    (layers, "protocols/arp/cache.py", "from ..tcp import State"),
    (layers, "protocols/arp/cache.py", "from .. import reassembly"),
    (layers, "stack/stack.py", "from sansio_net.drivers import loop"),
    (layers, "drivers/tap.py", "from sansio_net.stack import Stack"),
    (layers, "testing/pair.py", "from sansio_net.drivers.loop import turn"),
    (layers, "capture/record.py", "import sansio_net.testing.link"),
    (forbidden_modules, "wire/arp.py", "import time"),
    (forbidden_modules, "stack/stack.py", "from os import urandom"),
    (forbidden_modules, "protocols/x.py", "def f():\n    import random"),
    (forbidden_modules, "testing/pair.py", "import asyncio.tasks"),
    (third_party, "machine.py", "import numpy"),
    (third_party, "testing/link.py", "from hypothesis import given"),
    (third_party, "testing/__init__.py", "import hypothesis"),
    (function_sizes, "x.py", "def f():\n" + "    pass\n" * 59),
    (changing_globals, "x.py", "N = 0\ndef f():\n    global N\n    N = 1"),
    (changing_globals, "x.py", "CACHE = {}\ndef f(x):\n    CACHE[x] = 1"),
    (changing_globals, "x.py", "SEEN: list = []\ndef f(x):\n    SEEN.append(x)"),
    (floats, "wire/x.py", "x = 0.5"),
    (floats, "protocols/x.py", "def f(a, b):\n    return a / b"),
    (floats, "stack/x.py", "def f(a):\n    a /= 2"),
    (floats, "units.py", "def f(a):\n    return float(a)"),
    (chance, "stack/x.py", "key = hash(b'x')"),
    (chance, "protocols/x.py", "y = [x for x in {1, 2}]"),
    (chance, "protocols/x.py", "for x in set(y): pass"),
    (slots, "stack/x.py", "class A: pass"),
    (slots, "wire/x.py", "@dataclass\nclass A:\n    x: int"),
)


@pytest.mark.parametrize(("rule", "path", "source"), VIOLATIONS)
def test_each_rule_can_fail(rule: Rule, path: str, source: str) -> None:
    assert list(rule(path, ast.parse(source))) != []


FINE: tuple[tuple[Rule, str, str], ...] = (
    (layers, "protocols/tcp/sender.py", "from .seq import wrap"),
    (layers, "protocols/tcp/sender.py", "from sansio_net.wire import tcp"),
    (layers, "stack/stack.py", "from sansio_net.protocols.tcp import Connection"),
    (layers, "cli/main.py", "from sansio_net.drivers import loop"),
    (forbidden_modules, "drivers/tap.py", "import os"),
    (third_party, "testing/strategies.py", "import hypothesis"),
    (function_sizes, "x.py", "def f():\n" + "    pass\n" * 58),
    (changing_globals, "x.py", "X = {}\ndef f():\n    X = {}\n    X[1] = 2"),
    (floats, "x.py", "def f(a, b):\n    return a // b"),
    (slots, "wire/x.py", "@dataclass(slots=True)\nclass A:\n    x: int"),
)


@pytest.mark.parametrize(("rule", "path", "source"), FINE)
def test_what_is_allowed_passes(rule: Rule, path: str, source: str) -> None:
    assert list(rule(path, ast.parse(source))) == []


def too_long(folder: Path, limit: int) -> list[str]:
    found = []
    for path in sorted(folder.rglob("*.py")):
        size = len(path.read_text().splitlines())
        if size >= limit:
            found.append(f"{path.relative_to(folder)}: {size} lines")
    return found


def test_files_stay_small(tmp_path: Path) -> None:
    assert too_long(PACKAGE, MAX_FILE) == []
    assert too_long(ROOT / "tests", MAX_TEST_FILE) == []
    (tmp_path / "long.py").write_text("x\n" * MAX_FILE)
    assert too_long(tmp_path, MAX_FILE) == [f"long.py: {MAX_FILE} lines"]


def test_every_layer_is_known() -> None:
    folders = {
        path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists()
    }
    assert folders <= set(ALLOWED)


def test_the_exceptions_are_needed() -> None:
    trees = dict(sources())
    for path, packages in THIRD_PARTY.items():
        names = {name.split(".")[0] for _, name in imported(path, trees[path])}
        assert packages <= names, f"{path} does not import {packages - names}"

"""The build hook: which modules mypyc gets, and what it gets of them."""

from __future__ import annotations

import ast
import importlib
import tomllib
from enum import Enum
from pathlib import Path
from types import FunctionType

import pytest

import compiling
import sansio_net

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
HOOK = PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["hooks"]["custom"]
MODULES: list[str] = HOOK["modules"]


def source(module: str) -> str:
    return (ROOT / "sansio_net" / f"{module}.py").read_text()


def test_a_checkout_is_not_compiled() -> None:
    assert sansio_net.compiled is False
    assert compiling.WANTED is False


def test_the_list_is_in_order() -> None:
    assert sorted(set(MODULES)) == MODULES


@pytest.mark.parametrize("module", MODULES)
def test_lines_stay_where_they_are(module: str) -> None:
    before, after = source(module), compiling.adapted(source(module))
    ast.parse(after)
    changed = [
        (old, new)
        for old, new in zip(before.split("\n"), after.split("\n"), strict=True)
        if old != new
    ]
    for old, new in changed:
        assert old in ("", compiling.FUTURE) or compiling.TAKEN.match(old), new


@pytest.mark.parametrize("module", MODULES)
def test_no_class_takes_a_function_that_would_not_bind(module: str) -> None:
    """What a class body assigns is no function, in the form that mypyc gets."""
    tree = ast.parse(compiling.adapted(source(module)))
    there = importlib.import_module(f"sansio_net.{module.replace('/', '.')}")
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            for item in node.body:
                if isinstance(item, ast.Assign) and isinstance(
                    item.targets[0], ast.Name
                ):
                    value = vars(getattr(there, node.name))[item.targets[0].id]
                    assert not isinstance(value, FunctionType), node.name


def test_classes_with_slots_are_marked_and_taken_functions_wrapped() -> None:
    text = '''"""A module."""

from __future__ import annotations

from . import life


class Part:
    """It has slots."""

    __slots__ = ("one",)

    finish = life.finish
    __getstate__ = versioned_state


class Plain:
    two = 2
'''
    lines = compiling.adapted(text).split("\n")
    assert lines[2].startswith(compiling.FUTURE)
    assert lines[6:8] == [compiling.MARK, "class Part:"]
    assert lines[12:14] == [
        "    def finish(self, *args: Any) -> Any: return life.finish(self, *args)",
        "    def __getstate__(self, *args: Any) -> Any:"
        " return versioned_state(self, *args)",
    ]
    assert lines[15:] == ["", "class Plain:", "    two = 2", ""]


def classes(module: str) -> dict[str, type]:
    there = importlib.import_module(f"sansio_net.{module.replace('/', '.')}")
    return {
        name: value
        for name, value in vars(there).items()
        if isinstance(value, type) and value.__module__ == there.__name__
    }


EVERY = sorted(
    str(path.relative_to(ROOT / "sansio_net").with_suffix(""))
    for layer in ("", "wire", "protocols", "stack")
    for path in (ROOT / "sansio_net" / layer).glob("**/*.py" if layer else "*.py")
    if path.stem not in ("__init__", "__main__")
)


def test_no_other_class_inherits_from_one_that_is_compiled() -> None:
    """mypyc forbids it: put the module into the list of pyproject.toml, too."""
    compiled = {
        value
        for module in MODULES
        for value in classes(module).values()
        if not issubclass(value, Enum) and not getattr(value, "_is_protocol", False)
    }
    assert {
        f"{module}: {name}"
        for module in set(EVERY) - set(MODULES)
        for name, value in classes(module).items()
        if compiled.intersection(value.__mro__)
    } == set()


@pytest.mark.parametrize("module", MODULES)
def test_no_dataclass_has_a_field_that_only_type_checkers_know(module: str) -> None:
    """mypyc looks for the type: take the module out of the list of pyproject.toml."""
    tree = ast.parse(source(module))
    unknown = {
        alias.asname or alias.name
        for node in tree.body
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for item in node.body
        if isinstance(item, ast.ImportFrom)
        for alias in item.names
    }
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and "dataclass" in str(
            [ast.unparse(decorator) for decorator in node.decorator_list]
        ):
            for field in node.body:
                if isinstance(field, ast.AnnAssign):
                    names = {
                        name.id
                        for name in ast.walk(field.annotation)
                        if isinstance(name, ast.Name)
                    }
                    assert not names & unknown, node.name

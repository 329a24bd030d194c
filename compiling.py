"""Compiles the hot modules with mypyc, when SANSIO_NET_COMPILE=1 asks for it.

    SANSIO_NET_COMPILE=1 pip install .

Without the variable nothing here runs and the wheel is pure Python; `hatch_build.py` is
the hook that calls it. The sources are the same; a copy of them gets what mypyc needs
and Python does not, on lines that are blank or change alone: tracebacks tell the right
ones.

* classes with slots are marked so that copies and pickles of machines work as they do
  in Python, without a call of `__init__` (law 5; ``serializable=True`` would say it,
  but mypyc 2.4 then never calls `__init__` for interpreted callers);
* a function that a class takes from elsewhere (``finish = lifecycle.finish``) is
  wrapped in a method: mypyc's functions do not bind.

pyproject.toml lists the modules. Not among them is what is rarely run; what inherits
from a builtin (`errors`); `machine`, whose functions classes of other modules take;
dataclasses with a field of a type that is imported for type checkers only.
"""

from __future__ import annotations

import ast
import contextlib
import os
import re
import shutil
from pathlib import Path
from typing import Any

PACKAGE = "sansio_net"
WANTED = os.environ.get("SANSIO_NET_COMPILE", "") not in ("", "0")

FUTURE = "from __future__ import annotations"
MARK = "@mypyc_attr(allow_interpreted_subclasses=True)"
TAKEN = re.compile(r"^    (\w+) = (\w+\.\1|versioned_state|restore_state)$")
METHOD = r"    def \1(self, *args: Any) -> Any: return \2(self, *args)"


def adapted(source: str) -> str:
    """A module's source as mypyc gets it, with as many lines."""
    lines = source.split("\n")
    at = lines.index(FUTURE)
    lines[at] += "; from typing import TYPE_CHECKING, Any"
    lines[at + 1] = "if TYPE_CHECKING: from mypy_extensions import mypyc_attr"
    for node in ast.parse(source).body:
        if not isinstance(node, ast.ClassDef):
            continue
        slots = any(
            isinstance(name, ast.Name) and name.id == "__slots__"
            for item in node.body
            if isinstance(item, ast.Assign)
            for name in item.targets
        )
        if slots:
            lines[node.lineno - 2] = MARK
        for number in range(node.lineno, node.end_lineno or 0):
            lines[number] = TAKEN.sub(METHOD, lines[number])
    return "\n".join(lines)


def compile_modules(root: Path, names: list[str], work: Path) -> list[Path]:
    """Build the modules in `work`; the extensions' places relative to it."""
    from mypyc.build import mypycify
    from setuptools import Distribution

    shutil.copytree(
        root / PACKAGE, work / PACKAGE, ignore=shutil.ignore_patterns("__pycache__")
    )
    files = [f"{PACKAGE}/{name}.py" for name in names]
    for file in files:
        path = work / file
        path.write_text(adapted(path.read_text()))
    (work / "mypy.ini").write_text("[mypy]\nignore_missing_imports = True\n")
    with contextlib.chdir(work):
        extensions = mypycify(
            ["--config-file=mypy.ini", *files],
            opt_level="1",  # 2 is no faster, and takes half as long again
            debug_level="0",
            multi_file=True,
            group_name=PACKAGE,
        )
        distribution = Distribution({"name": PACKAGE, "ext_modules": extensions})
        command: Any = distribution.get_command_obj("build_ext")
        command.inplace = True
        command.parallel = len(os.sched_getaffinity(0))
        command.ensure_finalized()
        command.run()
    return sorted(path.relative_to(work) for path in work.rglob("*.so"))

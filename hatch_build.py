"""Hatchling's hook: a wheel with compiled modules, if asked for; see `compiling.py`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

sys.path.insert(0, str(Path(__file__).parent))

from compiling import WANTED, compile_modules


class CompileHook(BuildHookInterface[Any]):
    def dependencies(self) -> list[str]:
        return ["mypy[mypyc]>=2.4"] if WANTED else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if not WANTED:
            return
        if version == "editable":
            self.app.display_warning("an editable install is never compiled")
            return
        self.scratch = tempfile.TemporaryDirectory(prefix="sansio-net-")  # while built
        work = Path(self.scratch.name)
        built = compile_modules(Path(self.root), self.config["modules"], work)
        build_data["pure_python"] = False
        build_data["infer_tag"] = True
        for path in built:
            build_data["force_include"][str(work / path)] = path.as_posix()

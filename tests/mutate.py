"""Deletes every field mapping of a dialect, one at a time, and lists those that no unit test misses (issue 2, Done when 2).

A tool to run by hand: ``python tests/mutate.py openai_chat [--files calls.py …] [--jobs 2] [--json FILE]
[--again FILE]``. It works in a copy of the tree. A runner that has pytest and the vendors' SDKs in memory forks once per
mutant; the child compiles the mutated module through an import hook and runs the dialect's tests until one fails.
"""

from __future__ import annotations

import argparse
import ast
import gc
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import json
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

import hypothesis
import pytest

ROOT = Path(__file__).resolve().parent.parent
PREFIXES = {
    "openai_chat": "openai_chat",
    "openai_responses": "openai_responses",
    "anthropic_messages": "anthropic",
    "google_gemini": "gemini",
}
"""Dialect -> how the names of its test files begin."""
SHARED = ("glance",)
"""Tests of all dialects at once."""
PYTEST = ["-x", "-q", "--no-header", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:cov"]
PYTEST += ["--assert", "plain"]
OUTCOMES = {0: "survived", 1: "killed", 2: "killed", -signal.SIGVTALRM: "killed"}
"""By pytest's exit code: 2 is a module that cannot even be collected; the signal ends a loop without end."""

MEMORY = 4 << 30
EXPLAINED = ROOT / "tests" / "mutants.md"
"""Survivors that change nothing anyone could see, each with its reason: ``- path what -- why``."""


@dataclass
class Mutant:
    """One deletion: ``apply`` changes ``tree``, so it is called in a child only."""

    path: Path
    line: int
    what: str
    tree: ast.Module
    apply: Callable[[], None]
    outcome: str = "not run"

    @property
    def name(self) -> str:
        """Without its line, so that an explanation outlives other changes."""
        return f"{self.path} {self.what}"


# --- what can be deleted --------------------------------------------------------------------------------------------


class Finder(ast.NodeVisitor):
    """All deletions of one file, in the order of its lines."""

    def __init__(self, path: Path, tree: ast.Module) -> None:
        self.found: list[Mutant] = []
        self._path = path
        self._tree = tree
        self._function = ""
        for statement in tree.body:
            if isinstance(statement, ast.Assign | ast.AnnAssign) and statement.value is not None:
                target = statement.target if isinstance(statement, ast.AnnAssign) else statement.targets[0]
                self._rows(statement.value, ast.unparse(target))
        self.visit(tree)

    def _add(self, node: ast.AST, kind: str, shown: ast.AST, apply: Callable[[], None]) -> None:
        text = " ".join(ast.unparse(shown).split())
        what = f"{kind}: {text[:87] + '...' if len(text) > 90 else text}"
        self.found.append(Mutant(self._path, getattr(node, "lineno", 0), what, self._tree, apply))

    def _rows(self, value: ast.AST, table: str) -> None:
        """Rows of a table of the module; types and functions within it are none."""
        if isinstance(value, ast.Subscript | ast.Lambda):
            return
        if isinstance(value, ast.List | ast.Tuple | ast.Set) and len(value.elts) > 1:
            for element in value.elts:
                self._add(element, f"row of {table}", element, partial(value.elts.remove, element))
        for inner in ast.iter_child_nodes(value):
            self._rows(inner, table)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        outer, self._function = self._function, node.name
        self.generic_visit(node)
        self._function = outer

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        for statement in node.body:
            if isinstance(statement, ast.AnnAssign):
                self._replace(node.body, statement, f"field of {node.name}")
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        callee = ast.unparse(node.func)
        for keyword in node.keywords:
            self._add(keyword.value, f"keyword of {callee}", keyword, partial(node.keywords.remove, keyword))
        name = callee.rpartition(".")[2]
        if name.lstrip("_")[:1].isupper() and name != "TypeVar":
            for at, value in enumerate(node.args):
                if not isinstance(value, ast.Starred):
                    self._add(value, f"argument {at} of {callee}", value, partial(_nothing, node.args, at))
        self.generic_visit(node)

    def visit_Dict(self, node: ast.Dict) -> None:
        for at, (key, value) in enumerate(zip(node.keys, node.values, strict=True)):
            one = ast.Dict([key], [value])
            self._add(key or value, "entry", one, partial(_unpair, node, at))
        self.generic_visit(node)

    def visit_Match(self, node: ast.Match) -> None:
        for case in node.cases if len(node.cases) > 1 else ():
            self._add(case.pattern, "case", case.pattern, partial(node.cases.remove, case))
        self.generic_visit(node)

    def generic_visit(self, node: ast.AST) -> None:
        for name in ("body", "orelse"):
            block = getattr(node, name, None)
            if isinstance(block, list):
                for statement in filter(self._tells, block):
                    self._replace(block, statement, "statement")
        super().generic_visit(node)

    def _tells(self, statement: ast.stmt) -> bool:
        """Statements that map, yield or gather something. The first values of an object's fields are no mapping."""
        match statement:
            case ast.Expr(ast.Yield() | ast.YieldFrom() | ast.Call()) | ast.Delete() | ast.AugAssign():
                return True
            case ast.Assign(targets) if self._function != "__init__":
                places = (place for target in targets for place in ast.walk(target))
                return any(isinstance(place, ast.Attribute | ast.Subscript) for place in places)
        return False

    def _replace(self, block: list[ast.stmt], old: ast.stmt, kind: str) -> None:
        def apply() -> None:
            block[block.index(old)] = ast.copy_location(ast.Pass(), old)

        self._add(old, kind, old, apply)


def _nothing(args: list[ast.expr], at: int) -> None:
    args[at] = ast.copy_location(ast.Constant(None), args[at])


def _unpair(node: ast.Dict, at: int) -> None:
    del node.keys[at], node.values[at]


def mutants(folder: Path, files: Sequence[str]) -> list[Mutant]:
    """Every deletion in ``files`` of ``folder``, a dialect's package (all of its files where none is named)."""
    found: list[Mutant] = []
    for path in sorted(folder.glob("*.py")):
        if files and path.name not in files:
            continue
        tree = ast.parse(path.read_text("utf-8"))
        one = Finder(path.relative_to(folder.parent.parent), tree).found
        found += sorted((m for m in one if not m.what.endswith(": None")), key=lambda mutant: mutant.line)
    return found


# --- running one ----------------------------------------------------------------------------------------------------


class Mutated(importlib.abc.MetaPathFinder, importlib.machinery.SourceFileLoader):  # type: ignore[misc]
    """Imports the mutant's tree in the place of its file."""

    def __init__(self, mutant: Mutant, root: Path) -> None:
        self._name = ".".join(mutant.path.with_suffix("").parts).removesuffix(".__init__")
        super().__init__(self._name, str(root / mutant.path))
        mutant.apply()
        self._code = compile(mutant.tree, self.path, "exec")

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self._name:
            return None
        return importlib.util.spec_from_file_location(fullname, self.path, loader=self)

    def get_code(self, fullname: str) -> CodeType:
        return self._code


class Nearest:
    """Runs the tests that are named after the mutated file first, those that read recordings or draw examples last.

    Of the examples there are few, and the same for every mutant.
    """

    def __init__(self, stem: str) -> None:
        self._stem = stem

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        drawing = [item for item in items if item.get_closest_marker("hypothesis")]
        for test in {item.obj for item in drawing}:
            told = test._hypothesis_internal_use_settings
            quick = hypothesis.settings(told, max_examples=5, derandomize=True, database=None)
            test._hypothesis_internal_use_settings = quick
        items.sort(
            key=lambda item: (item in drawing, "shared" in item.fixturenames, not item.path.stem.endswith(self._stem))
        )


class Runner:
    """Tests of one dialect in a copy of the tree."""

    def __init__(self, root: Path, dialect: str, limit: int) -> None:
        self._root = root
        self._limit = limit
        folder = root / "tests/adapters"
        self._tests = [str(p) for name in (PREFIXES[dialect], *SHARED) for p in sorted(folder.glob(f"test_{name}*.py"))]

    def baseline(self) -> None:
        """Load what the tests load from elsewhere, so that children have it already. Unmutated they pass, cold and warm."""
        listed = self._root / "loaded"
        self._passes(listed)
        for name in listed.read_text().split():
            importlib.import_module(name)
        gc.collect()
        gc.freeze()
        self._passes()

    def _passes(self, listed: Path | None = None) -> None:
        child = self.start(None, listed)
        if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0:
            sys.exit("the tests fail without any mutation")

    def start(self, mutant: Mutant | None, listed: Path | None = None) -> int:
        """Fork; the child ends with pytest's code: 0 is a mutant that nothing missed."""
        child = os.fork()
        if child:
            return child
        code = 70
        try:
            signal.setitimer(signal.ITIMER_VIRTUAL, self._limit)
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
            code = self._test(mutant)
            if listed is not None:
                listed.write_text("\n".join(self._foreign()))
        except BaseException:  # noqa: BLE001 - a child must not run on as its parent
            traceback.print_exc()
        os._exit(code)

    def _test(self, mutant: Mutant | None) -> int:
        silent = os.open(os.devnull, os.O_WRONLY)
        if mutant is not None:
            os.dup2(silent, 1)
            os.dup2(silent, 2)
            sys.meta_path.insert(0, Mutated(mutant, self._root))
        return int(pytest.main([*PYTEST, *self._tests], plugins=[Nearest(mutant.path.stem if mutant else "")]))

    def _foreign(self) -> Iterator[str]:
        for name, module in list(sys.modules.items()):
            place = getattr(getattr(module, "__spec__", None), "origin", None)
            if place and not place.startswith(str(self._root)) and name.isascii() and name != "__main__":
                yield name


def explained() -> dict[str, str]:
    """Path and what of the mutants that nothing can miss -> why."""
    lines = (line.removeprefix("- ") for line in EXPLAINED.read_text("utf-8").splitlines() if line.startswith("- "))
    return {name: why for name, _, why in (line.rpartition(" -- ") for line in lines)}


def run(runner: Runner, todo: Sequence[Mutant], jobs: int) -> None:
    """All mutants, ``jobs`` at a time; fills in their outcome."""
    known = explained()
    waiting, running = list(reversed(todo)), dict[int, Mutant]()
    while waiting or running:
        while waiting and len(running) < jobs:
            mutant = waiting.pop()
            running[runner.start(mutant)] = mutant
        child, status = os.wait()
        mutant = running.pop(child)
        mutant.outcome = OUTCOMES.get(os.waitstatus_to_exitcode(status), "broke the run")
        if mutant.outcome == "survived" and mutant.name in known:
            mutant.outcome = "explained"
        if mutant.outcome not in ("killed", "explained"):
            print(f"{mutant.path}:{mutant.line} {mutant.what} ({mutant.outcome})", flush=True)


# --- the command ----------------------------------------------------------------------------------------------------


def copied(into: Path) -> Path:
    """The parts of the tree that the tests of a dialect read."""
    for name in ("adapters", "policies", "proxy", "tests"):
        shutil.copytree(ROOT / name, into / name, ignore=shutil.ignore_patterns("__pycache__", "node_modules"))
    shutil.copy(ROOT / "pyproject.toml", into)
    os.environ.setdefault("TURNOUT_SHARED", str(ROOT.parent / "shared"))
    sys.dont_write_bytecode = False
    os.chdir(into)
    sys.path[:0] = [str(into)]
    return into


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dialect", choices=PREFIXES)
    parser.add_argument("--files", nargs="*", default=[], help="file names in the dialect's package (all)")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--limit", type=int, default=20, help="CPU seconds for one mutant")
    parser.add_argument("--json", type=Path, help="where to write every mutant and its outcome")
    parser.add_argument("--again", type=Path, help="only those that were not killed in this earlier --json file")
    args = parser.parse_args()
    told = args.json.resolve() if args.json else None
    earlier = args.again.read_text("utf-8") if args.again else None
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        root = copied(Path(folder).resolve())
        todo = mutants(root / "adapters" / args.dialect, args.files)
        if earlier is not None:
            alive = {m["name"] for m in json.loads(earlier) if m["outcome"] != "killed"}
            todo = [mutant for mutant in todo if mutant.name in alive]
        runner = Runner(root, args.dialect, args.limit)
        runner.baseline()
        run(runner, todo, args.jobs)
        os.chdir(ROOT)
    counts = Counter(mutant.outcome for mutant in todo)
    print(f"{args.dialect}: {len(todo)} deletions, {dict(counts)}, {time.monotonic() - started:.0f} s")
    if told is not None:
        told.write_text(json.dumps([{"name": m.name, "line": m.line, "outcome": m.outcome} for m in todo], indent=1))
    sys.exit(counts.keys() - {"killed", "explained"} != set())


if __name__ == "__main__":
    main()

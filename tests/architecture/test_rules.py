"""Rules of the house that a machine can check on the source."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
OURS = ("desktop_app", "ui", "packaging", "tests")
MODULES = sorted(file for folder in OURS for file in (ROOT / folder).rglob("*.py"))
PROGRAM = [file for file in MODULES if file.relative_to(ROOT).parts[0] in {"desktop_app", "ui"}]

MOST_FUNCTION_LINES = 60
MOST_MODULE_LINES = 600
# Tests may spell them out, to look for them.
FORBIDDEN_IN_QT = ("process" + "Events", "Blocking" + "QueuedConnection")
HEAVY = {"torch", "torchvision", "faiss", "timm", "open_clip"}
HEAVY_ROOMS = ("desktop_app/engine/", "desktop_app/training/", "desktop_app/evaluation/")
HEAVY_MODULES = {"desktop_app/catalogue/vector_store.py"}
# The job runner; nobody else catches everything (the two last-resort hooks are functions given to Python).
CATCH_ALL_MODULES = {"desktop_app/worker/job_runner.py"}


def name_of(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


def tree_of(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"), str(file))


def functions(file: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree_of(file)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node


def test_there_is_something_to_check() -> None:
    assert len(PROGRAM) > 30


def test_no_function_is_longer_than_sixty_lines() -> None:
    long = [
        f"{name_of(file)}:{function.lineno} {function.name}"
        for file in PROGRAM
        for function in functions(file)
        if (function.end_lineno or 0) - function.lineno + 1 > MOST_FUNCTION_LINES
    ]
    assert long == []


def test_no_module_is_longer_than_six_hundred_lines() -> None:
    long = [
        name_of(f) for f in MODULES if len(f.read_text(encoding="utf-8").splitlines()) > MOST_MODULE_LINES
    ]
    assert long == []


@pytest.mark.parametrize("word", FORBIDDEN_IN_QT)
def test_event_loop_is_never_run_by_hand(word: str) -> None:
    assert [name_of(file) for file in PROGRAM if word in file.read_text(encoding="utf-8")] == []


def test_every_module_with_code_postpones_annotations() -> None:
    late = []
    for file in PROGRAM:
        body = tree_of(file).body
        imports = [node.module for node in body if isinstance(node, ast.ImportFrom)]
        has_code = any(not isinstance(node, ast.Expr) for node in body) and file.name != "__init__.py"
        if has_code and "__future__" not in imports:
            late.append(name_of(file))
    assert late == []


def test_heavy_libraries_are_imported_at_module_level_in_their_rooms_only() -> None:
    found = []
    for file in PROGRAM:
        name = name_of(file)
        if name.startswith(HEAVY_ROOMS) or name in HEAVY_MODULES:
            continue
        for node in tree_of(file).body:
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module]
            found += [f"{name}: {one}" for one in names if one.split(".")[0] in HEAVY]
    assert found == []


def test_nobody_but_the_job_runner_catches_everything() -> None:
    found = []
    for file in PROGRAM:
        if name_of(file) in CATCH_ALL_MODULES:
            continue
        for node in ast.walk(tree_of(file)):
            if isinstance(node, ast.ExceptHandler):
                caught = ast.unparse(node.type) if node.type else "everything"
                raises_again = any(isinstance(inner, ast.Raise) and inner.exc is None for inner in node.body)
                if caught in {"Exception", "everything"} or (caught == "BaseException" and not raises_again):
                    found.append(f"{name_of(file)}:{node.lineno}")
    assert found == []


def test_sql_is_written_in_the_catalogue_only() -> None:
    found = []
    for file in PROGRAM:
        if name_of(file).startswith("desktop_app/catalogue/"):
            continue
        for node in ast.walk(tree_of(file)):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                start = node.value.lstrip()[:12]
                if (
                    start.startswith(("SELECT ", "INSERT INTO", "UPDATE ", "DELETE FROM", "PRAGMA "))
                    and start.isupper()
                ):
                    found.append(f"{name_of(file)}:{node.lineno}")
    assert found == []


def test_signals_carry_objects_numbers_and_texts_only() -> None:
    """`Signal(dict)` arrives empty, `Signal(list)` as a copy, `Signal(int)` cut to 32 bits."""
    found = []
    for file in PROGRAM:
        for node in ast.walk(tree_of(file)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Signal":
                kinds = {ast.unparse(argument) for argument in node.args}
                if kinds & {"dict", "list", "tuple", "set"}:
                    found.append(f"{name_of(file)}:{node.lineno}")
    assert found == []

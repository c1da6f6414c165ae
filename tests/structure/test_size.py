"""The code stays readable by number: no function over 60 lines, no file over 250, most functions short."""

import ast
from collections.abc import Iterator
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[2]
CODE = ("shared", "services", "deploy", "tests", "bench", "scripts")
FUNCTION_LINES_MAX = 60
FUNCTION_LINES_MEDIAN_MAX = 10
FILE_LINES_MAX = 250

Function = ast.FunctionDef | ast.AsyncFunctionDef


def python_files() -> list[Path]:
    return sorted(path for folder in CODE for path in (ROOT / folder).rglob("*.py"))


def functions() -> Iterator[tuple[str, int]]:
    for path in python_files():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, Function):
                yield f"{path.relative_to(ROOT)}:{node.lineno} {node.name}", _lines(node)


def _lines(node: Function) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def test_no_function_is_longer_than_a_screen() -> None:
    assert {name: lines for name, lines in functions() if lines > FUNCTION_LINES_MAX} == {}


def test_most_functions_are_short() -> None:
    assert median(lines for _, lines in functions()) <= FUNCTION_LINES_MEDIAN_MAX


def test_no_file_has_grown_a_second_purpose() -> None:
    lengths = {
        str(path.relative_to(ROOT)): path.read_text(encoding="utf-8").count("\n") for path in python_files()
    }
    assert {name: lines for name, lines in lengths.items() if lines > FILE_LINES_MAX} == {}

#!/usr/bin/env python3
"""How this project is written, in the numbers by which its models are compared: python scripts/measure-code.py

Counts Python files, functions and comments under services/, shared/ and deploy/, tests apart. Standard library only."""

import ast
import io
import statistics
import tokenize
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDERS = ("services", "shared", "deploy")
LONG_LINES = 50

Function = ast.FunctionDef | ast.AsyncFunctionDef


def main() -> None:
    files = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]
    code = [path.read_text() for path in files if "tests" not in path.relative_to(ROOT).parts]
    tests = [path.read_text() for path in sorted(ROOT.rglob("test_*.py")) if _is_ours(path)]
    functions = [function for text in code for function in _functions(text)]
    lengths = [_lines_of(function) for function in functions]
    lines = [len(text.splitlines()) for text in code]
    typed = sum(function.returns is not None for function in functions)
    comments = sum(_comments(text) for text in code)
    rows = [
        (
            "files",
            f"{len(code)}, {sum(lines):,} lines; tests {sum(len(each.splitlines()) for each in tests):,}",
        ),
        ("lines per file", f"median {statistics.median(lines):.0f}, longest {max(lines)}"),
        ("lines per function", f"median {statistics.median(lengths):.0f}, longest {max(lengths)}"),
        (
            f"functions over {LONG_LINES} lines",
            f"{_share(sum(n > LONG_LINES for n in lengths), len(lengths))}",
        ),
        ("typed returns", _share(typed, len(functions))),
        ("comment lines per 100", f"{100 * comments / sum(lines):.1f}"),
    ]
    print("| | |\n|---|---|")
    for name, value in rows:
        print(f"| {name} | {value} |")


def _is_ours(path: Path) -> bool:
    return not any(part.startswith(".") for part in path.relative_to(ROOT).parts)


def _functions(text: str) -> Iterator[Function]:
    return (node for node in ast.walk(ast.parse(text)) if isinstance(node, Function))


def _lines_of(function: Function) -> int:
    return (function.end_lineno or function.lineno) - function.lineno + 1


def _comments(text: str) -> int:
    return sum(
        token.type == tokenize.COMMENT for token in tokenize.generate_tokens(io.StringIO(text).readline)
    )


def _share(part: int, whole: int) -> str:
    return f"{part} of {whole:,} ({100 * part / whole:.1f} %)"


if __name__ == "__main__":
    main()

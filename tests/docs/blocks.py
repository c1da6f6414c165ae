"""The code blocks of the project's documents: which a test runs, which only show something, which say why not.

A block says what it is by its language. One that could run and does not carries its reason where a reader sees it,
on the line above: `<sub>Not run by the tests: it needs a GPU.</sub>`"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parents[2]
REASON = re.compile(r"^<sub>Not run by the tests: (?P<reason>.+)</sub>$")
RUNNABLE = frozenset({"sh", "python", "js", "sql"})
PARSED = frozenset({"json", "yaml", "toml"})
SHOWN = frozenset({"text", "mermaid", "nginx", "ini"})
"""A picture, what a command prints, or a file for a program that is not ours."""


class Kind(StrEnum):
    RUN = "run by a test"
    PARSED = "parsed by a test"
    SHOWN = "only shown"
    EXCUSED = "with a reason not to be run"
    UNKNOWN = "of no known language"


@dataclass(frozen=True, slots=True)
class Block:
    """`reason` is empty where one is given in other words than these: it must not be run for that. `line` is that of its opening fence, counted from 1."""

    document: Path
    line: int
    language: str
    text: str
    reason: str | None

    @property
    def kind(self) -> Kind:
        if self.reason is not None:
            return Kind.EXCUSED if self.reason else Kind.UNKNOWN
        if self.language in RUNNABLE:
            return Kind.RUN
        if self.language in PARSED:
            return Kind.PARSED
        return Kind.SHOWN if self.language in SHOWN else Kind.UNKNOWN

    def __str__(self) -> str:
        return f"{name_of(self.document)}:{self.line}"


def name_of(document: Path) -> str:
    return str(document.relative_to(ROOT)) if document.is_relative_to(ROOT) else str(document)


def list_documents() -> list[Path]:
    """Every document that a reader is sent to; not what a tool made or a template renders."""
    patterns = ("*.md", "docs/**/*.md", "services/*/README.md", "deploy/**/README.md", "bench/**/README.md")
    return sorted({path for pattern in patterns for path in ROOT.glob(pattern)})


def blocks_of(document: Path) -> list[Block]:
    return list(_blocks(document, document.read_text()))


def _blocks(document: Path, text: str) -> Iterator[Block]:
    lines = text.splitlines()
    for token in _tokens(text):
        if token.type == "fence" and token.map is not None:
            start = token.map[0]
            yield Block(document, start + 1, token.info.strip(), token.content, _reason_above(lines, start))


def _reason_above(lines: list[str], start: int) -> str | None:
    above = next((line.strip() for line in reversed(lines[:start]) if line.strip()), "")
    if not above.startswith("<sub>"):
        return None
    found = REASON.match(above)
    return found["reason"] if found else ""


def _tokens(text: str) -> list[Token]:
    return MarkdownIt("commonmark").enable("table").parse(text)

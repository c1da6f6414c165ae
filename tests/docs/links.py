"""The links of a document: to a file of this project, to a heading in one, or out into the world."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote

from markdown_it import MarkdownIt
from markdown_it.token import Token

PARSER = MarkdownIt("commonmark").enable("table")
A_PATH = re.compile(r"(?:services|shared|deploy|tests|bench|scripts|docs)/[\w./-]+")
NOT_IN_A_SLUG = re.compile(r"[^\w\- ]")


@dataclass(frozen=True, slots=True)
class Link:
    document: Path
    target: str

    @property
    def leaves(self) -> bool:
        """Out of this project; these are not followed."""
        return self.target.startswith(("http://", "https://", "mailto:"))

    def problem(self) -> str | None:
        """What is wrong with a link inside the project; None when it leads somewhere."""
        path, _, anchor = self.target.partition("#")
        file = (self.document.parent / unquote(path)).resolve() if path else self.document
        if not file.exists():
            return f"there is no {path}"
        if anchor and anchor not in anchors_of(file):
            return f"{file.name} has no heading #{anchor}"
        return None


def links_of(document: Path) -> list[Link]:
    tokens = PARSER.parse(document.read_text())
    return [Link(document, target) for token in tokens for target in _targets(token)]


def paths_of(document: Path) -> set[str]:
    """What a document names in code type that is a file or folder of this project."""
    tokens = PARSER.parse(document.read_text())
    spans = (
        child.content for token in tokens for child in token.children or [] if child.type == "code_inline"
    )
    return {span for span in spans if A_PATH.fullmatch(span)}


def anchors_of(document: Path) -> set[str]:
    """As GitHub makes them of headings: lower case, punctuation gone, spaces to hyphens, doubles numbered."""
    seen: dict[str, int] = {}
    for heading in _headings(document):
        slug = NOT_IN_A_SLUG.sub("", heading.lower()).strip().replace(" ", "-")
        seen[slug] = seen.get(slug, -1) + 1
    return {slug if not number else f"{slug}-{number}" for slug, n in seen.items() for number in range(n + 1)}


def _headings(document: Path) -> Iterator[str]:
    tokens = PARSER.parse(document.read_text())
    for opening, inline in pairwise(tokens):
        if opening.type == "heading_open":
            yield "".join(child.content for child in inline.children or [])


def _targets(token: Token) -> Iterator[str]:
    for child in token.children or []:
        if child.type == "link_open":
            yield str(child.attrs["href"])
        if child.type == "image":
            yield str(child.attrs["src"])

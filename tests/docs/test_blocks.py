"""Every block of every document does what it shows."""

import json
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.docs.blocks import ROOT, Block, Kind, blocks_of, list_documents, name_of
from tests.docs.conftest import Documented
from tests.docs.links import links_of, paths_of
from tests.docs.reader import reading

DOCUMENTS = list_documents()
WITH_BLOCKS_TO_RUN = [
    document for document in DOCUMENTS if any(block.kind is Kind.RUN for block in blocks_of(document))
]
PARSERS: dict[str, Callable[[str], object]] = {
    "json": json.loads,
    "yaml": yaml.safe_load,
    "toml": tomllib.loads,
}


@pytest.mark.parametrize("document", WITH_BLOCKS_TO_RUN, ids=name_of)
def test_each_block_that_can_run_runs(document: Path, documented: Documented) -> None:
    with reading(documented.checkout, documented.base_url, documented.environment) as reader:
        for block in _of_kind(document, Kind.RUN):
            typed = reader.type(block)
            assert typed.status == 0, f"{block} ended with {typed.status}:\n{block.text}\n{typed.printed}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_each_block_says_what_it_is(document: Path) -> None:
    assert [str(block) for block in _of_kind(document, Kind.UNKNOWN)] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_what_is_only_a_file_can_be_read(document: Path) -> None:
    for block in _of_kind(document, Kind.PARSED):
        PARSERS[block.language](block.text)


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_each_link_inside_the_project_leads_somewhere(document: Path) -> None:
    inside = [link for link in links_of(document) if not link.leaves]
    assert {link.target: link.problem() for link in inside if link.problem()} == {}


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_each_file_that_is_named_is_there(document: Path) -> None:
    places = (ROOT, document.parent)
    missing = {path for path in paths_of(document) if not any((place / path).exists() for place in places)}
    assert missing == set()


def _of_kind(document: Path, kind: Kind) -> list[Block]:
    return [block for block in blocks_of(document) if block.kind is kind]

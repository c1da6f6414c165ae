"""The reader notices what does not work: a test of the documents that could not fail would be none."""

import os
from pathlib import Path

import pytest

from tests.docs.blocks import Block, Kind, blocks_of
from tests.docs.links import Link, anchors_of
from tests.docs.reader import reading


def _block(language: str, text: str) -> Block:
    return Block(Path("DOC.md"), 1, language, text, None)


@pytest.mark.parametrize("text", ["false\n", "false\necho after\n", "false | cat\n", "echo $(\n"])
def test_a_command_that_fails_fails_its_block(text: str, tmp_path: Path) -> None:
    with reading(tmp_path, "http://127.0.0.1:1", {"PATH": os.environ["PATH"]}) as reader:
        assert reader.type(_block("sh", text)).status != 0


def test_later_blocks_know_what_earlier_ones_set(tmp_path: Path) -> None:
    with reading(tmp_path, "http://127.0.0.1:1", {"PATH": os.environ["PATH"]}) as reader:
        reader.type(_block("sh", "export KEY=sk-1\nfalse\n"))
        assert reader.type(_block("sh", "echo $KEY")).printed == "sk-1\n"


def test_the_documented_address_is_the_system_under_test(tmp_path: Path) -> None:
    with reading(tmp_path, "http://127.0.0.1:1", {"PATH": os.environ["PATH"]}) as reader:
        assert reader.type(_block("sh", "echo http://127.0.0.1:8503/v1")).printed == "http://127.0.0.1:1/v1\n"


def test_a_reason_stands_right_above_its_block(tmp_path: Path) -> None:
    document = tmp_path / "DOC.md"
    document.write_text(
        "<sub>Not run by the tests: it needs a GPU.</sub>\n\n```sh\nx\n```\n\n```sh\ny\n```\n"
    )
    assert [block.kind for block in blocks_of(document)] == [Kind.EXCUSED, Kind.RUN]


def test_a_reason_in_other_words_is_none_and_its_block_is_not_run(tmp_path: Path) -> None:
    document = tmp_path / "DOC.md"
    document.write_text("<sub>Not run on this page: it costs money.</sub>\n\n```sh\nx\n```\n")
    assert [block.kind for block in blocks_of(document)] == [Kind.UNKNOWN]


def test_a_block_without_a_language_is_unknown(tmp_path: Path) -> None:
    document = tmp_path / "DOC.md"
    document.write_text("```\nx\n```\n")
    assert [block.kind for block in blocks_of(document)] == [Kind.UNKNOWN]


@pytest.mark.parametrize(
    ("target", "leads"), [("DOC.md#a-b-1", True), ("#a-b", True), ("#c", False), ("no.md", False)]
)
def test_a_link_leads_to_a_file_and_a_heading_in_it(target: str, leads: bool, tmp_path: Path) -> None:
    document = tmp_path / "DOC.md"
    document.write_text("# A `b`!\n\n# A b\n")
    assert (Link(document, target).problem() is None) is leads
    assert anchors_of(document) == {"a-b", "a-b-1"}

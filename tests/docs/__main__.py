"""python -m tests.docs: how many code blocks the documents have, how many of them a test runs, and why the others not."""

from collections import Counter

from tests.docs.blocks import Kind, blocks_of, list_documents

WIDTH = 30


def main() -> None:
    blocks = [block for document in list_documents() for block in blocks_of(document)]
    for kind, number in Counter(block.kind for block in blocks).most_common():
        print(f"{number:4} code blocks {kind}")
    for block in blocks:
        if block.kind is Kind.EXCUSED:
            print(f"     {block!s:{WIDTH}} {block.reason}")


if __name__ == "__main__":
    main()

"""The usual piece of a streamed answer: one whole chunk (RFC 9112, 7.1), as the model server writes and the network hands on."""

from functools import cache

CHUNK_END = b"\r\n"
PLAIN_BYTES_MAX = 4096
"""Longer chunks are seldom, and the heads of all shorter ones are kept."""


def plain_head(data: bytes) -> bytes:
    """Its framing, where `data` is one whole short chunk and nothing else, as most are: seen from its length, without the
    parser, which would take a third of what a chunk costs. Empty for all else, which is the parser's."""
    head = _head_within(len(data)) if len(data) < PLAIN_BYTES_MAX else b""
    return head if head and data.startswith(head) and data.endswith(CHUNK_END) else b""


@cache  # of PLAIN_BYTES_MAX lengths
def _head_within(length: int) -> bytes:
    """What a chunk so long with its framing begins with; empty where none is (of 15 bytes it is 20 long, of 16 it is 22)."""
    for digits in (1, 2, 3):
        size = length - digits - 2 * len(CHUNK_END)
        if size > 0 and len(b"%x" % size) == digits:
            return b"%x\r\n" % size
    return b""

"""A piece that is taken as it comes wakes nobody, and none is lost, doubled or moved by it."""

import asyncio

import pytest

from services.gateway.adapters.upstream_connection import UpstreamConnection
from services.gateway.domain.errors import UpstreamFailed, UpstreamTimedOut
from services.gateway.tests.support.http_peer import CALL, CHUNKED, KEEP, Nobody, serving

HEAD = CHUNKED.replace(b"\r\n\r\n", b"\r\n" + KEEP + b"\r\n")
END = b"0\r\n\r\n"
TIMEOUT_SECONDS = 5.0


class Wire(asyncio.Transport):
    """Leads nowhere."""

    def write(self, data: object) -> None: ...

    def abort(self) -> None: ...

    def is_closing(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return 0


class Taker:
    """Takes the small letters; notes what it was offered."""

    def __init__(self) -> None:
        self.offered = b""

    def __call__(self, piece: bytes) -> bool:
        self.offered += piece
        return piece.islower()


def chunk(letters: str) -> bytes:
    return b"%x\r\n%b\r\n" % (len(letters), letters.encode())


@pytest.fixture
def taker() -> Taker:
    return Taker()


@pytest.fixture
async def connection(taker: Taker) -> UpstreamConnection:
    """In the middle of an answer."""
    connection = UpstreamConnection()
    connection.connection_made(Wire())
    connection.send(b"request")
    connection.data_received(HEAD)
    connection.taker = taker
    return connection


async def reading(connection: UpstreamConnection) -> asyncio.Task[bytes]:
    """It waits by now."""
    task = asyncio.create_task(connection.read_piece(TIMEOUT_SECONDS))
    await asyncio.sleep(0)
    return task


async def test_what_is_taken_is_not_read(connection: UpstreamConnection, taker: Taker) -> None:
    task = await reading(connection)
    for letters in ("a", "b", "C"):
        connection.data_received(chunk(letters))
    assert await task == b"C"
    assert taker.offered == b"abC"


async def test_nothing_overtakes_what_was_left(connection: UpstreamConnection, taker: Taker) -> None:
    task = await reading(connection)
    for letters in ("A", "b"):
        connection.data_received(chunk(letters))
    assert await task == b"Ab"
    connection.data_received(chunk("c"))  # nobody waits yet
    assert await connection.read_piece(TIMEOUT_SECONDS) == b"c"
    assert taker.offered == b"A"


async def test_several_at_once_are_read(connection: UpstreamConnection, taker: Taker) -> None:
    task = await reading(connection)
    connection.data_received(chunk("a") + chunk("b"))
    assert await task == b"ab"
    assert taker.offered == b""


async def test_the_end_is_heard_with_the_last_piece(connection: UpstreamConnection) -> None:
    task = await reading(connection)
    connection.data_received(chunk("a") + END)
    assert await task == b"a"
    assert await connection.read_piece(TIMEOUT_SECONDS) == b""


async def test_who_left_is_offered_nothing(connection: UpstreamConnection, taker: Taker) -> None:
    task = await reading(connection)
    task.cancel()
    connection.data_received(chunk("a"))
    assert taker.offered == b""


async def test_a_connection_that_breaks_after_it_fails(connection: UpstreamConnection) -> None:
    task = await reading(connection)
    connection.data_received(chunk("a"))
    connection.connection_lost(None)
    with pytest.raises(UpstreamFailed):
        await task


async def test_the_next_answer_is_offered_to_nobody(connection: UpstreamConnection, taker: Taker) -> None:
    connection.data_received(END)
    connection.send(b"another")
    connection.data_received(HEAD)
    task = await reading(connection)
    connection.data_received(chunk("a"))
    assert await task == b"a"
    assert taker.offered == b""


async def test_a_server_whose_pieces_are_taken_is_not_silent_and_afterwards_is(taker: Taker) -> None:
    async with (
        serving((CHUNKED + chunk("A"), *[chunk("b")] * 100), timeout_seconds=0.15) as (upstream, _),
        upstream.open_answer(CALL, Nobody()) as answer,
    ):
        answer.offer_to(taker)
        assert (await answer.read_piece()).startswith(b"A")
        with pytest.raises(UpstreamTimedOut):
            await answer.read()
    assert len(taker.offered) > 50


@pytest.mark.parametrize(
    "length", [*range(1, 40), 253, 254, 255, 256, 257, 4084, 4085, 4086, 4087, 4095, 4096, 9000]
)
async def test_chunks_of_every_length_are_taken_whole(
    connection: UpstreamConnection, taker: Taker, length: int
) -> None:
    task = await reading(connection)
    for letter in "abc":
        connection.data_received(chunk(letter * length))
    connection.data_received(chunk("D") + END)
    assert await task == b"D"
    assert taker.offered == b"a" * length + b"b" * length + b"c" * length


@pytest.mark.parametrize(
    "framed",
    [
        b"6;a=b\r\nsecond\r\n",
        b"006\r\nsecond\r\n",
        b"6\r\nsecond",
        b"3\r\nsec\r\n3\r\nond\r\n",
        b"1\r\ns\r\n5\r\necond\r\n",
    ],
    ids=["extension", "zeros", "its end to come", "two", "another length first"],
)
async def test_a_chunk_framed_in_another_way_is_read_as_it_says(
    connection: UpstreamConnection, framed: bytes
) -> None:
    """Wherever the network cuts it, between chunks that are taken by their length."""
    for cut in range(1, len(framed)):
        task = await reading(connection)
        connection.data_received(chunk("first"))
        connection.data_received(framed[:cut])
        connection.data_received(framed[cut:] if framed.endswith(b"\r\n") else framed[cut:] + b"\r\n")
        connection.data_received(chunk("A"))
        read = await task
        while not read.endswith(b"A"):
            read += await connection.read_piece(TIMEOUT_SECONDS)
        assert (b"second" + b"A").endswith(read)


async def test_bytes_that_are_no_chunk_between_two_break_the_answer(connection: UpstreamConnection) -> None:
    task = await reading(connection)
    connection.data_received(chunk("a"))
    connection.data_received(b"g\r\n" + b"b" * 16 + b"\r\n")
    with pytest.raises(UpstreamFailed):
        await task

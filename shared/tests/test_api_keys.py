"""A key is refused by its shape before it costs any I/O, and is never shown whole."""

from hypothesis import given
from hypothesis import strategies as st

from shared.api_keys import (
    ALPHABET,
    KEY_LENGTH,
    digest_of,
    display_of,
    new_account_id,
    new_api_key,
    parse_api_key,
)

PEPPER = b"a pepper of at least thirty-two characters"


def test_a_new_key_parses_to_its_account() -> None:
    account_id = new_account_id()
    parsed = parse_api_key(new_api_key(account_id))
    assert parsed is not None
    assert parsed.account_id == account_id


def test_keys_of_one_account_differ() -> None:
    account_id = new_account_id()
    assert len({new_api_key(account_id) for _ in range(100)}) == 100


@given(st.integers(min_value=0, max_value=KEY_LENGTH - 1), st.sampled_from(ALPHABET))
def test_any_mistyped_character_is_refused(position: int, character: str) -> None:
    key = new_api_key(new_account_id())
    mistyped = key[:position] + character + key[position + 1 :]
    assert mistyped == key or parse_api_key(mistyped) is None


@given(st.text(max_size=60))
def test_arbitrary_text_is_no_key(text: str) -> None:
    assert parse_api_key(text) is None


def test_non_ascii_digits_are_refused() -> None:
    key = new_api_key(new_account_id())
    assert parse_api_key(key[:12] + "٣" + key[13:]) is None


def test_the_digest_depends_on_key_and_pepper() -> None:
    one, two = new_api_key(new_account_id()), new_api_key(new_account_id())
    digests = {digest_of(one, PEPPER), digest_of(two, PEPPER), digest_of(one, b"another" * 5)}
    assert len(digests) == 3
    assert all(len(digest) == 64 for digest in digests)


def test_display_and_repr_hide_the_secret_part() -> None:
    key = new_api_key(new_account_id())
    assert display_of(key) == f"{key[:12]}…{key[-4:]}"
    assert key not in repr(parse_api_key(key))

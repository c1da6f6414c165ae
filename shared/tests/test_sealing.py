"""Only the private key's holder reads a sealed text."""

import pytest

from shared.sealing import CannotUnseal, new_key_pair, seal, unseal


def test_what_is_sealed_can_be_opened_by_its_reader() -> None:
    public, private = new_key_pair()
    sealed = seal(public, "sk-secret")
    assert "sk-secret" not in sealed
    assert unseal(private, sealed) == "sk-secret"


def test_another_reader_cannot_open_it() -> None:
    public, _ = new_key_pair()
    _, stranger = new_key_pair()
    with pytest.raises(CannotUnseal):
        unseal(stranger, seal(public, "sk-secret"))


def test_a_broken_seal_is_a_clear_error() -> None:
    _, private = new_key_pair()
    with pytest.raises(CannotUnseal):
        unseal(private, "not base64 at all!")

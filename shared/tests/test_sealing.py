"""Only the private key's holder reads a sealed text."""

import pytest

from shared.sealing import CannotUnseal, new_key_pair, seal, unseal, unseal_with_any


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


def test_while_keys_are_rotated_either_opens_and_no_third_does() -> None:
    (old_public, old), (new_public, new), (strange_public, _) = (new_key_pair() for _ in range(3))
    for public in (old_public, new_public):
        assert unseal_with_any([new, old], seal(public, "sk-secret")) == "sk-secret"
        assert unseal_with_any([old, new], seal(public, "sk-secret")) == "sk-secret"
    with pytest.raises(CannotUnseal):
        unseal_with_any([new, old], seal(strange_public, "sk-secret"))
    with pytest.raises(CannotUnseal):
        unseal_with_any([new], seal(old_public, "sk-secret"))

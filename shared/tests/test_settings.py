"""A bad setting ends the process with one sentence that names it and never shows its value."""

import pytest

from shared.settings import ServiceSettings, load


@pytest.fixture
def token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERNAL_TOKEN", "the-new-token-value,the-old-token-value")


def test_a_missing_setting_is_named_with_its_remedy(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("INTERNAL_TOKEN", raising=False)
    with pytest.raises(SystemExit) as stop:
        load(ServiceSettings)
    assert stop.value.code == 2
    assert (
        capsys.readouterr().err
        == "INTERNAL_TOKEN is not set: set it in the environment or in .env (see .env.template).\n"
    )


@pytest.mark.usefixtures("token")
def test_a_malformed_setting_is_named_without_its_value(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TRUSTED_PROXIES", "10.0.0.0/8,secret-host")
    with pytest.raises(SystemExit):
        load(ServiceSettings)
    told = capsys.readouterr().err
    assert told.startswith("TRUSTED_PROXIES is wrong: ")
    assert told.count("\n") == 1


@pytest.mark.usefixtures("token")
def test_an_empty_setting_means_its_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LISTEN_PORT", "")
    assert load(ServiceSettings).listen_port == 8000


@pytest.mark.usefixtures("token")
def test_two_internal_tokens_may_be_valid_at_once() -> None:
    tokens = load(ServiceSettings).internal_token
    assert [token.get_secret_value() for token in tokens] == ["the-new-token-value", "the-old-token-value"]
    assert "the-new-token-value" not in repr(load(ServiceSettings))

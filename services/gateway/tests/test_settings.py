"""The upstreams' addresses: one or several, and one sentence for what is none."""

import pytest

from services.gateway.settings import GatewaySettings
from shared.settings import load

NEEDED = {
    "INTERNAL_TOKEN": "an-internal-token",
    "REDIS_URL": "redis://127.0.0.1",
    "AMQP_URL": "amqp://127.0.0.1",
    "ACCOUNTS_URL": "http://127.0.0.1:1",
    "METERING_URL": "http://127.0.0.1:2",
    "KEY_PEPPER": "p" * 32,
}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in NEEDED.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize(
    ("text", "urls"),
    [
        ("http://10.0.0.1:8502", ("http://10.0.0.1:8502",)),
        ("http://10.0.0.1:8502, https://gpu.example", ("http://10.0.0.1:8502", "https://gpu.example")),
    ],
)
def test_upstreams_are_one_address_or_several(
    text: str, urls: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLAMA_BASE_URL", text)
    assert load(GatewaySettings).llama_base_url == urls


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("10.0.0.1:8502", "number 1 is no address"),
        ("http://10.0.0.1:8502,http://10.0.0.1:port", "number 2 is no address"),
        ("http://10.0.0.1:8502,ftp://10.0.0.1", "number 2 is no address"),
        ("http://10.0.0.1:8502/a b", "number 1 is no address"),
        ("http://10.0.0.1:8502/a\r\nx: y", "number 1 is no address"),
        (",", "number 1 is no address"),
        ("http://10.0.0.1:8502,http://10.0.0.1:8502", "the same address stands there twice"),
    ],
)
def test_a_wrong_one_is_one_sentence(
    text: str, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LLAMA_BASE_URL", text)
    with pytest.raises(SystemExit):
        load(GatewaySettings)
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert error.startswith(f"LLAMA_BASE_URL is wrong: {said}")


@pytest.mark.parametrize("key", ["one\r\nx-injected: 1", "one\n", "schl\u00fcssel"])
def test_a_key_that_fits_no_header_is_refused_and_not_shown(
    key: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LLAMA_BASE_URL", "http://10.0.0.1:8502")
    monkeypatch.setenv("LLAMA_API_KEY", key)
    with pytest.raises(SystemExit):
        load(GatewaySettings)
    error = capsys.readouterr().err
    assert error == "LLAMA_API_KEY is wrong: it must be one line of printable ASCII characters.\n"

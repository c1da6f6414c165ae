"""A notifier that could not mail does not start, and says which setting is wrong."""

from base64 import b64encode
from typing import Any

import pytest

from services.notifier.domain.relay_faults import TlsMode
from services.notifier.settings import NotifierSettings
from shared.settings import load

COMPLETE = {
    "INTERNAL_TOKEN": "an-internal-token",
    "DATABASE_URL": "postgresql://notifier@127.0.0.1/gateway",
    "AMQP_URL": "amqp://127.0.0.1/",
    "SEALING_PRIVATE_KEY": b64encode(bytes(32)).decode(),
}
SMTP = {"SMTP_HOST": "smtp.example.com", "SMTP_FROM": "keys@example.com"}


@pytest.fixture(autouse=True)
def complete(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SMTP_HOST", "SMTP_PORT", "SMTP_TLS", "SMTP_USER", "SMTP_PASSWORD", "SMTP_FROM", "MAIL_DIR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in COMPLETE.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({}, "MAIL_DIR"),
        ({**SMTP, "SMTP_FROM": ""}, "SMTP_FROM"),
        ({**SMTP, "SMTP_FROM": "nobody"}, "SMTP_FROM"),
        ({**SMTP, "SMTP_USER": "promptly"}, "SMTP_PASSWORD"),
        ({**SMTP, "SMTP_PASSWORD": "a-secret"}, "SMTP_PASSWORD"),
        ({**SMTP, "SMTP_USER": "u", "SMTP_PASSWORD": "a-secret", "SMTP_TLS": "none"}, "SMTP_PASSWORD"),
        ({**SMTP, "SMTP_TLS": "sometimes"}, "SMTP_TLS"),
        ({**SMTP, "SMTP_PORT": "0"}, "SMTP_PORT"),
        ({**SMTP, "SEALING_PRIVATE_KEY": "a-secret"}, "SEALING_PRIVATE_KEY"),
    ],
)
def test_a_wrong_setting_is_named_and_its_value_is_not_shown(
    given: dict[str, str],
    named: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit):
        load(NotifierSettings)
    told = capsys.readouterr().err
    assert told.startswith(f"{named} is ")
    assert "a-secret" not in told


@pytest.mark.parametrize(
    ("host", "port", "given", "tls"),
    [
        ("smtp.example.com", 587, None, TlsMode.STARTTLS),
        ("smtp.example.com", 25, None, TlsMode.STARTTLS),
        ("smtp.example.com", 465, None, TlsMode.IMPLICIT),
        ("127.0.0.1", 1025, None, TlsMode.NONE),
        ("localhost", 25, None, TlsMode.NONE),
        ("mail", 25, TlsMode.NONE, TlsMode.NONE),
    ],
)
def test_tls_is_left_out_only_on_this_machine_unless_told(
    host: str, port: int, given: TlsMode | None, tls: TlsMode
) -> None:
    told: dict[str, Any] = {"smtp_host": host, "smtp_port": port, "smtp_tls": given}
    assert NotifierSettings(smtp_from="keys@example.com", **told).tls is tls

"""A wrong setting ends the process with one sentence that names it and never quotes it."""

import pytest

from services.accounts.settings import AccountsSettings
from services.accounts.tests.accounts_process import PUBLIC_KEY
from shared.settings import load

GOOD = {
    "DATABASE_URL": "postgresql://localhost/gateway",
    "REDIS_URL": "redis://localhost",
    "AMQP_URL": "amqp://localhost",
    "METERING_URL": "http://localhost",
    "BILLING_URL": "http://localhost",
    "NOTIFIER_URL": "http://localhost",
    "GATEWAY_URL": "http://localhost",
    "INTERNAL_TOKEN": "an-internal-token",
    "KEY_PEPPER": "p" * 32,
    "SEALING_PUBLIC_KEY": PUBLIC_KEY,
}


def test_good_settings_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)
    settings = load(AccountsSettings)
    assert (settings.trial_tokens, settings.trial_expiry_days) == (100_000, 7)
    assert GOOD["KEY_PEPPER"] not in repr(settings)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("KEY_PEPPER", "short"),
        ("SEALING_PUBLIC_KEY", "bm90IDMyIGJ5dGVz"),
        ("SEALING_PUBLIC_KEY", "no base64!"),
        ("TRIAL_TOKENS", "-1"),
        ("REGISTRATION_RATE_LIMIT", "0"),
        ("KEY_RECOVERY", "sometimes"),
        ("ADMIN_ALLOWED_CIDRS", "10.0.0.0/33"),
    ],
)
def test_a_wrong_one_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, value: str
) -> None:
    for each, good in GOOD.items():
        monkeypatch.setenv(each, good)
    monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit):
        load(AccountsSettings)
    said = capsys.readouterr().err
    assert said.startswith(name)
    assert value not in said or value in ("0", "-1", "10.0.0.0/33")

"""The benchmark's service starts with the settings that it is given."""

from pathlib import Path

import pytest

from bench.metering.system import System, environment_of
from services.metering.settings import MeteringSettings
from shared.settings import load


def test_the_settings_are_such_as_the_service_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    urls = ("postgresql://postgres:a@127.0.0.1:1/a", "redis://127.0.0.1:2/0", "amqp://a:b@127.0.0.1:3/")
    system = System(Path(), *urls, server_pids=())
    for name, value in environment_of(system, 4000).items():
        monkeypatch.setenv(name, value)
    assert load(MeteringSettings).listen_port == 4000

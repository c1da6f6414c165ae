"""Which servers the tests get."""

import pytest

from tests.support.server_choice import Servers, choose_servers, engine_answers, run_redis


@pytest.mark.parametrize("servers", list(Servers))
def test_a_forced_choice_is_kept(servers: Servers) -> None:
    if servers is Servers.LOCAL or engine_answers():
        assert choose_servers({"TEST_SERVERS": servers.value}) is servers


def test_without_a_choice_containers_win_where_an_engine_answers() -> None:
    expected = Servers.CONTAINERS if engine_answers() else Servers.LOCAL
    assert choose_servers({}) is expected


def test_a_choice_that_does_not_exist_ends_the_run_with_the_choices() -> None:
    with pytest.raises(pytest.exit.Exception, match="set it to containers or local"):
        choose_servers({"TEST_SERVERS": "podman"})


def test_a_named_server_is_used_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_REDIS_URL", "redis://elsewhere:1/0")
    with run_redis(Servers.LOCAL) as url:
        assert url == "redis://elsewhere:1/0"

"""Settings: the environment over .env over defaults, and one sentence for what cannot be."""

from pathlib import Path

import pytest

from deploy.local.failures import LocalFailure
from deploy.local.settings import LocalSettings, load_settings, upstream_urls


def load(tmp_path: Path, env_file: str = "", **environment: str) -> LocalSettings:
    path = tmp_path / "env"
    path.write_text(env_file)
    return load_settings(environment, env_file=path)


def test_without_anything_it_serves_port_8503_with_its_own_model_and_mailbox(tmp_path: Path) -> None:
    settings = load(tmp_path)
    assert settings.base_url == "http://127.0.0.1:8503"
    assert settings.local_dir.name == ".local"
    assert settings.runs_own_model
    assert settings.runs_mailbox


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    settings = load(tmp_path, "TRIAL_TOKENS=5\nTRIAL_EXPIRY_DAYS=2\n", TRIAL_TOKENS="7")
    assert settings.given["TRIAL_TOKENS"] == "7"
    assert settings.given["TRIAL_EXPIRY_DAYS"] == "2"


def test_an_empty_value_means_the_default(tmp_path: Path) -> None:
    assert "TRIAL_TOKENS" not in load(tmp_path, "TRIAL_TOKENS=5\n", TRIAL_TOKENS="").given


def test_what_is_no_setting_of_ours_is_left_in_the_environment(tmp_path: Path) -> None:
    assert "EDITOR" not in load(tmp_path, EDITOR="vi").given


def test_port_is_an_alias_of_gateway_port_and_wins(tmp_path: Path) -> None:
    assert load(tmp_path, GATEWAY_PORT="8600").port == 8600
    assert load(tmp_path, GATEWAY_PORT="8600", PORT="8700").base_url == "http://127.0.0.1:8700"


def test_a_given_upstream_and_mail_server_replace_the_local_ones(tmp_path: Path) -> None:
    settings = load(tmp_path, LLAMA_BASE_URL="http://100.64.0.2:8502", SMTP_HOST="mail.example.com")
    assert not settings.runs_own_model
    assert not settings.runs_mailbox


def test_several_upstreams_are_separated_by_commas(tmp_path: Path) -> None:
    settings = load(tmp_path, LLAMA_BASE_URL="http://100.64.0.2:8502, http://100.64.0.3:8502")
    assert upstream_urls(settings.given) == ["http://100.64.0.2:8502", "http://100.64.0.3:8502"]


def test_a_public_base_url_brings_no_stand_ins(tmp_path: Path) -> None:
    assert not load(tmp_path, BASE_URL="https://promptlyapi.com").runs_mailbox


def test_a_tailnet_address_is_a_second_one(tmp_path: Path) -> None:
    assert load(tmp_path).addresses == ("127.0.0.1",)
    assert load(tmp_path, TAILNET_BIND="100.64.0.1").addresses == ("127.0.0.1", "100.64.0.1")


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({"PORT": "80a"}, "PORT"),
        ({"PORT": "70000"}, "PORT"),
        ({"LLAMA_BASE_URL": "100.64.0.2:8502"}, "LLAMA_BASE_URL"),
        ({"LLAMA_BASE_URL": "http://100.64.0.2:port"}, "LLAMA_BASE_URL"),
        ({"LLAMA_BASE_URL": "http://100.64.0.2:8502,100.64.0.3:8502"}, "LLAMA_BASE_URL"),
        ({"BASE_URL": "promptlyapi.com"}, "BASE_URL"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, environment: dict[str, str], named: str) -> None:
    with pytest.raises(LocalFailure, match=f"^{named} is "):
        load(tmp_path, **environment)


def test_a_misspelt_name_in_the_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LocalFailure, match="LAMA_BASE_URL"):
        load(tmp_path, "LAMA_BASE_URL=http://127.0.0.1:1\n")


def test_what_docker_compose_reads_from_the_file_is_left_to_it(tmp_path: Path) -> None:
    assert "COMPOSE_PROJECT_NAME" not in load(tmp_path, "COMPOSE_PROJECT_NAME=staging\n").given


def test_a_payment_provider_is_faked_only_at_home_and_where_none_of_it_is_set_up(tmp_path: Path) -> None:
    assert load(tmp_path).faked_providers == ("STRIPE", "BTCPAY")
    assert load(tmp_path, STRIPE_SECRET_KEY="sk_test_1").faked_providers == ("BTCPAY",)
    assert load(tmp_path, LOCAL_FAKES="0").faked_providers == ()
    assert load(tmp_path, BASE_URL="https://promptlyapi.com").faked_providers == ()

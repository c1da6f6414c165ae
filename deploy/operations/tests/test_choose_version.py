"""Which commit a production run deploys: by the version that was typed, the word, and what staging ran."""

import pytest

from tests.support.deployed_host import Host


@pytest.mark.parametrize(
    ("version", "confirm", "settings", "said"),
    [
        ("1.4.0", "yes", {}, "Not confirmed"),
        ("v1.4.0", "deploy", {}, "The version is three numbers"),
        ("1.4.0\nis_new=no", "deploy", {}, "The version is three numbers"),
        ("1.4.0", "deploy", {"GITHUB_REF": "refs/heads/dev"}, "A new version is deployed from main"),
        ("1.4.0", "deploy", {"GOOD_RUNS": "0"}, "Staging has not run"),
    ],
)
def test_production_takes_a_version_and_the_word(
    host: Host, version: str, confirm: str, settings: dict[str, str], said: str
) -> None:
    ready = {"GITHUB_REF": "refs/heads/main", "GOOD_RUNS": "1"}
    done = host.run("choose-version.sh", version, confirm, **{**ready, **settings})
    assert (done.returncode, done.stdout) == (1, "")
    assert said in done.stderr


def test_a_new_version_is_what_main_is_and_an_old_one_its_tag(host: Host) -> None:
    host.deploy(host.commits[1])
    new = host.run("choose-version.sh", "1.1.0", "deploy", GITHUB_REF="refs/heads/main", GOOD_RUNS="1")
    assert new.stdout == f"tag=v1.1.0\ncommit={host.commits[1]}\nis_new=yes\n"
    old = host.run("choose-version.sh", "1.0.0", "deploy", GITHUB_REF="refs/heads/main")
    assert old.stdout == f"tag=v1.0.0\ncommit={host.commits[0]}\nis_new=no\n"

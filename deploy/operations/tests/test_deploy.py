"""A deployment by the scripts that the workflows call: real git, real health, a stand-in for docker and for ssh."""

import os
import re
import subprocess

import pytest

from tests.support.deployed_host import SCRIPTS, Host


def test_a_deployment_brings_the_commit_its_containers_and_tries_it(host: Host) -> None:
    done = host.deploy(host.commits[1])
    assert done.returncode == 0, done.stderr
    assert host.head == host.commits[1]
    assert "compose up --build -d --remove-orphans" in host.docker()
    assert f"tried second --url http://127.0.0.1:{host.port}" in done.stdout
    assert "backed up" not in done.stdout, "there was nothing to back up"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("A=1\nPROMPTLY_VERSION=\nB=2\n", "A=1\nPROMPTLY_VERSION=v1.0.0\nB=2\n"),
        ("PROMPTLY_VERSION=v0.9.0\n", "PROMPTLY_VERSION=v1.0.0\n"),
        ("A=1", "A=1\nPROMPTLY_VERSION=v1.0.0\n"),
    ],
)
def test_what_is_started_by_hand_afterwards_is_the_same_version(host: Host, before: str, after: str) -> None:
    (host.folder / ".env").write_text(before)
    (host.folder / ".env").chmod(0o600)
    assert host.deploy("v1.0.0").returncode == 0
    assert (host.folder / ".env").read_text() == after
    assert (host.folder / ".env").stat().st_mode & 0o777 == 0o600


def test_what_runs_is_backed_up_first_by_the_code_that_runs(host: Host) -> None:
    done = host.deploy(host.commits[1], DATABASE="a1b2c3")
    assert "backed up by first compose" in done.stdout
    assert done.stdout.index("backed up") < done.stdout.index("tried second")


def test_the_way_back_is_a_deployment_of_the_earlier_one(host: Host) -> None:
    host.deploy(host.commits[1])
    assert host.deploy("v1.0.0").returncode == 0
    assert host.head == host.commits[0]


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ({"SMOKE_FAILS": "1"}, "The smoke test failed."),
        ({"UP_FAILS": "1"}, "The containers did not start."),
        ({"port": "1"}, "/health did not answer within 0 s."),
    ],
)
def test_what_goes_wrong_fails_the_run_and_names_the_way_back(
    host: Host, broken: dict[str, str], said: str
) -> None:
    host.port = int(broken.pop("port", host.port))
    done = host.deploy(host.commits[1], **broken)
    assert done.returncode == 1
    assert said in done.stderr
    assert f"The way back: scripts/deploy.sh {host.folder} {host.commits[0]} {host.port}" in done.stderr


def test_the_way_back_stays_what_last_worked_however_often_it_fails(host: Host) -> None:
    for _ in range(2):
        done = host.deploy(host.commits[1], SMOKE_FAILS="1")
        assert f"The way back: scripts/deploy.sh {host.folder} {host.commits[0]} " in done.stderr
    assert host.deploy(host.commits[1]).returncode == 0
    done = host.deploy("v1.0.0", SMOKE_FAILS="1")
    assert f"The way back: scripts/deploy.sh {host.folder} {host.commits[1]} " in done.stderr


def test_where_it_cannot_be_told_whether_there_is_something_to_back_up_nothing_is_changed(host: Host) -> None:
    done = host.deploy(host.commits[1], PS_FAILS="1")
    assert (done.returncode, host.head) == (1, host.commits[0])
    assert "docker compose does not tell what runs; nothing was changed." in done.stderr
    assert " up " not in host.docker()


def test_changes_that_are_in_no_commit_are_not_lost(host: Host) -> None:
    (host.folder / "scripts" / "smoke-test.py").write_text("mended by hand")
    done = host.deploy(host.commits[1])
    assert done.returncode == 1
    assert "changes that are in no commit" in done.stderr
    assert host.head == host.commits[0]


@pytest.mark.parametrize("commit", ["main", "HEAD; reboot", "$(id)", "--upload-pack=x", "v1.0"])
def test_only_a_commit_or_a_version_is_deployed(host: Host, commit: str) -> None:
    done = host.deploy(commit)
    assert done.returncode == 1
    assert done.stderr.startswith("COMMIT is ")
    assert host.head == host.commits[0]


def test_over_ssh_the_host_is_known_and_no_secret_is_an_argument(host: Host) -> None:
    done = host.run(
        "deploy-over-ssh.sh", str(host.folder), host.commits[1], str(host.port), SMOKE_API_KEY="sk-secret"
    )
    assert done.returncode == 0, done.stderr
    assert host.head == host.commits[1]
    called, *rest = (host.programs / "ssh.log").read_text().splitlines()
    assert "StrictHostKeyChecking=yes" in called
    assert "gatekeeper@host.example bash -s" in called
    assert rest == ["600", "host.example ssh-ed25519 AAAA"]
    assert "sk-secret" not in called + done.stdout + done.stderr
    assert "the private key" not in called


@pytest.mark.parametrize("name", ["GATEKEEPER_HOST", "GATEKEEPER_SSH_KEY", "GATEKEEPER_KNOWN_HOSTS"])
def test_a_missing_secret_is_named(host: Host, name: str) -> None:
    done = host.run("deploy-over-ssh.sh", "/opt/model-gateway", host.commits[1], "8503", **{name: ""})
    assert (done.returncode, done.stderr.startswith(f"The secret {name} is not set")) == (1, True)


def test_every_script_is_good_bash_and_may_be_run() -> None:
    scripts = sorted(SCRIPTS.glob("*.sh"))
    assert len(scripts) >= 3
    for script in scripts:
        assert os.access(script, os.X_OK), script
        assert subprocess.run(["bash", "-n", str(script)], check=False).returncode == 0, script
        assert re.search(r"^set -euo pipefail$", script.read_text(), re.MULTILINE), script

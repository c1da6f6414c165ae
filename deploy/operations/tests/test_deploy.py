"""A deployment by the scripts that the workflows call: real git, real health, a stand-in for docker and for ssh."""

import os
import re
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from deploy.local.settings import ROOT

SCRIPTS = ROOT / "scripts"
DOCKER = """#!/bin/sh
echo "$*" >> "$DOCKER_LOG"
case "$*" in
  *"--status running db"*) echo "$DATABASE"; exit "${PS_FAILS:-0}" ;;
  *up*) exit "$UP_FAILS" ;;
esac
"""
SSH = """#!/bin/sh
echo "$*" > "$SSH_LOG"
while [ "$1" != bash ]; do
  case "$1" in UserKnownHostsFile=*) cat "${1#*=}" >> "$SSH_LOG" ;; -i) stat -c %a "$2" >> "$SSH_LOG" ;; esac
  shift
done
exec sh -c "$*"
"""
GH = '#!/bin/sh\necho "$GOOD_RUNS"\n'


@dataclass
class Host:
    """Where it is deployed: a checkout of an origin with two commits, and a port that answers `/health`."""

    folder: Path
    programs: Path
    commits: list[str]
    port: int
    settings: dict[str, str] = field(default_factory=dict)

    def run(self, script: str, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        environment = {
            "PATH": f"{self.programs}:{os.environ['PATH']}",
            "HOME": str(self.programs),
            "HEALTH_SECONDS": "0",
            "DOCKER_LOG": str(self.programs / "docker.log"),
            "SSH_LOG": str(self.programs / "ssh.log"),
            "UP_FAILS": "0",
            "GATEKEEPER_HOST": "host.example",
            "GATEKEEPER_USER": "gatekeeper",
            "GATEKEEPER_SSH_KEY": "the private key",
            "GATEKEEPER_KNOWN_HOSTS": "host.example ssh-ed25519 AAAA",
            **settings,
        }
        command = [str(SCRIPTS / script), *arguments]
        return subprocess.run(
            command, env=environment, cwd=self.folder, capture_output=True, text=True, check=False, timeout=60
        )

    def deploy(self, commit: str, **settings: str) -> subprocess.CompletedProcess[str]:
        return self.run("deploy.sh", str(self.folder), commit, str(self.port), **settings)

    @property
    def head(self) -> str:
        return git(self.folder, "rev-parse", "HEAD")

    def docker(self) -> str:
        return (self.programs / "docker.log").read_text()


def git(folder: Path, *arguments: str) -> str:
    who = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com", "-c", "init.defaultBranch=main")
    done = subprocess.run(
        ["git", "-C", str(folder), *who, *arguments], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def commit(origin: Path, version: str) -> str:
    """Its smoke test fails when the system it tries is the broken one."""
    (origin / "scripts").mkdir(exist_ok=True)
    (origin / "scripts" / "smoke-test.py").write_text(
        f"import os, sys\nprint('tried {version}', *sys.argv[1:])\nsys.exit(int(os.environ.get('SMOKE_FAILS', '0')))\n"
    )
    backup = origin / "deploy" / "operations" / "__main__.py"
    backup.parent.mkdir(parents=True, exist_ok=True)
    backup.write_text(f"import os\nprint('backed up by {version}', os.environ['STACK'])\n")
    git(origin, "add", ".")
    git(origin, "commit", "--quiet", "--message", version)
    return git(origin, "rev-parse", "HEAD")


class Health(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path in ("/health", "/register", "/packs") else 404)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Silent."""


@pytest.fixture
def port() -> Iterator[int]:
    server = HTTPServer(("127.0.0.1", 0), Health)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


@pytest.fixture
def host(tmp_path: Path, port: int) -> Host:
    origin, folder, programs = (tmp_path / name for name in ("origin", "checkout", "bin"))
    for each in (origin, programs):
        each.mkdir()
    git(origin, "init", "--quiet")
    first = commit(origin, "first")
    git(tmp_path, "clone", "--quiet", str(origin), str(folder))
    second = commit(origin, "second")
    git(origin, "tag", "v1.0.0", first)
    for name, text in (("docker", DOCKER), ("ssh", SSH), ("gh", GH)):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    return Host(folder, programs, [first, second], port)


def test_a_deployment_brings_the_commit_its_containers_and_tries_it(host: Host) -> None:
    done = host.deploy(host.commits[1])
    assert done.returncode == 0, done.stderr
    assert host.head == host.commits[1]
    assert "compose up --build -d --remove-orphans" in host.docker()
    assert f"tried second --url http://127.0.0.1:{host.port}" in done.stdout
    assert "backed up" not in done.stdout, "there was nothing to back up"


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

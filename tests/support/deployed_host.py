"""Where a deployment goes: a checkout with real git, an answering port, and stand-ins for docker, ssh and gh."""

import os
import subprocess
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from deploy.local.settings import ROOT

SCRIPTS = ROOT / "scripts"
DOCKER = """#!/bin/sh
echo "$*" >> "$DOCKER_LOG"
case "$*" in
  *"--status running db"*) echo "$DATABASE"; exit "${PS_FAILS:-0}" ;;
  "compose config --format json") echo '{"name": "model-gateway"}' ;;
  "compose config --images") printf '%s\\n' postgres:17 model-gateway-gateway:v9 model-gateway-gateway:v9 model-gateway-edge:v9 ;;
  "image ls"*) sed -n 's/^version //p' "$DOCKER_LOG" | sort -u; echo "<none>" ;;
  "image rm"*) exit "${RM_FAILS:-0}" ;;
  *up*) echo "version $PROMPTLY_VERSION" >> "$DOCKER_LOG"; exit "$UP_FAILS" ;;
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

    origin: Path
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

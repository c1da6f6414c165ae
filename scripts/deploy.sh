#!/usr/bin/env bash
# deploy.sh FOLDER COMMIT PORT: the checkout in FOLDER goes to COMMIT (or a tag) and its containers follow; its health and
# the smoke test decide. An earlier commit is the way back: what migrations added does not trouble it.
set -euo pipefail

folder=${1:?FOLDER} commit=${2:?COMMIT} port=${3:?PORT}
HEALTH_SECONDS=${HEALTH_SECONDS:-180}
GOOD=.git/deploy.good # the commit that last passed: after a failed one HEAD is no way back
KEPT=.git/deploy.kept # the versions whose images stay: the one that runs, and the one before it
PATHS="/health /register /packs" # the gateway's own, and a page of accounts and of billing, which may start later
say() { echo "== $*"; }
stop() { echo "$*" >&2; exit 1; }
failed() {
  docker compose ps || true
  stop "$1 The way back: scripts/deploy.sh $folder $(cat $GOOD) $port"
}

# A deployment leaves about a gigabyte of images behind. Those of this project alone: others on this host have their own.
forget_older_images() {
  [[ -s $KEPT ]] || { echo "$PROMPTLY_VERSION" >$KEPT; return; } # what ran before is not known: it stays
  { echo "$PROMPTLY_VERSION" && { grep -vxF "$PROMPTLY_VERSION" $KEPT || true; }; } | head -n 2 >$KEPT.new
  mv $KEPT.new $KEPT
  project=$(docker compose config --format json | python3 -c 'import json, sys; print(json.load(sys.stdin)["name"])')
  for image in $(docker compose config --images | grep "^$project-" | sort -u); do
    docker image ls --format '{{.Tag}}' "${image%:*}" | { grep -vxF -e '<none>' -f $KEPT || true; } |
      sed "s|^|${image%:*}:|" | xargs --no-run-if-empty docker image rm || echo "An older image of ${image%:*} stays: docker says why."
  done
  docker image prune --force --filter "label=com.docker.compose.project=$project"
}

# For `docker compose up -d SERVICE` by hand, after a change of a setting: the same images, not ones called "dev".
keep_version() {
  [[ -e .env ]] || return 0
  grep -q '^PROMPTLY_VERSION=' .env || printf '\nPROMPTLY_VERSION=\n' >>.env
  sed -i "s|^PROMPTLY_VERSION=.*|PROMPTLY_VERSION=$PROMPTLY_VERSION|" .env
}

main() {
  [[ $commit =~ ^([0-9a-f]{40}|v[0-9]+\.[0-9]+\.[0-9]+)$ ]] || stop "COMMIT is 40 hexadecimal digits, or a tag such as v1.4.0."
  [[ $port =~ ^[0-9]{1,5}$ ]] || stop "PORT is a number."
  cd "$folder" || stop "There is no checkout in $folder (docs/operations/deploy.md)."
  exec 9>.git/deploy.lock
  flock --nonblock 9 || stop "Another deployment runs in $folder."

  before=$(git rev-parse HEAD)
  [[ -z $(git status --porcelain --untracked-files=no) ]] || stop "$folder has changes that are in no commit: look at them first."
  [[ -s $GOOD ]] || echo "$before" >$GOOD
  database=$(docker compose ps --quiet --status running db) || stop "docker compose does not tell what runs; nothing was changed."
  if [[ -n $database ]]; then
    say "backup"
    STACK=compose python3 -m deploy.operations backup || stop "The backup failed; nothing was changed."
  fi

  git fetch --quiet --tags origin
  git checkout --quiet --detach "$commit^{commit}" || stop "$commit is not in the repository."
  PROMPTLY_VERSION=$(git describe --tags --always)
  export PROMPTLY_VERSION
  keep_version
  say "$folder: ${before:0:12} -> $(git rev-parse --short=12 HEAD) ($PROMPTLY_VERSION)"

  say "containers"
  docker compose up --build -d --remove-orphans || failed "The containers did not start."

  say "health"
  began=$SECONDS
  for path in $PATHS; do
    until curl --fail --silent --output /dev/null --max-time 5 "http://127.0.0.1:$port$path"; do
      ((SECONDS - began < HEALTH_SECONDS)) || failed "http://127.0.0.1:$port$path did not answer within $HEALTH_SECONDS s."
      sleep 1
    done
  done
  say "smoke test"
  python3 scripts/smoke-test.py --url "http://127.0.0.1:$port" --skip-rate-limit || failed "The smoke test failed."
  git rev-parse HEAD >$GOOD
  say "images"
  forget_older_images || echo "Older images stay: docker says why."
  say "$PROMPTLY_VERSION runs"
}

main </dev/null # this script may itself come over standard input

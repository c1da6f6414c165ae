#!/usr/bin/env bash
# deploy-over-ssh.sh FOLDER COMMIT PORT: runs scripts/deploy.sh on the host GATEKEEPER_HOST, as GATEKEEPER_USER.
# The host proves itself by GATEKEEPER_KNOWN_HOSTS, lines as of ssh-keyscan, checked by hand once; we by the key.
set -euo pipefail

folder=${1:?FOLDER} commit=${2:?COMMIT} port=${3:?PORT}
for name in GATEKEEPER_HOST GATEKEEPER_USER GATEKEEPER_SSH_KEY GATEKEEPER_KNOWN_HOSTS; do
  [[ -n ${!name-} ]] || { echo "The secret $name is not set (docs/operations/deploy.md)." >&2; exit 1; }
done

own=$(mktemp -d)
trap 'rm -rf "$own"' EXIT
(umask 077 && printf '%s\n' "$GATEKEEPER_SSH_KEY" >"$own/key" && printf '%s\n' "$GATEKEEPER_KNOWN_HOSTS" >"$own/hosts")

# The smoke test's key goes over standard input, in front of the script: arguments can be seen by every user there.
{
  printf 'export SMOKE_API_KEY=%q\n' "${SMOKE_API_KEY-}"
  cat "$(dirname "$0")/deploy.sh"
} | ssh -i "$own/key" -o IdentitiesOnly=yes -o BatchMode=yes -o StrictHostKeyChecking=yes \
  -o UserKnownHostsFile="$own/hosts" -o ConnectTimeout=15 -o ServerAliveInterval=15 -p "${GATEKEEPER_PORT:-22}" \
  "$GATEKEEPER_USER@$GATEKEEPER_HOST" bash -s -- "$(printf '%q %q %q' "$folder" "$commit" "$port")"

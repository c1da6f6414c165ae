#!/usr/bin/env bash
# choose-version.sh VERSION CONFIRM: which commit a production run deploys, as name=value lines for GitHub Actions.
# A version with a tag is its commit; a new one is what is checked out, if that is main's and staging ran it.
set -euo pipefail

version=${1-} confirm=${2-}
stop() { echo "$*" >&2; exit 1; }

[[ $confirm == deploy ]] || stop "Not confirmed: type the word deploy."
[[ $version =~ ^[0-9]{1,4}\.[0-9]{1,4}\.[0-9]{1,4}$ ]] || stop "The version is three numbers such as 1.4.0."
tag=v$version

if commit=$(git rev-parse --quiet --verify "refs/tags/$tag^{commit}"); then
  is_new=no
else
  commit=$(git rev-parse HEAD) is_new=yes
  [[ ${GITHUB_REF-} == refs/heads/main ]] || stop "A new version is deployed from main: choose it where the run is started."
  runs=$(gh run list --workflow staging.yml --commit "$commit" --status success --json databaseId --jq length)
  ((runs > 0)) || stop "Staging has not run $commit with success yet: let it, then start this again."
fi
printf 'tag=%s\ncommit=%s\nis_new=%s\n' "$tag" "$commit" "$is_new"

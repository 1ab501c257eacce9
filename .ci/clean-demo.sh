#!/usr/bin/env bash
# `make clean-demo`: removes what the demo made: containers and networks of Compose projects below the state folder, and
# the state folder itself except programs and logs. The Docker Engine, its images and other services are not touched.
. "$(dirname "$0")/common.sh"

if [ -e "$STATE/run.lock" ] && ! flock -n "$STATE/run.lock" true; then
  give_up "The demo cannot be removed." "Known Good runs and uses it" "stop it first: make stop"
fi

# Compose writes on everything the folder that it came from.
of_the_demo() {
  docker "$1" ls --format '{{.ID}} {{.Label "com.docker.compose.project.working_dir"}}' "${@:2}" |
    awk -v below="$STATE/" 'index($2, below) == 1 { print $1 }'
}

if have docker && docker version >/dev/null 2>&1; then
  of_the_demo container --all | xargs -r docker rm --force --volumes >/dev/null
fi
find "$STATE" -mindepth 1 -maxdepth 1 ! -name bin ! -name log ! -name chromium ! -name stamps -exec rm -rf {} +
say "the demo is gone; make run sets up a new one"

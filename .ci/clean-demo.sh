#!/usr/bin/env bash
# `make clean-demo SURE=1`: removes what the demo made: containers and networks of Compose projects below the state folder,
# and the state folder's records, keys and files. Programs and logs stay, and so do the engine's images and other services.
. "$(dirname "$0")/common.sh"

KEPT=(bin log chromium)

refuse_while_running() {
  if [ -e "$STATE/run.lock" ] && ! flock -n "$STATE/run.lock" true; then
    give_up "The demo cannot be removed." "Known Good runs and uses it" "stop it first: make stop"
  fi
}

ask_for_the_word() {
  [ "${SURE:-}" = 1 ] || give_up "Nothing was removed." \
    "this removes every record in $STATE, the audit trail included, and the services deployed below it" "make clean-demo SURE=1"
}

# Compose writes on each container the project and the folder that it came from: "ID project folder".
containers() {
  docker container ls --all --format \
    '{{.ID}} {{.Label "com.docker.compose.project"}} {{.Label "com.docker.compose.project.working_dir"}}' |
    awk -v below="$STATE/" 'index($3, below) == 1'
}

remove_services() {
  have docker && docker version >/dev/null 2>&1 || return 0
  local found projects project
  found=$(containers)
  projects=$(awk '{ print $2 }' <<<"$found" | sort -u)
  awk '{ print $1 }' <<<"$found" | xargs -r docker rm --force --volumes >/dev/null
  for project in $projects; do
    docker network ls --quiet --filter "label=com.docker.compose.project=$project" | xargs -r docker network rm >/dev/null
  done
}

remove_state() {
  local name keep=()
  for name in "${KEPT[@]}"; do keep+=(! -name "$name"); done
  # Containers write as a user of their own.
  local remove=(find "$STATE" -mindepth 1 -maxdepth 1 "${keep[@]}" -exec rm -rf {} +)
  if can_be_root; then as_root "${remove[@]}"; else "${remove[@]}"; fi
}

refuse_while_running
ask_for_the_word
remove_services
remove_state
say "the demo is gone; make run sets up a new one"

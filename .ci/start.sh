#!/usr/bin/env bash
# `make run`: sets up what is missing, then becomes the portal. DEMO=0 starts empty.
. "$(dirname "$0")/common.sh"

refuse_a_second_one() {
  local pid address
  if [ -e "$STATE/run.lock" ] && ! flock -n "$STATE/run.lock" true; then
    read -r pid address <"$STATE/run.lock"
    give_up "Known Good runs already, at $address." "process $pid holds $STATE/run.lock; nothing was changed" \
      "open $address, or stop it first: make stop. A second one beside it: make run KG_STATE_DIR=… KG_PORT=…"
  fi
}

main() {
  refuse_a_second_one
  "$ROOT/.ci/setup.sh" run
  cd "$ROOT"
  name_own_compose
  local command=("$ROOT/.venv/bin/python" manage.py run)
  case "${DEMO:-1}" in 0 | no | false | off) ;; *) command+=(--demo) ;; esac
  enter_engine_group "${command[@]}"
  exec "${command[@]}"
}
main

#!/usr/bin/env bash
# `make stop`: ends the running portal as Ctrl-C would. The Docker Engine and the deployed services go on.
. "$(dirname "$0")/common.sh"

LOCK=$STATE/run.lock

is_running() { [ -e "$LOCK" ] && ! flock -n "$LOCK" true; }

if ! is_running; then
  say "Known Good does not run (state folder $STATE)."
  exit
fi
read -r pid address <"$LOCK"
say "stopping Known Good at $address (process $pid)"
kill -TERM "$pid"
for _ in $(seq 600); do
  is_running || exit 0
  sleep 0.1
done
give_up "Known Good has not stopped within a minute." "a job may still be running" "look at its terminal, or: kill -9 $pid"

#!/usr/bin/env bash
# `make test`: sets up, then runs every check and every test: what needs neither engine nor browser on both databases and
# on all cores, the rest one after the other, as it shares the engine and measures time.
# Goes through to the end. With CI=true a missing engine, browser, restic or database is a failure; elsewhere the tests
# that need it are left out, and the last lines say so.
. "$(dirname "$0")/common.sh"

BIN=$ROOT/.venv/bin
PLAIN="not docker and not browser"
SCRATCH=$(mktemp -d "${TMPDIR:-/tmp}/known-good-test.XXXXXX")
chmod 711 "$SCRATCH"
results=()
code=0

finish() {
  "$ROOT/.ci/postgres.sh" stop "$SCRATCH/postgres" || true
  rm -rf "$SCRATCH"
}

# part NAME COMMAND…: runs it, remembers how it ended and its closing line
part() {
  local name=$1 output=$SCRATCH/output status=ok closing
  shift
  printf '\n── %s\n' "$name"
  if ! "$@" 2>&1 | tee "$output"; then
    status=FAILED
    code=1
  fi
  closing=$(grep -E '^(=+ )?[0-9]+ (passed|failed|error|errors|skipped|deselected)' "$output" | tail -n 1 | tr -d '=' || true)
  results+=("$(printf '%-7s %-22s %s' "$status" "$name" "$closing")")
  echo "$closing" >>"$SCRATCH/closing-lines"
  grep -E '^LEFT OUT' "$output" >>"$SCRATCH/left-out" || true
}

tests() { part "$1" "$BIN/python" -m pytest -q "${@:2}"; }

# "N passed, N failed" over all parts; an error is a failure.
total() {
  awk '{ for (i = 1; i < NF; i++) if ($(i + 1) ~ /^(passed|failed|error|errors|skipped),?$/) { sub(/s?,?$/, "", $(i + 1)); n[$(i + 1)] += $i } }
    END { printf "%d passed, %d failed, %d skipped\n", n["passed"], n["failed"] + n["error"], n["skipped"] }' "$SCRATCH/closing-lines"
}

on_postgres() {
  local url
  mkdir -p "$SCRATCH/postgres"
  if url=$("$ROOT/.ci/postgres.sh" start "$SCRATCH/postgres"); then
    DATABASE_URL=$url tests "tests on PostgreSQL" -n auto -m "$PLAIN"
  elif [ "${CI:-}" = true ]; then
    results+=("FAILED  tests on PostgreSQL   no PostgreSQL server is installed or it does not start, see $LOG")
    code=1
  else
    echo "LEFT OUT: all tests on PostgreSQL, as no server is installed or it does not start: apt-get install postgresql" |
      tee -a "$SCRATCH/left-out"
  fi
}

main() {
  "$ROOT/.ci/setup.sh" test
  enter_engine_group "$0"
  cd "$ROOT"
  name_own_compose
  trap finish EXIT
  unset DATABASE_URL REDIS_URL
  if [ "${CI:-}" = true ]; then export KG_TEST_REQUIRE=${KG_TEST_REQUIRE:-engine,browser,restic}; fi
  if [ -r "$STATE/chromium" ]; then export KG_CHROMIUM=${KG_CHROMIUM:-$(cat "$STATE/chromium")}; fi
  if [ -x "$STATE/bin/docker-registry" ]; then export KG_TEST_REGISTRY=$STATE/bin/docker-registry; fi
  if [ -x "$STATE/bin/restic" ]; then export KG_RESTIC_BINARY=${KG_RESTIC_BINARY:-$STATE/bin/restic}; fi
  if [ -x "$STATE/bin/rclone" ]; then export KG_TEST_RCLONE=${KG_TEST_RCLONE:-$STATE/bin/rclone}; fi
  part "lint" "$ROOT/.ci/lint.sh"
  on_postgres
  tests "tests on SQLite" -n auto -m "$PLAIN"
  tests "tests in the browser" -m "browser and not docker"
  tests "tests on the engine" -m docker
  printf '\n'
  printf '%s\n' "${results[@]}"
  if [ -s "$SCRATCH/left-out" ]; then sort -u "$SCRATCH/left-out"; fi
  total
  exit "$code"
}
main

#!/usr/bin/env bash
# Everything that reads the code without running it. Goes through to the end, then says what failed.
. "$(dirname "$0")/common.sh"

BIN=$ROOT/.venv/bin
failed=()

check() {
  local name=$1 begun=$EPOCHREALTIME output
  shift
  if output=$("$@" 2>&1); then
    printf '  ok      %-28s %5.1f s\n' "$name" "$(seconds_since "$begun")"
  else
    printf '  FAILED  %s\n%s\n' "$name" "$output"
    failed+=("$name")
  fi
}

seconds_since() { awk -v a="$1" -v b="$EPOCHREALTIME" 'BEGIN { print b - a }'; }

# Settings as in production: what is unsafe there is a failure here.
deploy_check() {
  KG_HTTPS=1 KG_ALLOWED_HOSTS=portal.example.org "$BIN/python" manage.py check --deploy --fail-level WARNING
}

cd "$ROOT"
export KG_STATE_DIR
KG_STATE_DIR=$(mktemp -d)
trap 'rm -rf "$KG_STATE_DIR"' EXIT
check "ruff check" "$BIN/ruff" check .
check "ruff format" "$BIN/ruff" format --check .
check "mypy" "$BIN/mypy"
check "import contracts" "$BIN/lint-imports"
check "migrations complete" "$BIN/python" manage.py makemigrations --check --dry-run
check "deployment settings" deploy_check
[ ${#failed[@]} = 0 ] || { printf '%s\n' "Failed: ${failed[*]}"; exit 1; }

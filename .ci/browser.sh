#!/usr/bin/env bash
# Finds a Chromium for the browser tests, or installs one. Its path is kept in STATE/chromium.
# Fails quietly: the tests themselves say what was left out, and with CI=true fail.
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/packages.sh"

FOUND=$STATE/chromium

# Ubuntu's package of that name is a stub that asks for a snap; only an answer counts.
runs() { [ -n "$1" ] && timeout 20 "$1" --version >/dev/null 2>&1; }

find_one() {
  local name
  for name in "${KG_CHROMIUM:-}" chromium chromium-browser google-chrome; do
    if [ -n "$name" ] && have "$name" && runs "$name"; then
      command -v "$name" >"$FOUND"
      return
    fi
  done
  return 1
}

from_playwright() {
  say "Chromium: installing playwright's own build"
  logged as_root "$ROOT/.venv/bin/playwright" install-deps chromium &&
    logged "$ROOT/.venv/bin/playwright" install chromium || return
  "$ROOT/.venv/bin/python" -c '
from playwright.sync_api import sync_playwright
with sync_playwright() as playwright:
    print(playwright.chromium.executable_path)' >"$FOUND"
}

# Playwright talks to the browser through a node of its own, which needs a library that bare machines lack.
driver_runs() { "$(find "$ROOT/.venv" -path '*/playwright/driver/node' | head -n 1)" --version >/dev/null 2>&1; }

driver_runs || install_packages "Playwright's driver" libatomic1 || true
if [ -r "$FOUND" ] && [ -x "$(cat "$FOUND")" ]; then exit; fi
if find_one; then exit; fi
if [ "$(distribution)" = ubuntu ]; then
  can_be_root && from_playwright || rm -f "$FOUND"
else
  install_packages "Chromium" chromium fonts-dejavu-core fonts-liberation && find_one || true
fi

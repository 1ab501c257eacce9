#!/usr/bin/env bash
# Brings .venv to what uv.lock says; `venv.sh test` adds the tools for development. Does nothing when it is there already.
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/packages.sh"

VENV=$ROOT/.venv
STAMP=$VENV/known-good.stamp
WANTED=${1:-run}

is_new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

find_python() {
  local name
  for name in "${KG_PYTHON:-}" python3 python3.14 python3.13 python3.12 python3.11; do
    if [ -n "$name" ] && have "$name" && is_new_enough "$name"; then
      "$name" -c 'import os, sys; print(os.path.realpath(sys.executable))'
      return
    fi
  done
  give_up "Python 3.11 or newer is needed." "$(python3 --version 2>&1 || true) is what was found" \
    "install it (Debian 12, Ubuntu 24.04 and newer have it: apt-get install python3), or set KG_PYTHON to its path."
}

# uv from PATH, else from the package index into the virtual environment.
find_uv() {
  if uv --version >/dev/null 2>&1; then
    echo uv
    return
  fi
  if [ ! -x "$VENV/bin/uv" ]; then
    say "uv: getting it into .venv by pip" >&2
    make_bare_venv >&2
    logged "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check uv ||
      give_up "uv could not be had." "the package index did not answer, see $LOG" "check the network (pip's own settings are used) and run this again."
  fi
  echo "$VENV/bin/uv"
}

make_bare_venv() {
  "$PYTHON" -c 'import ensurepip, venv' 2>/dev/null ||
    install_packages "Python's venv module" "python3-venv" ||
    give_up "The virtual environment cannot be made." "Python's venv module is missing and may not be installed by this user" \
      "$(to_install python3-venv), then run this again"
  logged "$PYTHON" -m venv "$VENV"
}

locked() { sha256sum <"$ROOT/uv.lock" | cut -c -64; }

is_current() {
  [ -x "$VENV/bin/python" ] && "$VENV/bin/python" -c '' 2>/dev/null && [ -r "$STAMP" ] || return 1
  local lock kind
  read -r lock kind <"$STAMP"
  [ "$lock" = "$(locked)" ] && { [ "$kind" = test ] || [ "$kind" = "$WANTED" ]; }
}

main() {
  ! is_current || return 0
  # A virtual environment that works keeps its Python: asked for another path, uv would make it anew.
  if [ -x "$VENV/bin/python" ] && is_new_enough "$VENV/bin/python"; then PYTHON=$VENV/bin/python; else PYTHON=$(find_python); fi
  local uv groups=(--no-dev)
  uv=$(find_uv)
  [ "$WANTED" != test ] || groups=()
  [ -w "$HOME" ] || export UV_CACHE_DIR=$STATE/cache/uv
  say "Python packages: bringing .venv to uv.lock"
  cd "$ROOT"
  # --inexact: uv itself and the tools for development may stay. Byte code is made here, once: processes that compile
  # what they import start seconds later and keep up to 15 MB more.
  UV_PROJECT_ENVIRONMENT=$VENV UV_PYTHON_DOWNLOADS=never UV_LINK_MODE=${UV_LINK_MODE:-copy} \
    logged "$uv" sync --frozen --inexact --no-progress --compile-bytecode --python "$PYTHON" "${groups[@]}" ||
    give_up "The Python packages could not be installed." "see the lines above and $LOG" \
      "check the network (uv's and pip's own settings are used) and run this again."
  echo "$(locked) $WANTED" >"$STAMP"
}
main

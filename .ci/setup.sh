#!/usr/bin/env bash
# Everything that has to be there before the portal runs (`setup.sh run`) or is tested (`setup.sh test`).
# Each part looks first whether it has anything to do; the second time, all of them together take a moment.
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/packages.sh"

WANTED=${1:-run}
HERE=$ROOT/.ci

engine_and_its_parts() {
  "$HERE/engine.sh" || return 0
  enter_engine_group "$0" "$@"
  local always=()
  [ "$WANTED" != test ] || always=(--always)
  # The portal starts all the same: what needs the missing part says so where it is needed.
  "$HERE/compose.sh" || say "going on without it"
  "$HERE/base-image.sh" "${always[@]}" || say "going on without it"
}

if ! "$HERE/venv.sh" "$WANTED"; then exit 1; fi
"$HERE/registry.sh"
"$HERE/restic.sh" || say "going on without it"
engine_and_its_parts "$@"
if [ "$WANTED" = test ]; then
  # The tests give engines of their own a bridge.
  have ip || install_packages "Network tools" iproute2 || say "ip is missing: $(to_install iproute2)"
  "$HERE/browser.sh"
  "$HERE/rclone.sh"
  "$HERE/postgres.sh" install
fi

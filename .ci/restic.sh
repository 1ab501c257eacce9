#!/usr/bin/env bash
# Finds restic 0.17 or newer, or takes it out of its Debian or Ubuntu package into the state folder.
# It is not installed as a package: a restic that the machine's own release brings stays as it is.
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/packages.sh"

TARGET=$STATE/bin/restic
OLDEST=0.17

is_new_enough() {
  local version
  version=$("$@" version 2>/dev/null | sed -n 's/^restic \([0-9][0-9.]*\).*/\1/p')
  [ -n "$version" ] && [ "$(printf '%s\n' "$OLDEST" "$version" | sort -V | head -n 1)" = "$OLDEST" ]
}

already_there() {
  [ -z "${KG_RESTIC_BINARY:-}" ] || { is_new_enough "$KG_RESTIC_BINARY" && return; }
  is_new_enough "$TARGET" || { have restic && is_new_enough restic; }
}

unpack() {
  case "$(distribution) $(codename)" in
    "ubuntu "*) unpack_from restic "$(codename)" "main universe" '*/bin/restic' "$TARGET" ;;
    "debian bookworm") unpack_from restic trixie main '*/bin/restic' "$TARGET" ;;
    "debian "*) unpack_from restic "$(codename)" main '*/bin/restic' "$TARGET" ;;
    *) return 1 ;;
  esac
}

already_there && exit
say "restic: taking it out of its $(distribution) package into $TARGET"
unpack && is_new_enough "$TARGET" || give_up "restic $OLDEST or newer could not be had: there are no backups without it." \
  "its package was not found, not reached, too old, or does not run here; the details are in $LOG" \
  "put a restic binary at $TARGET or set KG_RESTIC_BINARY to its path, and run this again."
